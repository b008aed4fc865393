"""Members on their way out, inside the writer's transaction: shut out first, forgotten when their trees have gone."""

from __future__ import annotations

from recalld.domain.caller import Role
from recalld.domain.commit import DropMember, DropWork, ForgetEntries, MarkLeaving
from recalld.domain.errors import Conflict, NotFound
from recalld.rules.roles import check_governs, last_admin

from .transaction import WriteTx

_ACTIVE = "SELECT 1 FROM task WHERE id = ? AND status IN ('pending', 'running', 'cancelling')"
_OTHER_ADMIN = (
    "SELECT 1 FROM member WHERE account = :account AND user <> :user "
    "AND role = 'admin' AND key_hash <> '' AND deleting = '' LIMIT 1"
)
_THESE = "account = :account AND (:user = '' OR user = :user)"
_WAITING = "state = 'pending' AND kind NOT IN ('purge', 'leave')"
_END_TASKS = (
    "UPDATE task SET status = 'cancelled', updated = :at WHERE id <> :task "
    "AND status NOT IN ('completed', 'failed', 'cancelled')"
)


def mark_leaving(tx: WriteTx, op: MarkLeaving) -> None:
    """See ``commit.MarkLeaving``."""
    check_governs(tx.caller, op.account)
    there = tx.c.execute(
        "SELECT deleting, role FROM member WHERE account = ? AND user = ? AND key_hash <> ''"
        if op.user
        else "SELECT deleting, '' FROM account WHERE id = ? AND ? = ''",
        (op.account, op.user),
    ).fetchone()
    if there is None:
        what, name = ("user", op.user) if op.user else ("account", op.account)
        raise NotFound(
            f"{what.capitalize()} not found: {name}",
            remedy=f"list the {what}s that there are",
            details={"type": what, "resource": name},
        )
    if there[0] and tx.c.execute(_ACTIVE, (there[0],)).fetchone():
        raise Conflict(
            "its removal is in progress",
            remedy="wait until its task has ended",
            code="FAILED_PRECONDITION",
            details={"task_id": there[0]},
        )
    who = {"account": op.account, "user": op.user, "task": op.task}
    if there[1] == Role.ADMIN and tx.caller.role is not Role.ROOT and not tx.c.execute(_OTHER_ADMIN, who).fetchone():
        raise last_admin(op.account, op.user)
    if not op.user:
        tx.c.execute("UPDATE account SET deleting = :task WHERE id = :account", who)
    tx.c.execute(f"UPDATE member SET deleting = :task WHERE {_THESE}", who)
    # What has begun runs to its end before anything is removed (usecases/members/delete_member); what has not never will.
    _drop_waiting(tx, who)


def drop_work(tx: WriteTx, op: DropWork) -> None:
    """See ``commit.DropWork``."""
    check_governs(tx.caller, op.account)
    marked = _marked(tx, op.account, op.user)
    if marked:
        _drop_waiting(tx, {"account": op.account, "user": op.user, "task": marked})


def _drop_waiting(tx: WriteTx, who: dict[str, str]) -> None:
    tx.c.execute(f"{_END_TASKS} AND id IN (SELECT task FROM job WHERE {_THESE} AND {_WAITING})", who | {"at": tx.at})
    tx.c.execute(f"DELETE FROM job WHERE {_THESE} AND {_WAITING}", who)


def _marked(tx: WriteTx, account: str, user: str) -> str:
    """The task that removes a member or an account; "" where none does."""
    found = tx.c.execute(
        "SELECT deleting FROM member WHERE account = ? AND user = ? AND deleting <> ''"
        if user
        else "SELECT deleting FROM account WHERE id = ? AND ? = '' AND deleting <> ''",
        (account, user),
    ).fetchone()
    return str(found[0]) if found else ""


_FORGET = """
UPDATE log SET uri = :top || node, cause = CASE WHEN instr(cause, :top) = 1 THEN '' ELSE cause END,
  detail = CASE WHEN detail <> '' AND op IN ('create', 'move', 'restore')
    THEN json_remove(json_set(detail, '$.name', CAST(node AS TEXT)), '$.from') ELSE '' END
WHERE seq BETWEEN :first AND :last AND account = :account AND substr(uri, 1, length(:top)) = :top AND uri <> :top
  AND uri <> :top || node"""


def forget_entries(tx: WriteTx, op: ForgetEntries) -> None:
    """See ``commit.ForgetEntries``."""
    check_governs(tx.caller, op.account)
    if _marked(tx, op.account, op.user):
        top = f"viking://user/{op.user}/" if op.user else "viking://"
        tx.c.execute(_FORGET, {"top": top, "account": op.account, "first": op.first, "last": op.last})


def drop(tx: WriteTx, op: DropMember) -> None:
    """See ``commit.DropMember``."""
    check_governs(tx.caller, op.account)
    marked = _marked(tx, op.account, op.user)
    if not marked:
        return
    who = {"account": op.account, "user": op.user, "task": marked}
    tx.c.execute(f"DELETE FROM member WHERE {_THESE}", who)
    tx.c.execute(f"DELETE FROM made WHERE {_THESE}", who)
    tx.c.execute(f"DELETE FROM task WHERE {_THESE} AND id <> :task", who)
    tx.c.execute(f"DELETE FROM job WHERE {_THESE} AND state <> 'running' AND kind NOT IN ('purge', 'leave')", who)
    if not op.user:
        tx.c.execute("DELETE FROM account WHERE id = :account", who)
        tx.c.execute("DELETE FROM snapshot WHERE account = :account", who)
        tx.c.execute("DELETE FROM meta WHERE key = 'ovgitignore/' || :account", who)
