"""Delete a member or an account: access ends at once, data is removed when its running jobs have ended."""

from __future__ import annotations

from collections.abc import Sequence

from recalld.domain.caller import Caller, Role
from recalld.domain.commit import Commit, DropMember, DropWork, ForgetEntries, MarkLeaving, NewTask, Remove, UpdateTask
from recalld.domain.errors import Busy
from recalld.domain.job import DeleteMemberPayload, Job, Lane, TaskStatus
from recalld.domain.uri import Uri
from recalld.ports.bundle import Ports

TREES_PER_COMMIT = 20
ENTRIES_PER_COMMIT = 2_000
_USERS = Uri(("user",))


async def begin_deletion(account: str, user: str, caller: Caller, ports: Ports) -> str:
    """Revoke access of a member (``user`` "": the account) and enqueue its deletion, in one commit; return the task's id.

    Raises ``NotFound``, ``Denied``, and ``Conflict`` while it is being removed already.
    """
    task = ports.clock.token()
    what = "user_deletion" if user else "account_deletion"
    resource = f"{account}/{user}" if user else account
    ops = (MarkLeaving(account, user, task), NewTask(task, what, resource))
    job = DeleteMemberPayload(account, user).job(f"leave/{resource}", lane=Lane.INTERACTIVE, task_id=task)
    await ports.ledger.tenant(caller).commit(Commit(ops, (job,), cause=what))
    ports.registry.forget(account, user)
    return task


async def delete_member(job: Job[DeleteMemberPayload], ports: Ports) -> None:
    """Remove the trees, then forget the member and end the task. Idempotent."""
    account, user = job.payload.account, job.payload.user
    spaces = [user] if user else [one.user for one in await ports.backlog.partitions() if one.account == account]
    await _wait_for_work(account, spaces, job, ports)
    tenant = ports.ledger.tenant(Caller(account, user or job.caller.user, Role.ROOT))
    tops = [_USERS / name for name in spaces if name]
    if not user:
        tops += [n.uri for n in await tenant.list(Uri(), limit=100, hidden=True) if n.uri != _USERS]
    for at in range(0, len(tops), TREES_PER_COMMIT):
        await tenant.commit(
            Commit(
                tuple(Remove(top, recursive=True, erase=True) for top in tops[at : at + TREES_PER_COMMIT]),
                cause=f"leave {job.task_id}",
            ),
            lane=Lane.BULK,
        )
    end = await ports.history.past(tenant.caller).end()
    for first in range(1, end + 1, ENTRIES_PER_COMMIT):
        await tenant.commit(
            Commit((ForgetEntries(account, user, first, first + ENTRIES_PER_COMMIT - 1),)), lane=Lane.BULK
        )
    done = UpdateTask(job.task_id, TaskStatus.COMPLETED, result={"account_id": account, "user_id": user or None})
    await ports.ledger.tenant(job.caller).commit(Commit((DropMember(account, user), done), done=job.id), lane=Lane.BULK)


async def _wait_for_work(account: str, spaces: Sequence[str], job: Job[DeleteMemberPayload], ports: Ports) -> None:
    """Raise ``Busy`` while jobs of the member are pending: they could recreate what is removed here.

    Rescheduled jobs of the member are dropped: a used-up budget reschedules them for a day. Rescheduled jobs of the shared
    tree never recreate a member's files.
    """
    governing = ports.ledger.tenant(Caller(account, job.caller.user, Role.ROOT))
    await governing.commit(Commit((DropWork(account, job.payload.user),)), lane=Lane.BULK)
    for name in {*spaces, ""}:
        caller = Caller(account, name)
        own = int((account, name) == (job.caller.account, job.caller.user))
        if await ports.ledger.tenant(caller).pending(due=True) > own:
            raise Busy(f"work of {account}/{name} is under way", retry_after_s=5.0, remedy="the deletion waits for it")
