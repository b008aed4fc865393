"""Jobs and tasks: enqueue, lease, renew, give back, end."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from heapq import heapify, heappop, heappush

import apsw

from recalld.domain.caller import Caller, Role
from recalld.domain.commit import NewTask, UpdateTask
from recalld.domain.errors import Conflict, NotFound
from recalld.domain.job import Job, Lane, NewJob, QueueCount, Task, TaskStatus
from recalld.domain.policy import JobPolicy
from recalld.infra.lookup import every, only

from .folding import CHANGES, KEEP_TASK, NEWER_PAYLOAD, own_key
from .pen import Pen

ERROR_CHARS_MAX = 500
DUE_AT_ONCE = 200
"""Jobs put off whose time has come that one lease makes due, a few milliseconds of the writer; the next lease goes on."""
BURIED_AT_ONCE = 50
ROUNDS_MAX = 3
SPARE_USERS = 8
TURNS_KEPT = 10_000
"""Turns for which it is remembered who had them."""
_EARLIER = (
    "SELECT 1 FROM job e WHERE e.state IN ('pending', 'running') AND e.lane = j.lane AND e.account = j.account "
    "AND e.user = j.user AND (e.created, e.id) < (j.created, j.id) "
    "AND substr(e.key, 1, instr(e.key, '#')) = substr(j.key, 1, instr(j.key, '#'))"
)
"""Work on the same thing that was asked for before: see ``NewJob.key``."""
ENDED = (TaskStatus.COMPLETED, TaskStatus.FAILED, TaskStatus.CANCELLED)
_ENDED_SQL = ", ".join(f"'{s}'" for s in ENDED)
TASK_COLUMNS = "id, type, status, created, updated, resource, stage, meta, result, error"


def enqueue(pen: Pen, job: NewJob) -> None:
    """Add a job, or fold it into the pending one of its key (which may then run sooner, in the better lane, with the newer
    payload; quietly only if both would). Where each has a task of its own, both are done."""
    caller = pen.caller
    key = own_key(pen.c, f"{caller.account}/{caller.user}/{job.key}", job.task_id)
    pen.c.execute(
        "INSERT INTO job (kind, key, account, user, role, payload, lane, created, not_before, task, due) "
        "VALUES (?,?,?,?,?,?,?,?,?,?,?) "
        "ON CONFLICT (key) WHERE state = 'pending' DO UPDATE SET not_before = min(not_before, excluded.not_before), "
        f"payload = {NEWER_PAYLOAD}, lane = CASE WHEN excluded.lane = 'interactive' THEN 'interactive' ELSE lane END, {KEEP_TASK} "
        f"WHERE {CHANGES}",
        (
            job.kind, key, caller.account, caller.user, str(caller.role),
            json.dumps(job.payload, ensure_ascii=False), str(job.lane), pen.at, pen.at + job.delay_s, job.task_id, job.delay_s <= 0,
        ),
    )  # fmt: skip
    if pen.c.changes():  # else whoever works has been told of it already
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


_ANY = """SELECT EXISTS (SELECT 1 FROM job WHERE state = 'running' AND lease_until < :now),
  EXISTS (SELECT 1 FROM job INDEXED BY job_later WHERE state = 'pending' AND due = 0 AND not_before <= :now),
  EXISTS (SELECT 1 FROM turn WHERE ready > 0)"""


def lease(
    c: apsw.Connection,
    now: float,
    policies: Mapping[str, JobPolicy],
    worker: str,
    jobs_max: int,
    lease_s: float,
    lanes: Sequence[str],
) -> list[Job]:
    """See ``ports.ledger.Ledger.lease``. Costs what it takes: jobs that are due, and users who have any, come from indexes."""
    expired, later, ready = only(c, _ANY, {"now": now})
    if expired:
        for (id_,) in every(c, "SELECT id FROM job WHERE state = 'running' AND lease_until < ?", (now,)):
            give_back(c, id_, now)
    if expired or later:
        c.execute(
            "UPDATE job SET due = 1 WHERE id IN (SELECT id FROM job INDEXED BY job_later WHERE state = 'pending' AND due = 0 "
            "AND not_before <= ? ORDER BY not_before LIMIT ?)",
            (now, DUE_AT_ONCE),
        )
    if not (expired or later or ready):
        return []
    running = every(c, "SELECT account, user FROM job WHERE state = 'running'")
    taking = _Taking(c, now, policies, worker, jobs_max, now + lease_s, Counter(running))
    for lane in (Lane.INTERACTIVE, Lane.BULK):
        if not lanes or lane in lanes:
            taking.take_from(lane)
    return taking.leased


_Who = tuple[str, str]
"""Account and user."""


@dataclass(slots=True)
class _Taking:
    """One lease under way. ``busy``: how many jobs of each user are running."""

    c: apsw.Connection
    now: float
    policies: Mapping[str, JobPolicy]
    worker: str
    jobs_max: int
    until: float
    busy: Counter[_Who]
    leased: list[Job] = field(default_factory=list)
    buried: int = 0

    def take_from(self, lane: Lane) -> None:
        """The user with the fewest running jobs first, then who has waited longest for a turn, then the oldest job."""
        for _ in range(ROUNDS_MAX):
            # Whoever has nothing running comes before all others: among so many there are enough of them.
            most = self.jobs_max + len(self.busy) + SPARE_USERS
            found = every(
                self.c,
                "SELECT account, user, served, since FROM turn WHERE lane = ? AND ready > 0 ORDER BY served, since LIMIT ?",
                (str(lane), most),
            )
            heap = [(self.busy[account, user], served, since, account, user) for account, user, served, since in found]
            heapify(heap)
            put_off = 0
            while heap and not self.is_full:
                _, _, since, account, user = heappop(heap)
                job = _ready(self.c, lane, account, user)
                if job is not None:
                    served = self._take(job)
                    heappush(heap, (self.busy[account, user], served, since, account, user))
                elif not self.busy[account, user]:
                    put_off += _put_off(self.c, lane, account, user)
            if self.is_full or not put_off:
                return

    @property
    def is_full(self) -> bool:
        """True once as much was done as one lease should."""
        return len(self.leased) >= self.jobs_max or self.buried >= BURIED_AT_ONCE

    def _take(self, found: Job) -> int:
        """Lease it, or declare it dead; returns the number of its user's turn."""
        policy = self.policies.get(found.kind, JobPolicy())
        # By attempts alone: time also passes while no server runs, or while others' work comes first.
        if found.attempt >= policy.attempts_max:
            waited = f"given up after {found.attempt} attempts in {self.now - found.created_at:.0f} s"
            bury(self.c, found.id, found.task_id, waited, self.now)
            self.buried += 1
            return 0
        # Counted before the work: a worker that dies of a job must not meet it for ever.
        self.c.execute(
            "UPDATE job SET state = 'running', attempts = attempts + 1, worker = ?, lease_until = ? WHERE id = ?",
            (self.worker, self.until, found.id),
        )
        who = found.caller.account, found.caller.user
        self.busy[who] += 1
        self.leased.append(replace(found, attempt=found.attempt + 1))
        return _had_turn(self.c, *who)


