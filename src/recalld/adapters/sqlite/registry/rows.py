"""Rows of accounts and members, inside one transaction of the store."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

import apsw

from recalld.domain.caller import Role
from recalld.domain.errors import Conflict, NotFound
from recalld.domain.member import Account, Member
from recalld.rules.keys import digest
from recalld.rules.roles import last_admin

_MEMBER = "SELECT account, user, role, created, key_head, deleting, settings, key_hash FROM member"
_ACCOUNT = (
    "SELECT a.id, a.created, (SELECT count(*) FROM member m WHERE m.account = a.id AND m.key_hash <> ''), a.deleting, "
    "a.settings FROM account a"
)
_OTHER_ADMIN = (
    "SELECT 1 FROM member WHERE account = ? AND user <> ? "
    "AND role = 'admin' AND key_hash <> '' AND deleting = '' LIMIT 1"
)
Found = tuple[Member, str]
"""A member and the hash of its key."""


def member(c: apsw.Connection, account: str, user: str) -> Found | None:
    """One member."""
    found = c.execute(f"{_MEMBER} WHERE account = ? AND user = ?", (account, user)).fetchone()
    return None if found is None else _member(cast("tuple[Any, ...]", found))


def members(c: apsw.Connection, account: str, limit: int, after: str) -> list[Member]:
    """Those with a key, by name."""
    where = "WHERE account = ? AND user > ? AND key_hash <> ''"
    found = c.execute(f"{_MEMBER} {where} ORDER BY user LIMIT ?", (account, after, limit))
    return [_member(cast("tuple[Any, ...]", values))[0] for values in found]


def _member(values: tuple[Any, ...]) -> Found:
    account, user, role, created, key_head, deleting, settings, key_hash = values
    mark = digest(key_hash).hex() if key_hash else ""
    return Member(account, user, Role(role), created, key_head, deleting, json.loads(settings), mark), str(key_hash)


def account(c: apsw.Connection, id_: str) -> Account | None:
    """One account."""
    found = c.execute(f"{_ACCOUNT} WHERE a.id = ?", (id_,)).fetchone()
    return None if found is None else _account(cast("tuple[Any, ...]", found))


def accounts(c: apsw.Connection) -> list[Account]:
    """All, by name."""
    return [_account(cast("tuple[Any, ...]", values)) for values in c.execute(f"{_ACCOUNT} ORDER BY a.id").fetchall()]


def _account(values: tuple[Any, ...]) -> Account:
    id_, created, users, deleting, settings = values
    return Account(id_, created, users, deleting, json.loads(settings))


def add_account(c: apsw.Connection, id_: str, at: float) -> None:
    """Raises ``Conflict``."""
    there = account(c, id_)
    if there is not None:
        raise _leaving("account", id_, there.deleting) if there.deleting else _exists("account", id_)
    c.execute("INSERT INTO account (id, created) VALUES (?, ?)", (id_, at))


def add_member(c: apsw.Connection, new: Member, key_hash: str) -> None:
    """Raises ``Conflict`` and ``NotFound``. A row of settings alone becomes the member's."""
    home = account(c, new.account)
    if home is None:
        raise missing_account(new.account)
    if home.deleting:
        raise _leaving("account", new.account, home.deleting)
    there = member(c, new.account, new.user)
    if there is not None and there[0].deleting:
        raise _leaving("user", new.user, there[0].deleting)
    if there is not None and there[1]:
        raise _exists("user", new.user)
    settings = {**(there[0].settings if there is not None else {}), **new.settings}
    c.execute(
        "INSERT OR REPLACE INTO member (account, user, role, created, key_hash, key_head, settings) VALUES (?,?,?,?,?,?,?)",
        (new.account, new.user, str(new.role), new.created_at, key_hash, new.key_head, _json(settings)),
    )


def change_member(c: apsw.Connection, account_: str, user: str, **columns: str) -> None:
    """Raises ``NotFound``, and ``Conflict`` for a member that is being removed."""
    there = member(c, account_, user)
    if there is None or not there[1]:
        raise missing_user(user)
    if there[0].deleting:
        raise _leaving("user", user, there[0].deleting)
    names = ", ".join(f"{name} = ?" for name in columns)
    c.execute(f"UPDATE member SET {names} WHERE account = ? AND user = ?", (*columns.values(), account_, user))


def replace_hash(c: apsw.Connection, account_: str, user: str, old: str, new: str) -> None:
    """Replace the hash of a key, unless it is another one by now."""
    c.execute(
        "UPDATE member SET key_hash = ? WHERE account = ? AND user = ? AND key_hash = ?", (new, account_, user, old)
    )


def set_role(c: apsw.Connection, account_: str, user: str, role: Role, *, keep_admin: bool) -> None:
    """Raises ``NotFound``, and ``Conflict`` where ``keep_admin`` and no other admin would be left."""
    if keep_admin and role is not Role.ADMIN:
        there = member(c, account_, user)
        others = c.execute(_OTHER_ADMIN, (account_, user)).fetchone()
        if there is not None and there[0].role is Role.ADMIN and others is None:
            raise last_admin(account_, user)
    change_member(c, account_, user, role=str(role))


def change_settings(
    c: apsw.Connection, account_: str, user: str, changes: Mapping[str, Any], *, within: str, keyed: bool, at: float
) -> dict[str, Any]:
    if user:
        there = member(c, account_, user)
        if keyed and (there is None or not there[1]):
            raise missing_user(user)
        settings = _merged(there[0].settings if there is not None else {}, changes, within)
        c.execute(
            "INSERT INTO member (account, user, role, created, settings) VALUES (?,?,'user',?,?) "
            "ON CONFLICT (account, user) DO UPDATE SET settings = excluded.settings",
            (account_, user, at, _json(settings)),
        )
        return settings
    home = account(c, account_)
    if home is None:
        raise missing_account(account_)
    settings = _merged(home.settings, changes, within)
    c.execute("UPDATE account SET settings = ? WHERE id = ?", (_json(settings), account_))
    return settings


def _merged(settings: Mapping[str, Any], changes: Mapping[str, Any], within: str) -> dict[str, Any]:
    if within:
        inner = settings.get(within)
        changes = {within: _merged(inner if isinstance(inner, Mapping) else {}, changes, "") or None}
    return {name: value for name, value in {**settings, **changes}.items() if value is not None}


def missing_account(id_: str) -> NotFound:
    """The wire's NOT_FOUND."""
    return NotFound(
        f"Account not found: {id_}",
        remedy="create it with `create_account`",
        details={"type": "account", "resource": id_},
    )


def missing_user(user: str) -> NotFound:
    """The wire's NOT_FOUND."""
    return NotFound(
        f"User not found: {user}",
        remedy="create it with `create_user`",
        details={"type": "user", "resource": user},
    )


def _exists(what: str, id_: str) -> Conflict:
    return Conflict(
        f"Already exists: {what} {id_}",
        remedy="choose another name, or use what is there",
        code="ALREADY_EXISTS",
        details={"resource": id_, "type": what},
    )


def _leaving(what: str, id_: str, task: str) -> Conflict:
    return Conflict(
        f"{what.capitalize()} {id_} is being removed",
        remedy="wait until its task has ended",
        code="FAILED_PRECONDITION",
        details={"resource": id_, "type": what, "task_id": task},
    )


def _json(settings: Mapping[str, Any]) -> str:
    return json.dumps(dict(settings), ensure_ascii=False)
