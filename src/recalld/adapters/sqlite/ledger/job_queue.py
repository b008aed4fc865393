"""Jobs and tasks: enqueue, renew, requeue, end. ``job_leases`` leases them."""

from __future__ import annotations

import json
from collections.abc import Sequence

import apsw

from recalld.adapters.sqlite.database.sql import fetch_all, fetch_one
from recalld.domain.caller import Caller
from recalld.domain.commit import NewTask, UpdateTask
from recalld.domain.errors import Conflict, NotFound
from recalld.domain.job import NewJob, QueueCount, StoredJob, Task, TaskStatus
from recalld.ports.jobs import Outcome, Settlement

from .job_merging import MERGE_CHANGES_JOB, MERGED_PAYLOAD, MERGED_TASK, pending_key
from .transaction import WriteTx

ERROR_CHARS_MAX = 500
ENDED = (TaskStatus.COMPLETED, TaskStatus.FAILED, TaskStatus.CANCELLED)
_ENDED_SQL = ", ".join(f"'{s}'" for s in ENDED)
TASK_COLUMNS = "id, type, status, created, updated, resource, stage, meta, result, error"


def enqueue(tx: WriteTx, job: NewJob) -> None:
    """Add a job, or merge it into the pending one of its key. The merged job runs at the earlier time, in the better lane,
    with the newer payload; quietly only if both would. Jobs of two tasks are not merged."""
    caller = tx.caller
    key = pending_key(tx.c, f"{caller.account}/{caller.user}/{job.key}", job.task_id)
    tx.c.execute(
        "INSERT INTO job (kind, key, account, user, role, payload, lane, created, not_before, task, due) "
        "VALUES (?,?,?,?,?,?,?,?,?,?,?) "
        "ON CONFLICT (key) WHERE state = 'pending' DO UPDATE SET not_before = min(not_before, excluded.not_before), "
        f"payload = {MERGED_PAYLOAD}, {MERGED_TASK}, "
        "lane = CASE WHEN excluded.lane = 'interactive' THEN 'interactive' ELSE lane END "
        f"WHERE {MERGE_CHANGES_JOB}",
        (
            job.kind, key, caller.account, caller.user, str(caller.role),
            json.dumps(job.payload, ensure_ascii=False), str(job.lane), tx.at, tx.at + job.delay_s, job.task_id, job.delay_s <= 0,
        ),
    )  # fmt: skip
    if tx.c.changes():  # else workers were notified before
        tx.result.jobs_changed = True


def finish(tx: WriteTx, job_id: int) -> None:
    """Take a completed job off the queue. Raises ``Conflict`` ``ABORTED`` if it is not held any more."""
    kind = tx.c.execute("DELETE FROM job WHERE id = ? AND state = 'running' RETURNING kind", (job_id,)).fetchone()
    if kind is None:
        raise Conflict(
            f"job {job_id} is not held any more", remedy="its lease was lost or it was cancelled", code="ABORTED"
        )
    tx.c.execute("INSERT INTO job_done VALUES (?, 1) ON CONFLICT (kind) DO UPDATE SET count = count + 1", kind)
    tx.result.jobs_changed = True


def remove_running(c: apsw.Connection, job_id: int) -> None:
    """Take a running job off the queue without counting it as done."""
    c.execute("DELETE FROM job WHERE id = ? AND state = 'running'", (job_id,))


def requeue(c: apsw.Connection, job_id: int, not_before: float, error: str = "", *, counts: bool = True) -> None:
    """Make a running job pending again. If another of its key is pending, that one replaces it, unless each has a task of
    its own. ``counts`` False: the attempt is not counted.

    The job gets a new id, so that its former holder can no longer end it.
    """
    held = fetch_all(c, "SELECT key, task FROM job WHERE id = ? AND state = 'running'", (job_id,))
    key = pending_key(c, *held[0]) if held else ""
    c.execute(
        "INSERT INTO job (kind, key, account, user, role, payload, lane, attempts, created, not_before, error, task) "
        "SELECT kind, ?, account, user, role, payload, lane, max(attempts - ?, 0), created, ?, ?, task FROM job "
        f"WHERE id = ? AND state = 'running' ON CONFLICT (key) WHERE state = 'pending' DO UPDATE SET {MERGED_TASK}",
        (key, not counts, not_before, error[:ERROR_CHARS_MAX], job_id),
    )
    remove_running(c, job_id)


