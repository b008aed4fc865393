"""Jobs and tasks: enqueue, lease, renew, give back, end."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence

import apsw

from recalld.domain.caller import Caller, Role
from recalld.domain.commit import NewTask, UpdateTask
from recalld.domain.errors import Conflict, NotFound
from recalld.domain.job import Job, Lane, NewJob, QueueCount, Task, TaskStatus
from recalld.domain.policy import JobPolicy

from .pen import Pen

ERROR_CHARS_MAX = 500
READY_LOOKED_AT = 500
ENDED = (TaskStatus.COMPLETED, TaskStatus.FAILED, TaskStatus.CANCELLED)
_ENDED_SQL = ", ".join(f"'{s}'" for s in ENDED)
TASK_COLUMNS = "id, type, status, created, updated, resource, stage, meta, result, error"


def enqueue(pen: Pen, job: NewJob) -> None:
    """Add a job, or fold it into the pending one of its key (which may then run sooner and in the better lane)."""
    caller = pen.caller
    pen.c.execute(
        "INSERT INTO job (kind, key, account, user, role, payload, lane, created, not_before, task) VALUES (?,?,?,?,?,?,?,?,?,?) "
        "ON CONFLICT (key) WHERE state = 'pending' DO UPDATE SET not_before = min(not_before, excluded.not_before), "
        "lane = CASE WHEN excluded.lane = 'interactive' THEN 'interactive' ELSE lane END",
        (
            job.kind, f"{caller.account}/{caller.user}/{job.key}", caller.account, caller.user, str(caller.role),
            json.dumps(job.payload, ensure_ascii=False), str(job.lane), pen.at, pen.at + job.delay_s, job.task_id,
        ),
    )  # fmt: skip
    pen.outcome.wakes = True


def finish(pen: Pen, job_id: int) -> None:
    """Take a completed job off the queue. Raises ``Conflict`` ``ABORTED`` if it is not held any more."""
    kind = pen.c.execute("DELETE FROM job WHERE id = ? AND state = 'running' RETURNING kind", (job_id,)).fetchone()
    if kind is None:
        raise Conflict(
            f"job {job_id} is not held any more", remedy="its lease was lost or it was cancelled", code="ABORTED"
        )
    pen.c.execute("INSERT INTO job_done VALUES (?, 1) ON CONFLICT (kind) DO UPDATE SET count = count + 1", kind)
    pen.outcome.wakes = True


def lease(
    c: apsw.Connection,
    now: float,
    policies: Mapping[str, JobPolicy],
    worker: str,
    jobs_max: int,
    lease_s: float,
    lanes: Sequence[str],
) -> list[Job]:
    """See ``ports.ledger.Ledger.lease``."""
    _take_back(c, now)
    busy = Counter(user for (user,) in c.execute("SELECT account || '/' || user FROM job WHERE state = 'running'"))
    ready = c.execute(
        "SELECT id, kind, key, account, user, role, payload, lane, attempts, created, task FROM job j WHERE state = 'pending' "
        "AND not_before <= ? AND NOT EXISTS (SELECT 1 FROM job r WHERE r.state = 'running' AND r.key = j.key) "
        "ORDER BY lane = 'interactive' DESC, id LIMIT ?",
        (now, READY_LOOKED_AT),
    ).fetchall()
    leased: list[Job] = []
    while ready and len(leased) < jobs_max:
        # Interactive first; among equals the user with the fewest running jobs, then the oldest job.
        ready.sort(key=lambda r: (r[7] != Lane.INTERACTIVE, busy[f"{r[3]}/{r[4]}"], r[0]))
        id_, kind, key, account, user, role, payload, lane, attempts, created, task = ready.pop(0)
        policy = policies.get(kind, JobPolicy())
        if lanes and lane not in lanes:
            continue
        if attempts >= policy.attempts_max or now - created > policy.deadline_s:
            bury(c, id_, task, f"given up after {attempts} attempts in {now - created:.0f} s", now)
            continue
        # Counted before the work: a worker that dies of a job must not meet it for ever.
        c.execute(
            "UPDATE job SET state = 'running', attempts = attempts + 1, worker = ?, lease_until = ? WHERE id = ?",
            (worker, now + lease_s, id_),
        )
        busy[f"{account}/{user}"] += 1
        caller = Caller(account, user, Role(role))
        leased.append(Job(id_, kind, key, caller, json.loads(payload), Lane(lane), attempts + 1, created, task))
    return leased


def _take_back(c: apsw.Connection, now: float) -> None:
    for (id_,) in c.execute("SELECT id FROM job WHERE state = 'running' AND lease_until < ?", (now,)).fetchall():
        give_back(c, id_, now)


def give_back(c: apsw.Connection, job_id: int, not_before: float, error: str = "") -> None:
    """Make a running job pending again; if another of its key is waiting already, that one does for both."""
    twin = c.execute(
        "SELECT 1 FROM job p JOIN job r ON r.key = p.key WHERE r.id = ? AND p.state = 'pending'", (job_id,)
    ).fetchone()
    if twin:
        c.execute("DELETE FROM job WHERE id = ?", (job_id,))
        return
    c.execute(
        "UPDATE job SET state = 'pending', worker = '', lease_until = 0, not_before = ?, error = ? WHERE id = ? AND state = 'running'",
        (not_before, error[:ERROR_CHARS_MAX], job_id),
    )


def bury(c: apsw.Connection, job_id: int, task: str, error: str, now: float) -> None:
    """Declare a job dead; its task fails with the same words."""
    c.execute("UPDATE job SET state = 'dead', worker = '', error = ? WHERE id = ?", (error[:ERROR_CHARS_MAX], job_id))
    if task:
        c.execute(
            f"UPDATE task SET status = 'failed', error = ?, updated = ? WHERE id = ? AND status NOT IN ({_ENDED_SQL})",
            (error[:ERROR_CHARS_MAX], now, task),
        )
        c.execute(
            "UPDATE archive SET state = 'failed', error = ? WHERE task = ? AND state = 'pending'",
            (error[:ERROR_CHARS_MAX], task),
        )


def beat(c: apsw.Connection, worker: str, job_ids: Sequence[int], until: float) -> list[int]:
    """See ``ports.ledger.Ledger.beat``."""
    held = []
    for id_ in job_ids:
        c.execute(
            "UPDATE job SET lease_until = ? WHERE id = ? AND worker = ? AND state = 'running'", (until, id_, worker)
        )
        held += [id_] if c.changes() else []
    return held


def retry(
    c: apsw.Connection, job: Job, policy: JobPolicy, error: str, now: float, delay_s: float, permanent: bool
) -> None:
    """See ``ports.ledger.Ledger.retry``."""
    if permanent or job.attempt >= policy.attempts_max:
        bury(c, job.id, job.task_id, error, now)
    else:
        give_back(c, job.id, now + delay_s, error)


def release(c: apsw.Connection, worker: str, now: float) -> int:
    """See ``ports.ledger.Ledger.release``."""
    held = c.execute("SELECT id FROM job WHERE state = 'running' AND worker = ?", (worker,)).fetchall()
    for (id_,) in held:
        give_back(c, id_, now)
    return len(held)


def counts(c: apsw.Connection, now: float) -> list[QueueCount]:
    """See ``ports.ledger.Ledger.queues``."""
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


def pending(c: apsw.Connection, caller: Caller, task_id: str) -> int:
    """See ``ports.ledger.Tenant.pending``."""
    return int(
        c.execute(
            "SELECT count(*) FROM job WHERE state IN ('pending', 'running') AND account = ? AND user = ? AND (? = '' OR task = ?)",
            (caller.account, caller.user, task_id, task_id),
        ).fetchone()[0]
    )


def new_task(pen: Pen, op: NewTask) -> None:
    """See ``commit.NewTask``."""
    pen.c.execute(
        "INSERT INTO task (id, account, user, type, status, resource, meta, created, updated) VALUES (?,?,?,?,'pending',?,?,?,?)",
        (op.id, pen.caller.account, pen.caller.user, op.type, op.resource_id, json.dumps(op.meta), pen.at, pen.at),
    )


def update_task(pen: Pen, op: UpdateTask) -> None:
    """See ``commit.UpdateTask``."""
    pen.c.execute(
        f"UPDATE task SET status = ?, stage = ?, result = coalesce(?, result), error = ?, updated = ? "
        f"WHERE id = ? AND status NOT IN ({_ENDED_SQL})",
        (
            str(op.status), op.stage, None if op.result is None else json.dumps(op.result, ensure_ascii=False),
            op.error[:ERROR_CHARS_MAX], pen.at, op.id,
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


def tasks(c: apsw.Connection, caller: Caller, type_: str, status: str, resource: str, limit: int) -> list[Task]:
    """The caller's tasks, newest first."""
    return [
        _task(found)
        for found in c.execute(
            f"SELECT {TASK_COLUMNS} FROM task WHERE account = ? AND user = ? AND (? = '' OR type = ?) AND (? = '' OR status = ?) "
            "AND (? = '' OR resource = ?) ORDER BY created DESC, id LIMIT ?",
            (caller.account, caller.user, type_, type_, status, status, resource, resource, limit),
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
