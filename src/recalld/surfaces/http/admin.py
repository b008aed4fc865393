"""/admin: accounts, users, keys and their settings."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query

from recalld.app.admin import AdminOperations
from recalld.domain.errors import Denied, Invalid
from recalld.domain.member import Account, Member
from recalld.rules.openviking_json import iso
from recalld.rules.settings import AGENT_EVOLUTION
from recalld.surfaces.http.endpoint import Endpoint
from recalld.surfaces.http.models import admin as models
from recalld.surfaces.http.request import ApiRequest

_AT = "/api/v1/admin"
_ACCOUNT = f"{_AT}/accounts/{{account}}"
_USER = f"{_ACCOUNT}/users/{{user}}"


async def make_account(request: ApiRequest, body: models.AccountBody) -> dict[str, Any]:
    """Make an account and its first admin (root). The key is told this once."""
    verbs = _verbs(request)
    key = await verbs.make_account(
        body.account_id, body.admin_user_id, seed=body.seed, settings=_settings(body.user_config)
    )
    return {"account_id": body.account_id, "admin_user_id": body.admin_user_id, "user_key": key}


async def accounts(request: ApiRequest) -> list[dict[str, Any]]:
    """All accounts (root)."""
    return [_account(one) for one in await _verbs(request).accounts()]


async def account(request: ApiRequest, account: str) -> dict[str, Any]:
    """One account (root, or its admin)."""
    return _account(await _verbs(request).account(account))


async def remove_account(request: ApiRequest, account: str) -> dict[str, Any]:
    """Remove an account with all its users and data (root): nobody comes in any more, the data go in the background."""
    gone = await _verbs(request).remove_account(account)
    return {"deleted": True, "account_id": gone.account, "task_id": gone.task_id}


async def make_user(request: ApiRequest, account: str, body: models.UserBody) -> dict[str, Any]:
    """Make a user (root, or the account's admin). The key is told this once, and not at all in trusted mode."""
    verbs = _verbs(request)
    key = await verbs.enrol(account, body.user_id, role=body.role, seed=body.seed, settings=_settings(body.user_config))
    shown = {"account_id": account, "user_id": body.user_id}
    return shown if request.app_state.settings.mode == "trusted" else {**shown, "user_key": key}


async def users(
    request: ApiRequest, account: str, query: Annotated[models.UsersQuery, Query()]
) -> list[dict[str, Any]]:
    """An account's users by name (root, or its admin); go on with ``after``."""
    found = await _verbs(request).members(
        account, limit=query.limit + 1, name=query.name, role=query.role, after=query.after
    )
    return [_user(one) for one in request.cut(found, query.limit)]


async def user(request: ApiRequest, account: str, user: str) -> dict[str, Any]:
    """One user (root, or the account's admin)."""
    return _user(await _verbs(request).member(account, user))


async def remove_user(request: ApiRequest, account: str, user: str) -> dict[str, Any]:
    """Remove a user and all of its data (root, or the account's admin); 202, the task tells when it is done."""
    gone = await _verbs(request).remove_member(account, user)
    return {"account_id": gone.account, "user_id": gone.user, "status": "deleting", "task_id": gone.task_id}


async def set_role(request: ApiRequest, account: str, user: str, body: models.RoleBody) -> dict[str, Any]:
    """Make a user an admin, or an admin a plain user again (root, or the account's admin). Only root leaves an account without
    an admin."""
    return _user(await _verbs(request).set_role(account, user, body.role))


async def renew_key(request: ApiRequest, account: str, user: str, body: models.KeyBody | None = None) -> dict[str, Any]:
    """A new key for a user (root, or the account's admin). The old one is worth nothing from then on."""
    return {"user_key": await _verbs(request).renew_key(account, user, seed=body.seed if body is not None else None)}


async def account_settings(request: ApiRequest, account: str) -> dict[str, Any]:
    """An account's settings (root, or its admin)."""
    return _account_settings(await _verbs(request).account(account))


async def set_account_settings(request: ApiRequest, account: str, body: models.AccountSettingsBody) -> dict[str, Any]:
    """Replace an account's settings (root, or its admin)."""
    return _account_settings(await _verbs(request).set_account(account, body.model_dump(include=_fields_sent(body))))


async def user_settings(request: ApiRequest, account: str, user: str) -> dict[str, Any]:
    """A user's settings (root, or the account's admin)."""
    return _user_settings(await _verbs(request).member(account, user))


async def set_user_settings(
    request: ApiRequest, account: str, user: str, body: models.UserSettingsBody
) -> dict[str, Any]:
    """Replace a user's settings (root, or the account's admin)."""
    return _user_settings(await _verbs(request).set_member(account, user, body.model_dump(include=_fields_sent(body))))


async def evolution(request: ApiRequest) -> None:
    """Not served: agents do not evolve here."""
    _verbs(request)
    raise _unserved("Agents are not evolved here", "read what was learnt with POST /api/v1/search/find")


async def set_evolution(request: ApiRequest) -> None:
    """Not served: agents do not evolve here."""
    await evolution(request)


async def migrate(request: ApiRequest) -> None:
    """Not served: there is no older layout to migrate from."""
    _verbs(request)
    raise _unserved(
        "There is no older layout to migrate", "a store is brought up to date when it is opened; recalld imports packs"
    )


def _unserved(what: str, remedy: str) -> Invalid:
    return Invalid(what, remedy=remedy, code="UNIMPLEMENTED")


def _verbs(request: ApiRequest) -> AdminOperations:
    if request.app_state.settings.mode == "dev":
        raise Denied(
            "Admin API requires api_key mode or trusted mode: in dev mode nobody proves who they are",
            remedy="set server.root_api_key and start again",
        )
    return request.workspace.facade(AdminOperations)


def _fields_sent(body: models.AccountSettingsBody | models.UserSettingsBody) -> set[str]:
    return body.model_fields_set - {"telemetry"}


def _settings(config: models.UserConfig | None) -> dict[str, Any]:
    return {} if config is None else config.model_dump(exclude_none=True)


def _account(one: Account) -> dict[str, Any]:
    return {"account_id": one.id, "created_at": iso(one.created_at), "user_count": one.users}


def _user(one: Member) -> dict[str, Any]:
    return {
        "account_id": one.account,
        "user_id": one.user,
        "role": one.role.value,
        "created_at": iso(one.created_at),
        "key_prefix": one.key_head,
        "status": "deleting" if one.deleting else "active",
    }


def _account_settings(one: Account) -> dict[str, Any]:
    held = {AGENT_EVOLUTION: {"enabled": False}, **one.settings}
    return {"account_id": one.id, "settings": {AGENT_EVOLUTION: held[AGENT_EVOLUTION]}, "overrides": one.settings}


def _user_settings(one: Member) -> dict[str, Any]:
    return {"account_id": one.account, "user_id": one.user, "memory_policy": one.settings.get("memory_policy")}


ENDPOINTS = (
    Endpoint("POST", f"{_AT}/accounts", make_account, models.AccountMade, "Make an account"),
    Endpoint("GET", f"{_AT}/accounts", accounts, list[models.AccountShown], "List accounts"),
    Endpoint("GET", _ACCOUNT, account, models.AccountShown, "Look at an account"),
    Endpoint("DELETE", _ACCOUNT, remove_account, models.AccountGone, "Remove an account"),
    Endpoint("POST", f"{_ACCOUNT}/users", make_user, models.UserMade, "Make a user"),
    Endpoint("GET", f"{_ACCOUNT}/users", users, list[models.UserShown], "List users"),
    Endpoint("GET", _USER, user, models.UserShown, "Look at a user"),
    Endpoint("DELETE", _USER, remove_user, models.UserGone, "Remove a user", status=202),
    Endpoint("PUT", f"{_USER}/role", set_role, models.UserShown, "Set a user's role"),
    Endpoint("POST", f"{_USER}/key", renew_key, models.KeyMade, "Renew a user's key"),
    Endpoint("GET", f"{_ACCOUNT}/settings", account_settings, models.AccountSettings, "Read an account's settings"),
    Endpoint(
        "PATCH", f"{_ACCOUNT}/settings", set_account_settings, models.AccountSettings, "Set an account's settings"
    ),
    Endpoint("GET", f"{_USER}/settings", user_settings, models.UserSettings, "Read a user's settings"),
    Endpoint("PATCH", f"{_USER}/settings", set_user_settings, models.UserSettings, "Set a user's settings"),
    Endpoint("GET", f"{_AT}/agent-evolution", evolution, dict[str, Any], "Not served"),
    Endpoint("PUT", f"{_AT}/agent-evolution", set_evolution, dict[str, Any], "Not served"),
    Endpoint("POST", f"{_AT}/migrate", migrate, dict[str, Any], "Not served"),
)
