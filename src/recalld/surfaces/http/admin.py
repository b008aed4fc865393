"""/admin: accounts, users, keys and their settings. /user-settings: settings a user makes for itself."""

from __future__ import annotations

from typing import Any

from recalld.app.admin import AdminOperations
from recalld.app.skills import Locations
from recalld.domain.errors import Denied, Invalid
from recalld.domain.member import Account, Member
from recalld.rules.openviking_json import iso
from recalld.rules.settings import AGENT_EVOLUTION
from recalld.surfaces.http.endpoint import Endpoint
from recalld.surfaces.http.models import admin as models
from recalld.surfaces.http.models.admin import LocationsBody, LocationsShown
from recalld.surfaces.http.request import ApiRequest

_AT = "/api/v1/admin"
_ACCOUNT = f"{_AT}/accounts/{{account}}"
_USER = f"{_ACCOUNT}/users/{{user}}"


async def create_account(request: ApiRequest, body: models.AccountBody) -> dict[str, Any]:
    """Create an account and its first admin (root). The key is not shown again."""
    key = await _admin(request).create_account(
        body.account_id, body.admin_user_id, seed=body.seed, settings=_settings(body.user_config)
    )
    return {"account_id": body.account_id, "admin_user_id": body.admin_user_id, "user_key": key}


async def accounts(request: ApiRequest) -> list[dict[str, Any]]:
    """List all accounts (root)."""
    return [_account(one) for one in await _admin(request).accounts()]


async def account(request: ApiRequest, account: str) -> dict[str, Any]:
    """Return an account (root, or its admin)."""
    return _account(await _admin(request).account(account))


async def delete_account(request: ApiRequest, account: str) -> dict[str, Any]:
    """Delete an account with all its users and data (root). Its keys stop working at once; a background task removes the data."""
    gone = await _admin(request).delete_account(account)
    return {"deleted": True, "account_id": gone.account, "task_id": gone.task_id}


async def create_user(request: ApiRequest, account: str, body: models.UserBody) -> dict[str, Any]:
    """Create a user (root, or the account's admin). The key is not shown again, and in trusted mode not at all."""
    key = await _admin(request).create_user(
        account, body.user_id, role=body.role, seed=body.seed, settings=_settings(body.user_config)
    )
    shown = {"account_id": account, "user_id": body.user_id}
    return shown if request.app_state.settings.mode == "trusted" else {**shown, "user_key": key}


async def users(request: ApiRequest, account: str, query: models.UsersQuery) -> list[dict[str, Any]]:
    """List the users of an account by name (root, or its admin). Next page: ``after``."""
    found = await _admin(request).users(
        account, limit=query.limit + 1, name=query.name, role=query.role, after=query.after
    )
    return [_user(one) for one in request.cut(found, query.limit)]


async def user(request: ApiRequest, account: str, user: str) -> dict[str, Any]:
    """Return a user (root, or the account's admin)."""
    return _user(await _admin(request).user(account, user))


async def delete_user(request: ApiRequest, account: str, user: str) -> dict[str, Any]:
    """Delete a user with all its data (root, or the account's admin). The answer is 202; the task reports the end."""
    gone = await _admin(request).delete_user(account, user)
    return {"account_id": gone.account, "user_id": gone.user, "status": "deleting", "task_id": gone.task_id}


async def set_role(request: ApiRequest, account: str, user: str, body: models.RoleBody) -> dict[str, Any]:
    """Set the role of a user (root, or the account's admin). Only root may leave an account without an admin."""
    return _user(await _admin(request).set_role(account, user, body.role))


async def renew_key(request: ApiRequest, account: str, user: str, body: models.KeyBody | None = None) -> dict[str, Any]:
    """Give a user a new key (root, or the account's admin). The old key stops working."""
    return {"user_key": await _admin(request).renew_key(account, user, seed=body.seed if body is not None else None)}


async def account_settings(request: ApiRequest, account: str) -> dict[str, Any]:
    """Return the settings of an account (root, or its admin)."""
    return _account_settings(await _admin(request).account(account))


async def set_account_settings(request: ApiRequest, account: str, body: models.AccountSettingsBody) -> dict[str, Any]:
    """Replace settings of an account (root, or its admin)."""
    return _account_settings(await _admin(request).set_account_settings(account, body.model_dump(include=_sent(body))))


async def user_settings(request: ApiRequest, account: str, user: str) -> dict[str, Any]:
    """Return the settings of a user (root, or the account's admin)."""
    return _user_settings(await _admin(request).user(account, user))


