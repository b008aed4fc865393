"""Old stores stay fast: the cost of a step depends on live data and on the request, not on past changes.

Costs are virtual machine steps of SQLite, on every connection. Small sizes show the growth; the real ones are marked slow.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from recalld.adapters.sqlite.ledger.ledger import SqliteLedger
from recalld.usecases.session import context
from tests.counted import steps
from tests.harness import Harness
from tests.usecases.conftest import dense_harness, harness

__all__ = ["dense_harness", "harness"]

Step = Callable[[], Awaitable[object]]
SLACK = 200
"""Steps that are nobody's fault: a tree of an index that has one level more."""


def store_of(harness: Harness) -> Any:
    assert isinstance(harness.ports.ledger, SqliteLedger)
    return harness.ports.ledger.access.readers


class Costs:
    """Counts the steps of everything that a store does meanwhile."""

    def __init__(self, harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
        self.taken = 0
        store = store_of(harness)
        for name in ("read", "scan", "write"):
            monkeypatch.setattr(store, name, self._counting(getattr(store, name)))

    def _counting(self, inner: Any) -> Any:
        async def run(work: Any, **options: Any) -> Any:
            return await inner(lambda c: self._counted(c, work), **options)

        return run

    def _counted(self, c: Any, work: Any) -> Any:
        found: list[Any] = []
        self.taken += steps(c, lambda: found.append(work(c)))
        return found[0]

    async def of(self, step: Step) -> int:
        """What a step costs."""
        before = self.taken
        await step()
        return self.taken - before

    async def each(self, **all_of_them: Step) -> dict[str, int]:
        """What several steps cost, by name."""
        return {name: await self.of(step) for name, step in all_of_them.items()}


@pytest.fixture
def costs(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> Costs:
    monkeypatch.setattr(context, "FIRST", 4)
    return Costs(harness, monkeypatch)


def grown(young: dict[str, int], old: dict[str, int]) -> dict[str, tuple[int, int]]:
    """Steps that became dearer with the age."""
    return {name: (young[name], old[name]) for name in young if old[name] > 1.25 * young[name] + SLACK}


async def append_messages(harness: Harness, messages: int, begin: int = 0) -> None:
    for at in range(begin, begin + messages, 100):
        texts = [f"message {i} tells of amber and birch" for i in range(at, min(at + 100, begin + messages))]
        await harness.append("long", *texts)


@pytest.mark.parametrize("size", [60, pytest.param(20_000, marks=pytest.mark.slow)])
async def test_a_long_session(harness: Harness, costs: Costs, size: int) -> None:
    """Five times as many live messages."""

    async def look() -> dict[str, int]:
        return await costs.each(
            append=lambda: harness.append("long", "one more"),
            session=lambda: harness.engine.sessions.get("long"),
            sessions=lambda: harness.engine.sessions.list(),
            context=lambda: harness.engine.sessions.context("long", token_budget=40),
            recall=lambda: harness.engine.search("amber", session_id="long", limit=2, target_uri="viking://resources"),
        )

    await append_messages(harness, size)
    young = await look()
    await append_messages(harness, 4 * size, size)
    assert grown(young, await look()) == {}


@pytest.mark.parametrize("commits", [8, pytest.param(200, marks=pytest.mark.slow)])
async def test_a_session_of_many_commits(harness: Harness, costs: Costs, commits: int) -> None:
    """Five times as many archives behind it."""

    async def one(number: int) -> None:
        await harness.append("long", f"turn {number}: I use the quicksilver editor", f"and {number} more")
        await harness.commit("long", keep_recent_count=1)

    async def look(number: int) -> dict[str, int]:
        spent = await costs.each(
            commit=lambda: one(number),
            learn=harness.settle,
            context=lambda: harness.engine.sessions.context("long"),
            archive=lambda: harness.engine.sessions.archive("long", "archive_002"),
            root=lambda: harness.engine.ls("viking://~/sessions/long"),
            view=lambda: harness.engine.read("viking://~/sessions/long/history/archive_002/.overview.md"),
            live=lambda: harness.engine.read("viking://~/sessions/long/messages.jsonl"),
            sessions=lambda: harness.engine.sessions.list(),
        )
        return spent

    for number in range(commits):
        await one(number)
        await harness.settle()
    young = await look(commits)
    for number in range(commits + 1, 5 * commits):
        await one(number)
        await harness.settle()
    assert grown(young, await look(5 * commits)) == {}
