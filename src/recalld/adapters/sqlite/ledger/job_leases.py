"""Which jobs a worker leases next: fairly by user, oldest first, never two of one key at once."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from heapq import heapify, heappop, heappush

import apsw

from recalld.adapters.sqlite.database.sql import fetch_all, fetch_one
from recalld.domain.caller import Caller, Role
from recalld.domain.job import Job, Lane, StoredJob
from recalld.domain.policy import JobPolicy

from .job_queue import dead_letter, requeue

DUE_MAX = 200
"""Delayed jobs that one lease makes due, a few milliseconds of the writer; the next lease continues."""
DEAD_LETTERS_MAX = 50
ROUNDS_MAX = 3
SPARE_USERS = 8
TURNS_REMEMBERED = 10_000
"""Leases for which the users' turns are remembered."""
_EARLIER = (
    "SELECT 1 FROM job e WHERE e.state IN ('pending', 'running') AND e.lane = j.lane AND e.account = j.account "
    "AND e.user = j.user AND (e.created, e.id) < (j.created, j.id) "
    "AND substr(e.key, 1, instr(e.key, '#')) = substr(j.key, 1, instr(j.key, '#'))"
)
"""Work on the same thing that was asked for before: see ``NewJob.key``."""
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
) -> list[StoredJob]:
    """See ``ports.jobs.JobQueue.lease``. Costs what it takes: jobs that are due, and users who have any, come from indexes."""
    expired, later, ready = fetch_one(c, _ANY, {"now": now})
    if expired:
        for (id_,) in fetch_all(c, "SELECT id FROM job WHERE state = 'running' AND lease_until < ?", (now,)):
            requeue(c, id_, now)
    if expired or later:
        c.execute(
            "UPDATE job SET due = 1 WHERE id IN (SELECT id FROM job INDEXED BY job_later WHERE state = 'pending' AND due = 0 "
            "AND not_before <= ? ORDER BY not_before LIMIT ?)",
            (now, DUE_MAX),
        )
    if not (expired or later or ready):
        return []
    running = fetch_all(c, "SELECT account, user FROM job WHERE state = 'running'")
    run = _LeaseRun(c, now, policies, worker, jobs_max, now + lease_s, Counter(running))
    for lane in Lane:
        if lane is Lane.BACKGROUND:
            run.jobs_max = min(jobs_max, len(run.leased) + 1)
        if not lanes or lane in lanes:
            run.take_from(lane)
    return run.leased


_UserKey = tuple[str, str]
"""Account and user."""


@dataclass(slots=True)
class _LeaseRun:
    """One lease under way. ``running``: how many jobs of each user are running."""

    c: apsw.Connection
    now: float
    policies: Mapping[str, JobPolicy]
    worker: str
    jobs_max: int
    until: float
    running: Counter[_UserKey]
    leased: list[StoredJob] = field(default_factory=list)
    dead_lettered: int = 0

    def take_from(self, lane: Lane) -> None:
        """The user with the fewest running jobs first, then the one whose last turn is longest ago, then the oldest job."""
        for _ in range(ROUNDS_MAX):
            # Whoever has nothing running comes before all others: among so many there are enough of them.
            limit = self.jobs_max + len(self.running) + SPARE_USERS
            found = fetch_all(
                self.c,
                "SELECT account, user, served, since FROM turn WHERE lane = ? AND ready > 0 ORDER BY served, since LIMIT ?",
                (str(lane), limit),
            )
            heap = [
                (self.running[account, user], served, since, account, user) for account, user, served, since in found
            ]
            heapify(heap)
            postponed = 0
            while heap and not self.is_full:
                _, _, since, account, user = heappop(heap)
                job = _ready(self.c, lane, account, user)
                if job is not None:
                    served = self._take(job)
                    heappush(heap, (self.running[account, user], served, since, account, user))
                elif not self.running[account, user]:
                    postponed += _postpone(self.c, lane, account, user)
            if self.is_full or not postponed:
                return

    @property
    def is_full(self) -> bool:
        """True once as much was done as one lease should."""
        return len(self.leased) >= self.jobs_max or self.dead_lettered >= DEAD_LETTERS_MAX

    def _take(self, found: StoredJob) -> int:
        """Lease a job, or dead-letter it; returns the number of its user's turn."""
        policy = self.policies.get(found.kind, JobPolicy())
        # By attempts alone: time also passes while no server runs, or while others' work comes first.
        if found.attempt >= policy.attempts_max:
            waited = f"given up after {found.attempt} attempts in {self.now - found.created_at:.0f} s"
            dead_letter(self.c, found.id, found.task_id, waited, self.now)
            self.dead_lettered += 1
            return 0
        # Counted before the work: a worker that dies of a job must not meet it for ever.
        self.c.execute(
            "UPDATE job SET state = 'running', attempts = attempts + 1, worker = ?, lease_until = ? WHERE id = ?",
            (self.worker, self.until, found.id),
        )
        user_key = found.caller.account, found.caller.user
        self.running[user_key] += 1
        self.leased.append(replace(found, attempt=found.attempt + 1))
        return _record_turn(self.c, *user_key)


def _record_turn(c: apsw.Connection, account: str, user: str) -> int:
    """Number a user's turn. Users without jobs whose turn is long ago are dropped: they would be first anyway."""
    (number,) = fetch_one(
        c,
        "INSERT INTO meta VALUES ('turns', 1) ON CONFLICT (key) DO UPDATE SET value = value + 1 RETURNING value",
    )
    c.execute("UPDATE turn SET served = ? WHERE account = ? AND user = ?", (number, account, user))
    c.execute(
        "DELETE FROM turn WHERE (account, user, lane) IN "
        "(SELECT account, user, lane FROM turn WHERE ready = 0 AND served < ? LIMIT 4)",
        (number - TURNS_REMEMBERED,),
    )
    return int(number)


def _ready(c: apsw.Connection, lane: Lane, account: str, user: str) -> StoredJob | None:
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


def _postpone(c: apsw.Connection, lane: Lane, account: str, user: str) -> int:
    """Postpone a user's due jobs that wait behind one that is not due yet.

    Returns how many.
    """
    c.execute(
        "UPDATE job SET due = 0, not_before = w.until FROM (SELECT j.id AS job, "
        f"(SELECT max(e.not_before) {_EARLIER.removeprefix('SELECT 1')} AND e.due = 0) AS until "
        "FROM job j INDEXED BY job_due WHERE j.state = 'pending' AND j.due = 1 AND j.lane = ? AND j.account = ? "
        "AND j.user = ? ORDER BY j.created, j.id LIMIT ?) w WHERE job.id = w.job AND w.until IS NOT NULL",
        (str(lane), account, user, DUE_MAX),
    )
    return int(c.changes())
