"""The job queue under any order of enqueue, lease, completion, release, expiry and wait, over several users."""

from __future__ import annotations

from collections import Counter
from functools import cache
from typing import Any

import apsw
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from recalld.adapters.sqlite.database.schema import MIGRATIONS
from recalld.adapters.sqlite.ledger import job_leases, job_queue
from recalld.adapters.sqlite.ledger.transaction import WriteTx
from recalld.domain.caller import Caller
from recalld.domain.job import Job, Lane, NewJob
from recalld.domain.policy import JobPolicy
from recalld.ports.jobs import Outcome, Settlement

USERS = ("ana", "ben", "cyn")
KEYS = ("a", "b", "docs#1", "docs#2", "docs#3")
LEASE_S = 30.0


@cache
def _empty() -> bytes:
    c = apsw.Connection(":memory:")
    for script in MIGRATIONS.values():
        c.execute(script).fetchall()
    image: bytes = c.serialize("main")
    c.close()
    return image


class QueueMachine(RuleBasedStateMachine):
    """``waiting`` and ``held``: what ought to be pending and running, by key."""

    @initialize()
    def opened(self) -> None:
        self.c = apsw.Connection(":memory:")
        self.c.deserialize("main", _empty())
        self.now = 1_000.0
        self.held: dict[int, tuple[Job, str, float]] = {}
        self.waiting: set[str] = set()

    def teardown(self) -> None:
        if not hasattr(self, "c"):
            return
        for _ in range(100):  # whatever happened: in the end every job is had once more, and none is left
            if not self.waiting and not self.held:
                break
            self.now += 1_000.0
            job_leases.lease(self.c, self.now, {}, "last", 0, LEASE_S, ())  # leases that ran out come back
            self.waiting |= {job.key for job, _, _ in self.held.values()}
            self.held.clear()
            for job in self._lease("last", 9):
                job_queue.finish(self._transaction(job.caller), job.id)
                self.held.pop(job.id)
        assert not self.waiting
        assert self.c.execute("SELECT count(*) FROM job").fetchone() == (0,)
        self.c.close()

    def _transaction(self, caller: Caller) -> WriteTx:
        return WriteTx(self.c, caller, self.now, "test")

    def _lease(self, worker: str, jobs_max: int, *lanes: str) -> list[Job]:
        ready = self._ready(lanes)
        leased = job_leases.lease(
            self.c, self.now, {"k": JobPolicy(attempts_max=10_000)}, worker, jobs_max, LEASE_S, lanes
        )
        assert len(leased) == min(jobs_max, len(ready)), "as many as there are"
        assert {job.key for job in leased} <= ready
        for job in leased:
            assert job.key in self.waiting
            self.waiting.remove(job.key)
            self.held[job.id] = (job, worker, self.now + LEASE_S)
        return leased

    def _ready(self, lanes: tuple[str, ...]) -> set[str]:
        """Keys that may run now, worked out from the table in the plainest way."""
        rows: list[Any] = self.c.execute(
            "SELECT key, lane, not_before, created, id FROM job WHERE state = 'pending' ORDER BY created, id"
        ).fetchall()
        running = {job.key for job, _, _ in self.held.values()}
        earlier = [(job.key, str(job.lane)) for job, _, _ in self.held.values()]
        ready = set()
        for key, lane, not_before, _, _ in rows:
            group = key[: key.index("#") + 1] if "#" in key else None
            blocked = group is not None and any(k.startswith(group) and on == lane for k, on in earlier)
            earlier.append((key, lane))
            if not_before <= self.now and key not in running and not blocked and (not lanes or lane in lanes):
                ready.add(key)
        return ready

    @rule(
        user=st.sampled_from(USERS),
        key=st.sampled_from(KEYS),
        delay_s=st.sampled_from((0.0, 0.0, 5.0, 60.0)),
        lane=st.sampled_from((Lane.INTERACTIVE, Lane.BULK)),
    )
    def enqueue(self, user: str, key: str, delay_s: float, lane: Lane) -> None:
        job_queue.enqueue(self._transaction(Caller("acme", user)), NewJob("k", key, lane=lane, delay_s=delay_s))
        self.waiting.add(f"acme/{user}/{key}")

    @precondition(lambda self: not any(until < self.now for _, _, until in self.held.values()))
    @rule(jobs_max=st.integers(1, 4), lanes=st.sampled_from(((), ("interactive",), ("bulk",))))
    def lease(self, jobs_max: int, lanes: tuple[str, ...]) -> None:
        busy = Counter(job.caller.user for job, _, _ in self.held.values())
        ready = Counter(key.split("/")[1] for key in self._ready(("bulk",)))
        for job in self._lease("w", jobs_max, *lanes):
            if job.lane is Lane.BULK:
                others = [busy[user] for user, count in ready.items() if count and user != job.caller.user]
                assert busy[job.caller.user] <= min(others, default=busy[job.caller.user]), "who has least goes first"
                ready[job.caller.user] -= 1
            else:
                ready[job.caller.user] += 0
            busy[job.caller.user] += 1

    @rule(jobs_max=st.integers(1, 4))
    def lease_that_is_undone(self, jobs_max: int) -> None:
        self.c.execute("BEGIN")
        job_leases.lease(self.c, self.now, {}, "w", jobs_max, LEASE_S, ())
        self.c.execute("ROLLBACK")

    def _some(self, data: Any) -> Job:
        job: Job = self.held[data.draw(st.sampled_from(sorted(self.held)))][0]
        return job

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def finish(self, data: Any) -> None:
        job = self._some(data)
        job_queue.finish(self._transaction(job.caller), job.id)
        del self.held[job.id]

    @precondition(lambda self: self.held)
    @rule(data=st.data(), delay_s=st.sampled_from((0.0, 5.0, 60.0)), counts=st.booleans())
    def retry(self, data: Any, delay_s: float, counts: bool) -> None:
        job = self._some(data)
        settlement = Settlement(Outcome.RETRY if counts else Outcome.WAIT, "no", delay_s)
        job_queue.settle(self.c, job, settlement, 10_000, self.now)
        del self.held[job.id]
        self.waiting.add(job.key)

    @precondition(lambda self: self.held)
    @rule()
    def worker_dies(self) -> None:
        assert job_queue.release(self.c, "w", self.now, counts=True) == len(self.held)
        self.waiting |= {job.key for job, _, _ in self.held.values()}
        self.held.clear()

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def beat(self, data: Any) -> None:
        job = self._some(data)
        assert job_queue.heartbeat(self.c, "w", [job.id], self.now + LEASE_S) == [job.id]
        self.held[job.id] = (job, "w", self.now + LEASE_S)

    @rule(seconds=st.sampled_from((1.0, 5.0, 31.0, 61.0)))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def taken_off(self, data: Any) -> None:
        key = data.draw(st.sampled_from(sorted(self.waiting)))
        self.c.execute("DELETE FROM job WHERE key = ? AND state = 'pending'", (key,))
        self.waiting.discard(key)

    @invariant()
    def nothing_is_lost_or_had_twice(self) -> None:
        if not hasattr(self, "c"):
            return
        rows: list[Any] = self.c.execute("SELECT state, key FROM job").fetchall()
        assert Counter(key for state, key in rows if state == "pending") == Counter(self.waiting)
        assert Counter(key for state, key in rows if state == "running") == Counter(
            j.key for j, _, _ in self.held.values()
        )
        assert max(Counter(j.key for j, _, _ in self.held.values()).values(), default=1) == 1

    @invariant()
    def turns_count_what_is_due(self) -> None:
        if not hasattr(self, "c"):
            return
        due = "SELECT lane, user, count(*) FROM job WHERE state = 'pending' AND due = 1 GROUP BY 1, 2 ORDER BY 1, 2"
        turns = "SELECT lane, user, ready FROM turn WHERE ready > 0 ORDER BY 1, 2"
        assert self.c.execute(due).fetchall() == self.c.execute(turns).fetchall()


TestQueue = QueueMachine.TestCase
TestQueue.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