def dead_letter(c: apsw.Connection, job_id: int, task: str, error: str, now: float) -> None:
    """Move a job to the dead letters; its task fails with the same error."""
    c.execute(
        "UPDATE job SET state = 'dead', worker = '', error = ? WHERE id = ? AND state <> 'dead'",
        (error[:ERROR_CHARS_MAX], job_id),
    )
    if task and c.changes():
        c.execute(
            f"UPDATE task SET status = 'failed', error = ?, updated = ? WHERE id = ? AND status NOT IN ({_ENDED_SQL})",
            (error[:ERROR_CHARS_MAX], now, task),
        )
        c.execute(
            "UPDATE archive SET state = 'failed', error = ? WHERE task = ? AND state = 'pending'",
            (error[:ERROR_CHARS_MAX], task),
        )


def heartbeat(c: apsw.Connection, worker: str, job_ids: Sequence[int], until: float) -> list[int]:
    held = []
    for id_ in job_ids:
        c.execute(
            "UPDATE job SET lease_until = ? WHERE id = ? AND worker = ? AND state = 'running'", (until, id_, worker)
        )
        held += [id_] if c.changes() else []
    return held


def settle(c: apsw.Connection, job: StoredJob, settlement: Settlement, attempts_max: int, now: float) -> None:
    match settlement.outcome:
        case Outcome.WAIT:
            requeue(c, job.id, now + settlement.delay_s, settlement.error, counts=False)
        case Outcome.RETRY if job.attempt < attempts_max:
            requeue(c, job.id, now + settlement.delay_s, settlement.error)
        case _:
            dead_letter(c, job.id, job.task_id, settlement.error, now)


def release(c: apsw.Connection, worker: str, now: float, *, counts: bool) -> int:
    held = fetch_all(c, "SELECT id FROM job WHERE state = 'running' AND worker = ?", (worker,))
    for (id_,) in held:
        requeue(c, id_, now, counts=counts)
    return len(held)


def cleanup_waits(c: apsw.Connection) -> bool:
    """True if a job is pending that gives space back."""
    return bool(fetch_all(c, "SELECT 1 FROM job WHERE state = 'pending' AND kind IN ('purge', 'leave') LIMIT 1"))


def counts(c: apsw.Connection, now: float) -> list[QueueCount]:
    done = dict(c.execute("SELECT kind, count FROM job_done"))
    found = {
        kind: QueueCount(
            kind, pending or 0, running or 0, dead or 0, done.get(kind, 0), max(now - oldest, 0.0) if oldest else 0.0
        )
        for kind, pending, running, dead, oldest in c.execute(
            "SELECT kind, sum(state = 'pending'), sum(state = 'running'), sum(state = 'dead'), "
            "min(CASE WHEN state <> 'dead' THEN created END) FROM job GROUP BY kind"
        )
    }
    return [found.get(k, QueueCount(k, 0, 0, 0, done.get(k, 0), 0.0)) for k in sorted({*found, *done})]


def has_other_work(c: apsw.Connection) -> bool:
    """Return True if a job that goes before background work runs or is due."""
    (found,) = fetch_one(
        c,
        "SELECT EXISTS (SELECT 1 FROM job WHERE state = 'running' AND lane <> 'background') OR EXISTS "
        "(SELECT 1 FROM turn WHERE ready > 0 AND lane <> 'background')",
    )
    return bool(found)


def pending(c: apsw.Connection, caller: Caller, task_id: str, due: bool) -> int:
    # LLM tiers may be postponed for a day, and a slow local model's vectors may take an hour: waiting for content includes
    # neither. Whoever deletes a user (``due``) waits for all that could still write.
    (count,) = fetch_one(
        c,
        "SELECT count(*) FROM job WHERE state IN ('pending', 'running') AND kind <> 'enrich' AND account = ? AND user = ? "
        "AND (? = '' OR task = ?) AND (lane <> 'background' OR ?) AND (NOT ? OR state = 'running' OR due = 1)",
        (caller.account, caller.user, task_id, task_id, due, due),
    )
    return int(count)