def _had_turn(c: apsw.Connection, account: str, user: str) -> int:
    """Number a user's turn. Users who had theirs long ago and want nothing are forgotten: they would be first anyway."""
    (number,) = only(
        c,
        "INSERT INTO meta VALUES ('turns', 1) ON CONFLICT (key) DO UPDATE SET value = value + 1 RETURNING value",
    )
    c.execute("UPDATE turn SET served = ? WHERE account = ? AND user = ?", (number, account, user))
    c.execute(
        "DELETE FROM turn WHERE (account, user, lane) IN "
        "(SELECT account, user, lane FROM turn WHERE ready = 0 AND served < ? LIMIT 4)",
        (number - TURNS_KEPT,),
    )
    return int(number)


def _ready(c: apsw.Connection, lane: Lane, account: str, user: str) -> Job | None:
    """A user's oldest job that may run now, with the attempts made so far."""
    found = c.execute(
        "SELECT id, kind, key, role, payload, attempts, created, task FROM job j INDEXED BY job_due "
        "WHERE state = 'pending' AND due = 1 AND lane = ? AND account = ? AND user = ? "
        "AND NOT EXISTS (SELECT 1 FROM job r WHERE r.state = 'running' AND r.key = j.key) "
        f"AND (instr(j.key, '#') = 0 OR NOT EXISTS ({_EARLIER})) ORDER BY created, id LIMIT 1",
        (str(lane), account, user),
    ).fetchone()
    if found is None:
        return None
    id_, kind, key, role, payload, attempts, created, task_id = found
    return Job(id_, kind, key, Caller(account, user, Role(role)), json.loads(payload), lane, attempts, created, task_id)


def _put_off(c: apsw.Connection, lane: Lane, account: str, user: str) -> int:
    """A user's due jobs that wait behind one whose time has not come: until then they are not looked at again.

    Returns how many.
    """
    c.execute(
        "UPDATE job SET due = 0, not_before = w.until FROM (SELECT j.id AS job, "
        f"(SELECT max(e.not_before) {_EARLIER.removeprefix('SELECT 1')} AND e.due = 0) AS until "
        "FROM job j INDEXED BY job_due WHERE j.state = 'pending' AND j.due = 1 AND j.lane = ? AND j.account = ? "
        "AND j.user = ? ORDER BY j.created, j.id LIMIT ?) w WHERE job.id = w.job AND w.until IS NOT NULL",
        (str(lane), account, user, DUE_AT_ONCE),
    )
    return int(c.changes())


