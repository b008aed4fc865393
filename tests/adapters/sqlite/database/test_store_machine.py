"""The writer's batches under any mix of changes that succeed, fail, violate a constraint or time out, and cancelled
callers."""

from __future__ import annotations

import asyncio
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from recalld.adapters.sqlite.database.store import Store
from recalld.domain.errors import Conflict, NotFound, Upstream

ENDLESS = "WITH RECURSIVE n(k) AS (SELECT 1 UNION ALL SELECT k + 1 FROM n) SELECT max(k) FROM n"
KINDS = ("good", "good", "good", "raises", "breaks", "late")


class StoreMachine(RuleBasedStateMachine):
    """Each change writes two rows: both are there in the end, or neither. The writer is held while a batch gathers."""

    @initialize()
    def opened(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.loop = asyncio.new_event_loop()
        self.store = Store(Path(self.folder.name) / "recalld.db", readers=1)
        self.calls: list[tuple[str, str, bool, asyncio.Task[Any]]] = []
        self.gate: threading.Event | None = None

    def until(self, true: Callable[[], bool]) -> None:
        end = time.monotonic() + 20
        while not true():
            assert time.monotonic() < end, "it never came to that"
            self.loop.run_until_complete(asyncio.sleep(0))

    def teardown(self) -> None:
        if not hasattr(self, "store"):
            return
        self.let_go()
        self.until(lambda: all(task.done() for *_, task in self.calls))
        expected = {"raises": NotFound, "breaks": Conflict, "late": Upstream}
        there = dict(self._rows())
        order = [name for name, _ in self._rows()]
        for name, kind, _, task in self.calls:
            if not task.cancelled():
                failure = task.exception()
                assert failure is None if kind == "good" else isinstance(failure, expected[kind]), (name, kind, failure)
            assert there.get(name, 0) in (
                {2} if kind == "good" and not task.cancelled() else {0, 2} if kind == "good" else {0}
            )
        captures = [name for name, kind, bulk, _ in self.calls if not bulk and name in there]
        assert [name for name in order if name in set(captures)] == captures, "in the order they came"
        self.store.close()
        self.loop.close()
        self.folder.cleanup()

    def _rows(self) -> list[tuple[str, int]]:
        read = self.store.read(
            lambda c: c.execute(
                "SELECT name, count(*) FROM node WHERE name LIKE 'call %' GROUP BY name ORDER BY min(id)"
            ).fetchall()
        )
        found: list[tuple[str, int]] = self.loop.run_until_complete(read)
        return found

    @rule(kind=st.sampled_from(KINDS), bulk=st.booleans())
    def change(self, kind: str, bulk: bool) -> None:
        name = f"call {len(self.calls):03}"

        def work(c: apsw.Connection) -> None:
            row = "INSERT INTO node (parent, name, kind, owner, seq, created, updated, gone) VALUES (0, ?, 0, 0, 0, 0, 0, ?)"
            c.execute(row, (name, 1))
            if kind == "raises":
                raise NotFound("no")
            if kind == "breaks":
                c.execute("INSERT INTO owner (id, account, user) VALUES (1, 'a', 'b'), (1, 'a', 'b')")
            if kind == "late":
                c.execute(f"INSERT INTO meta VALUES ('late', ({ENDLESS}))")
            c.execute(row, (name, 2))

        limit_s = 0.02 if kind == "late" else 30.0
        task = self.loop.create_task(self.store.write(work, bulk=bulk, limit_s=limit_s))
        self.loop.run_until_complete(asyncio.sleep(0))
        self.calls.append((name, kind, bulk, task))

    @precondition(lambda self: self.gate is None)
    @rule()
    def hold(self) -> None:
        gate, here = threading.Event(), threading.Event()

        def work(c: apsw.Connection) -> None:
            here.set()
            gate.wait(20)

        self.gate = gate
        self.held = self.loop.create_task(self.store.write(work))
        self.until(here.is_set)

    @rule()
    def let_go(self) -> None:
        if self.gate is not None:
            self.gate.set()
            self.until(self.held.done)
            self.gate = None

    # What a thread has finished by now is a matter of timing: the choice is among all calls, so that examples replay.
    @precondition(lambda self: bool(self.calls))
    @rule(data=st.data())
    def caller_leaves(self, data: Any) -> None:
        call = data.draw(st.integers(0, len(self.calls) - 1))
        self.calls[call][3].cancel()  # of a finished call: no effect
        self.loop.run_until_complete(asyncio.sleep(0))


TestStore = StoreMachine.TestCase
TestStore.settings = settings(max_examples=12, stateful_step_count=14, deadline=None)