def new_task(tx: WriteTx, op: NewTask) -> None:
    """See ``commit.NewTask``."""
    if tx.c.execute("SELECT 1 FROM task WHERE id = ?", (op.id,)).fetchone():
        raise Conflict(f"task {op.id} exists already", remedy="choose another id", code="ALREADY_EXISTS")
    if op.alone:
        found = tx.c.execute(
            f"SELECT id FROM task WHERE account = ? AND type = ? AND resource = ? AND status NOT IN ({_ENDED_SQL})",
            (tx.caller.account, op.type, op.resource_id),
        ).fetchone()
        if found is not None:
            raise Conflict(
                f"{op.type} of {op.resource_id} is running already",
                remedy="wait for its task, or cancel it",
                details={
                    "task_id": found[0],
                    "resource": op.resource_id,
                    "conflict_type": "running",
                    "retryable": True,
                },
            )
    tx.c.execute(
        "INSERT INTO task (id, account, user, type, status, resource, meta, created, updated) VALUES (?,?,?,?,'pending',?,?,?,?)",
        (op.id, tx.caller.account, tx.caller.user, op.type, op.resource_id, json.dumps(op.meta), tx.at, tx.at),
    )


def update_task(tx: WriteTx, op: UpdateTask) -> None:
    """See ``commit.UpdateTask``."""
    tx.c.execute(
        f"UPDATE task SET status = ?, stage = ?, result = coalesce(?, result), error = ?, updated = ? "
        f"WHERE id = ? AND account = ? AND user = ? AND status NOT IN ({_ENDED_SQL})",
        (
            str(op.status), op.stage, None if op.result is None else json.dumps(op.result, ensure_ascii=False),
            op.error[:ERROR_CHARS_MAX], tx.at, op.id, tx.caller.account, tx.caller.user,
        ),
    )  # fmt: skip


def task(c: apsw.Connection, caller: Caller, task_id: str) -> Task:
    """One task of the caller. Raises ``NotFound``."""
    found = c.execute(
        f"SELECT {TASK_COLUMNS} FROM task WHERE id = ? AND account = ? AND user = ?",
        (task_id, caller.account, caller.user),
    ).fetchone()
    if found is None:
        raise NotFound("Task not found or expired", remedy="list tasks", details={"type": "task", "resource": task_id})
    return _task(found)


def tasks(
    c: apsw.Connection, caller: Caller, type_: str, status: str, resource: str, limit: int, offset: int
) -> list[Task]:
    """The caller's tasks, newest first."""
    return [
        _task(found)
        for found in c.execute(
            f"SELECT {TASK_COLUMNS} FROM task WHERE account = ? AND user = ? AND (? = '' OR type = ?) AND (? = '' OR status = ?) "
            "AND (? = '' OR resource = ?) ORDER BY created DESC, id LIMIT ? OFFSET ?",
            (caller.account, caller.user, type_, type_, status, status, resource, resource, limit, offset),
        )
    ]


def cancel(c: apsw.Connection, caller: Caller, task_id: str, now: float) -> Task:
    """Take a task's jobs off the queue. Raises ``NotFound``, ``Conflict``."""
    found = task(c, caller, task_id)
    if found.ended:
        raise Conflict(
            f"task {task_id} has ended: {found.status}", remedy="nothing is left to cancel", code="FAILED_PRECONDITION"
        )
    c.execute("DELETE FROM job WHERE task = ? AND state <> 'dead'", (task_id,))
    c.execute("UPDATE task SET status = 'cancelled', updated = ? WHERE id = ?", (now, task_id))
    c.execute(
        "UPDATE archive SET state = 'failed', error = 'cancelled' WHERE task = ? AND state = 'pending'", (task_id,)
    )
    return task(c, caller, task_id)


def _task(found: tuple[object, ...]) -> Task:
    id_, type_, status, created, updated, resource, stage, meta, result, error = found
    return Task(
        str(id_), str(type_), TaskStatus(str(status)), float(str(created)), float(str(updated)), str(resource), str(stage),
        json.loads(str(meta)), None if result is None else json.loads(str(result)), str(error),
    )  # fmt: skip