def give_up(c: apsw.Connection, job_id: int) -> None:
    """Take a running job off the queue without counting it as done."""
    c.execute("DELETE FROM job WHERE id = ? AND state = 'running'", (job_id,))


def give_back(c: apsw.Connection, job_id: int, not_before: float, error: str = "", *, counts: bool = True) -> None:
    """Make a running job pending again; if another of its key is waiting already, that one does for both, unless each has a
    task of its own. ``counts`` False: the attempt was none.

    It comes back under a new number, so that who held it before cannot end it any more.
    """
    held = every(c, "SELECT key, task FROM job WHERE id = ? AND state = 'running'", (job_id,))
    key = own_key(c, *held[0]) if held else ""
    c.execute(
        "INSERT INTO job (kind, key, account, user, role, payload, lane, attempts, created, not_before, error, task) "
        "SELECT kind, ?, account, user, role, payload, lane, max(attempts - ?, 0), created, ?, ?, task FROM job "
        f"WHERE id = ? AND state = 'running' ON CONFLICT (key) WHERE state = 'pending' DO UPDATE SET {KEEP_TASK}",
        (key, not counts, not_before, error[:ERROR_CHARS_MAX], job_id),
    )
    give_up(c, job_id)


def bury(c: apsw.Connection, job_id: int, task: str, error: str, now: float) -> None:
    """Declare a job dead; its task fails with the same words."""
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
    c: apsw.Connection,
    job: Job,
    policy: JobPolicy,
    error: str,
    now: float,
    delay_s: float,
    *,
    permanent: bool,
    counts: bool,
) -> None:
    """See ``ports.ledger.Ledger.retry``."""
    if not counts:
        give_back(c, job.id, now + delay_s, error, counts=False)
    elif permanent or job.attempt >= policy.attempts_max:
        bury(c, job.id, job.task_id, error, now)
    else:
        give_back(c, job.id, now + delay_s, error)


def release(c: apsw.Connection, worker: str, now: float, *, counts: bool) -> int:
    """See ``ports.ledger.Ledger.release``."""
    held = every(c, "SELECT id FROM job WHERE state = 'running' AND worker = ?", (worker,))
    for (id_,) in held:
        give_back(c, id_, now, counts=counts)
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


def pending(c: apsw.Connection, caller: Caller, task_id: str, due: bool) -> int:
    """See ``ports.ledger.Tenant.pending``."""
    # Better words may be put off for a day: nobody who waits for content waits for them.
    (count,) = only(
        c,
        "SELECT count(*) FROM job WHERE state IN ('pending', 'running') AND kind <> 'enrich' AND account = ? AND user = ? "
        "AND (? = '' OR task = ?) AND (NOT ? OR state = 'running' OR due = 1)",
        (caller.account, caller.user, task_id, task_id, due),
    )
    return int(count)


def new_task(pen: Pen, op: NewTask) -> None:
    """See ``commit.NewTask``."""
    if pen.c.execute("SELECT 1 FROM task WHERE id = ?", (op.id,)).fetchone():
        raise Conflict(f"task {op.id} exists already", remedy="choose another id", code="ALREADY_EXISTS")
    if op.alone:
        _must_be_alone(pen, op)
    pen.c.execute(
        "INSERT INTO task (id, account, user, type, status, resource, meta, created, updated) VALUES (?,?,?,?,'pending',?,?,?,?)",
        (op.id, pen.caller.account, pen.caller.user, op.type, op.resource_id, json.dumps(op.meta), pen.at, pen.at),
    )


def _must_be_alone(pen: Pen, op: NewTask) -> None:
    found = pen.c.execute(
        f"SELECT id FROM task WHERE account = ? AND type = ? AND resource = ? AND status NOT IN ({_ENDED_SQL})",
        (pen.caller.account, op.type, op.resource_id),
    ).fetchone()
    if found is not None:
        raise Conflict(
            f"{op.type} of {op.resource_id} is running already",
            remedy="wait for its task, or cancel it",
            details={"task_id": found[0], "resource": op.resource_id, "conflict_type": "running", "retryable": True},
        )


def update_task(pen: Pen, op: UpdateTask) -> None:
    """See ``commit.UpdateTask``."""
    pen.c.execute(
        f"UPDATE task SET status = ?, stage = ?, result = coalesce(?, result), error = ?, updated = ? "
        f"WHERE id = ? AND account = ? AND user = ? AND status NOT IN ({_ENDED_SQL})",
        (
            str(op.status), op.stage, None if op.result is None else json.dumps(op.result, ensure_ascii=False),
            op.error[:ERROR_CHARS_MAX], pen.at, op.id, pen.caller.account, pen.caller.user,
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