async def set_user_settings(
    request: ApiRequest, account: str, user: str, body: models.UserSettingsBody
) -> dict[str, Any]:
    """Replace settings of a user (root, or the account's admin)."""
    return _user_settings(await _admin(request).set_user_settings(account, user, body.model_dump(include=_sent(body))))


async def evolution(request: ApiRequest) -> None:
    """Not implemented: agent evolution."""
    _admin(request)
    raise _not_implemented("Agent evolution is not implemented", "read memories with POST /api/v1/search/find")


async def set_evolution(request: ApiRequest) -> None:
    """Not implemented: agent evolution."""
    await evolution(request)


async def migrate(request: ApiRequest) -> None:
    """Not implemented: there is no older layout to migrate from."""
    _admin(request)
    raise _not_implemented(
        "There is no older layout to migrate", "a store is migrated when it is opened; recalld imports packs"
    )


def _not_implemented(what: str, remedy: str) -> Invalid:
    return Invalid(what, remedy=remedy, code="UNIMPLEMENTED")


def _admin(request: ApiRequest) -> AdminOperations:
    if request.app_state.settings.mode == "dev":
        raise Denied(
            "Admin API requires api_key mode or trusted mode: dev mode does not authenticate",
            remedy="set server.root_api_key and start again",
        )
    return request.workspace.admin


def _sent(body: models.AccountSettingsBody | models.UserSettingsBody) -> set[str]:
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


_LOCATIONS = "/api/v1/user-settings/add-locations"


async def get(request: ApiRequest) -> dict[str, Any]:
    """Return where imports and skills go by default."""
    return _shown(await request.workspace.locations.get())


async def set_(request: ApiRequest, body: LocationsBody) -> dict[str, Any]:
    """Set where imports and skills go by default. Null restores the default."""
    changes = body.model_dump(include=body.model_fields_set - {"telemetry"})
    return _shown(await request.workspace.locations.set(changes))


async def reset(request: ApiRequest) -> dict[str, Any]:
    """Restore both defaults."""
    return _shown(await request.workspace.locations.reset())


def _shown(found: Locations) -> dict[str, Any]:
    effective = {"resource_uri": found.resource_uri, "skill_uri": found.skill_uri}
    return {"override": dict(found.override), "effective": effective}


ENDPOINTS = (
    Endpoint("POST", f"{_AT}/accounts", create_account, models.AccountCreated, "Create an account"),
    Endpoint("GET", f"{_AT}/accounts", accounts, list[models.AccountShown], "List accounts"),
    Endpoint("GET", _ACCOUNT, account, models.AccountShown, "Show an account"),
    Endpoint("DELETE", _ACCOUNT, delete_account, models.AccountDeleted, "Delete an account"),
    Endpoint("POST", f"{_ACCOUNT}/users", create_user, models.UserCreated, "Create a user"),
    Endpoint("GET", f"{_ACCOUNT}/users", users, list[models.UserShown], "List users"),
    Endpoint("GET", _USER, user, models.UserShown, "Show a user"),
    Endpoint("DELETE", _USER, delete_user, models.UserDeleted, "Delete a user", status=202),
    Endpoint("PUT", f"{_USER}/role", set_role, models.UserShown, "Set a user's role"),
    Endpoint("POST", f"{_USER}/key", renew_key, models.NewKey, "Renew a user's key"),
    Endpoint("GET", f"{_ACCOUNT}/settings", account_settings, models.AccountSettings, "Read an account's settings"),
    Endpoint(
        "PATCH", f"{_ACCOUNT}/settings", set_account_settings, models.AccountSettings, "Set an account's settings"
    ),
    Endpoint("GET", f"{_USER}/settings", user_settings, models.UserSettings, "Read a user's settings"),
    Endpoint("PATCH", f"{_USER}/settings", set_user_settings, models.UserSettings, "Set a user's settings"),
    Endpoint("GET", f"{_AT}/agent-evolution", evolution, dict[str, Any], "Not implemented"),
    Endpoint("PUT", f"{_AT}/agent-evolution", set_evolution, dict[str, Any], "Not implemented"),
    Endpoint("POST", f"{_AT}/migrate", migrate, dict[str, Any], "Not implemented"),
    Endpoint("GET", _LOCATIONS, get, LocationsShown, "Show default locations"),
    Endpoint("PATCH", _LOCATIONS, set_, LocationsShown, "Set default locations"),
    Endpoint("DELETE", _LOCATIONS, reset, LocationsShown, "Reset default locations"),
)
