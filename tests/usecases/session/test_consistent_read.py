"""A session is read at one log position: a concurrent commit never falls between two reads."""

from __future__ import annotations

import asyncio
import threading

from recalld.app.workspace import Workspace
from recalld.domain.caller import Caller
from recalld.ports.ledger import ReadTransaction
from recalld.usecases.session.context import context
from tests.harness import Harness
from tests.interleaving import interleaved


async def test_a_commit_never_empties_a_context(harness: Harness) -> None:
    met, at = True, 0
    while met:
        await harness.append(f"s{at}", *(f"message {i}" for i in range(10)))
        result, met = await interleaved(
            lambda ports, name=f"s{at}": context(name, 128_000, Caller(), ports),  # type: ignore[misc]
            lambda name=f"s{at}": harness.commit(name),  # type: ignore[misc]
            harness.ports,
            at,
        )
        assert len(result.messages) == 10
        at += 1
    assert at >= 2


async def test_views_of_a_session_show_every_message_once(harness: Harness) -> None:
    met, at = True, 0
    while met:
        name = f"v{at}"
        await harness.append(name, "one", "two")
        listed, met = await interleaved(
            lambda ports, name=name: Workspace(ports, Caller(), 5.0).tree(f"viking://~/sessions/{name}", depth=9, hidden=True),  # type: ignore[misc]
            lambda name=name: harness.commit(name),  # type: ignore[misc]
            harness.ports,
            at,
        )  # fmt: skip
        names = {entry.rel_path for entry in listed}
        assert ("history/archive_001/messages.jsonl" in names) == ("history" in names)
        at += 1


async def test_one_read_sees_one_moment(harness: Harness) -> None:
    """The reader's transaction does not see a commit that comes while it lasts."""
    await harness.append("s", "one")
    tenant = harness.ports.ledger.tenant(Caller())
    begun, done = threading.Event(), threading.Event()

    def look(reader: ReadTransaction) -> tuple[int, int]:
        before = len(reader.messages("s", archive=0))
        begun.set()
        done.wait(10.0)
        return before, len(reader.messages("s", archive=0))

    reading = asyncio.create_task(tenant.read_transaction(look))
    while not begun.is_set():
        await asyncio.sleep(0.001)
    await harness.commit("s")
    done.set()
    assert await reading == (1, 1)
    assert await tenant.read_transaction(lambda reader: len(reader.messages("s", archive=0))) == 0
