"""Power fails before or after any port call; the next start completes accepted work exactly once."""

from __future__ import annotations

import inspect
import os
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from recalld.app.engine import Engine
from recalld.domain.caller import Caller
from tests.contract.ledger_harness import sound
from tests.harness import Harness, harness_at, plant

FOLDER = {
    "guide/install.md": "# Install\n\nTake the amber package and unpack it.\n",
    "guide/usage.md": "# Usage\n\nCall birch with two arguments.\n",
    "notes/plan.md": "# Plan\n\nThe cedar bridge opens in June.\n",
}
MESSAGES = ("My name is Ana and I live in Lisbon.", "I am allergic to peanuts.", "I prefer tea to coffee.")
OUTPUT = "a line of output\n" * 6_000
"""Longer than what the ledger itself holds."""
HASH = {"embedder": {"provider": "hash"}}


class PowerCut(BaseException):
    """Nothing catches it, as nothing catches the dark."""


@dataclass
class Wire:
    """Counts calls through ledger and blobs; at the ``cut_at``-th (0 = never) the power goes, before or after it."""

    cut_at: int = 0
    after: bool = False
    count: int = 0
    dead: bool = False

    async def through(self, call: Callable[[], Awaitable[Any]]) -> Any:
        if self.dead:
            raise PowerCut
        self.count += 1
        last = self.count == self.cut_at
        if last and not self.after:
            self.dead = True
            raise PowerCut
        result = await call()
        if last:
            self.dead = True
            raise PowerCut
        return result


class Wired:
    """A port whose calls are counted by the wire."""

    def __init__(self, port: Any, wire: Wire) -> None:
        self._port = port
        self._wire = wire

    def __getattr__(self, name: str) -> Any:
        verb = getattr(self._port, name)
        if not inspect.iscoroutinefunction(verb):
            return verb

        async def call(*args: Any, **kwargs: Any) -> Any:
            return await self._wire.through(lambda: verb(*args, **kwargs))

        return call

    def tenant(self, caller: Caller) -> Any:
        return Wired(self._port.tenant(caller), self._wire)


def wired(harness: Harness, wire: Wire) -> Harness:
    watched = ("ledger", "jobs", "backlog", "cleanup", "stats", "blobs")
    changed: dict[str, Any] = {name: Wired(getattr(harness.ports, name), wire) for name in watched}
    ports = replace(harness.ports, **changed)
    return replace(
        harness, engine=Engine(ports, harness.engine.config, Caller(), harness.engine._housekeeping), ports=ports
    )


@dataclass
class Accepted:
    """What callers got confirmed."""

    texts: dict[str, str] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    message_ids: list[str] = field(default_factory=list)
    archives: int = 0
    imports: list[str] = field(default_factory=list)


async def _story(harness: Harness, upload: Path, accepted: Accepted) -> None:
    """A little of everything: write, import, talk, commit, rewrite, move and remove, with the work that follows."""
    base = "viking://resources"
    for name, text in (
        ("one", "# One\n\nfirst"),
        ("two", "# Two\n\nsecond"),
        ("large", "# Large\n\n" + "fjord " * 12_000),
    ):
        await harness.write(f"{base}/desk/{name}.md", text, mode="create")
        accepted.texts[f"{base}/desk/{name}.md"] = text
    added = await harness.engine.add(upload, to=f"{base}/manual")
    accepted.imports.append(added.task_id)
    for text in MESSAGES:
        receipt = await harness.append("talk", text)
        accepted.message_ids += receipt.message_ids
    part = {"type": "tool", "tool_id": "c", "tool_name": "bash", "tool_output": OUTPUT}
    accepted.message_ids += (await harness.append("talk", {"role": "assistant", "parts": [part]})).message_ids
    await harness.settle()
    accepted.archives += (await harness.commit("talk")).archived
    await harness.write(f"{base}/desk/one.md", "# One\n\nrewritten")
    accepted.texts[f"{base}/desk/one.md"] = "# One\n\nrewritten"
    await harness.engine.mv(f"{base}/desk/two.md", f"{base}/shelf/two.md")
    accepted.texts[f"{base}/shelf/two.md"] = accepted.texts.pop(f"{base}/desk/two.md")
    await harness.engine.rm(f"{base}/manual/guide/usage.md")
    accepted.gone.add("usage.md")
    await harness.settle()


async def _live(folder: Path, upload: Path, wire: Wire) -> tuple[Accepted, float]:
    """One life, cut short or not; returns what was accepted, and when it ended."""
    accepted = Accepted()
    async with harness_at(folder, **HASH) as harness:
        try:
            await _story(wired(harness, wire), upload, accepted)
        except (PowerCut, BaseExceptionGroup):
            assert wire.dead
        return accepted, harness.clock.now()


async def _start_again(folder: Path, accepted: Accepted, now: float) -> None:
    """Open the folder, let the work end, and hold the store against what was accepted and what must always be so."""
    async with harness_at(folder, **HASH) as harness:
        harness.clock.advance(now - harness.clock.now() + 1)
        await harness.settle()
        await _holds(harness, accepted)
        await invariants(harness)
        await _overviews(harness, accepted)
    assert sound(folder)


async def _holds(harness: Harness, accepted: Accepted) -> None:
    for uri, text in accepted.texts.items():
        # A rewrite or a move that was under way may have happened.
        places = {uri, uri.replace("/desk/", "/shelf/")} if uri.endswith("two.md") else {uri}
        found = [await harness.engine.read(place) for place in places if await _is_there(harness, place)]
        assert len(found) == 1
        assert found[0] == text or "rewritten" in found[0]
    tenant = harness.ports.ledger.tenant(Caller())
    if accepted.message_ids:
        stored = [m.id for m in await tenant.messages("talk")]
        assert stored[: len(accepted.message_ids)] == accepted.message_ids
        assert len(stored) == len(set(stored)) <= len(accepted.message_ids) + 1
        outputs = await harness.engine.sessions.tool_results("talk")
        assert {f["message_id"] for f in outputs} == set(stored[len(MESSAGES) : len(MESSAGES) + 1])
        for facts in outputs:
            assert await harness.engine.read(facts["storage_uri"]) == OUTPUT
        archives = await tenant.archives("talk")
        assert accepted.archives <= len(archives) <= 1
        assert all(a.state == "done" for a in archives)
    for task in accepted.imports:
        assert (await harness.engine.tasks.get(task)).status == "completed"
        assert await harness.engine.read("viking://resources/manual/notes/plan.md") == FOLDER["notes/plan.md"]


async def _is_there(harness: Harness, uri: str) -> bool:
    return uri in {str(e.node.uri) for e in await harness.engine.tree("viking://resources", depth=9)}


# What belongs to a session is found by its messages.
OF_SESSIONS = (
    "WITH RECURSIVE s(id) AS (SELECT node FROM session UNION ALL SELECT n.id FROM node n JOIN s ON n.parent = s.id) "
    "SELECT id FROM s"
)
NEVER = {
    "a file whose text is not in the index": (
        f"SELECT id FROM node n WHERE kind = 1 AND gone = 0 AND owner <> 0 AND size > 0 AND id NOT IN ({OF_SESSIONS}) "
        "AND NOT EXISTS (SELECT 1 FROM chunk k WHERE k.node = n.id AND k.version = n.version AND k.level = 2)"
    ),
    "a vector without a chunk": "SELECT chunk FROM vector WHERE chunk NOT IN (SELECT id FROM chunk)",
    "a chunk without a node": "SELECT id FROM chunk WHERE node NOT IN (SELECT id FROM node)",
    "a chunk without a vector": "SELECT id FROM chunk WHERE id NOT IN (SELECT chunk FROM vector)",
    "a chunk without its words": "SELECT id FROM chunk WHERE id NOT IN (SELECT id FROM fts_docsize)",
    "words without a chunk": "SELECT id FROM fts_docsize WHERE id NOT IN (SELECT id FROM chunk)",
    "a directory whose tiers are behind": "SELECT id FROM node WHERE stale > 0 AND gone = 0",
    "something removed and not cleaned": "SELECT node FROM trash WHERE cleaned = 0",
    "something removed and not in the trash": "SELECT id FROM node WHERE gone > 0 AND id NOT IN (SELECT node FROM trash)",
    "trash that was not removed": "SELECT node FROM trash WHERE node NOT IN (SELECT id FROM node WHERE gone > 0)",
    "a memory twice": (
        "SELECT json_extract(source, '$.key') FROM node WHERE kind = 1 AND gone = 0 AND json_extract(source, '$.key') "
        "IS NOT NULL GROUP BY 1 HAVING count(*) > 1"
    ),
    "a job that did not end": "SELECT id FROM job WHERE state <> 'dead' OR error = ''",
    "a task that did not end": "SELECT id FROM task WHERE status NOT IN ('completed', 'failed', 'cancelled')",
}


async def invariants(harness: Harness) -> None:
    assert await harness.engine.check() == []
    for what, sql in NEVER.items():
        found = await harness.ports.ledger.access.readers.read(lambda c, s=sql: c.execute(s).fetchall())  # type: ignore[attr-defined]
        assert found == [], what


async def _overviews(harness: Harness, accepted: Accepted) -> None:
    """No directory speaks of what has gone from it."""
    tenant = harness.ports.ledger.tenant(Caller())
    for entry in await harness.engine.tree("viking://resources", depth=9):
        if not entry.node.is_dir:
            continue
        tiers = await tenant.tiers(entry.node.uri)
        for name in accepted.gone:
            assert tiers is None or name not in tiers.overview


async def _calls(folder: Path, upload: Path) -> int:
    """How many calls the story makes when nothing happens to it; what it leaves behind holds too."""
    wire = Wire()
    accepted, now = await _live(folder, upload, wire)
    assert accepted.archives == 1
    await _start_again(folder, accepted, now)
    return wire.count


@pytest.fixture
def upload(tmp_path: Path) -> Path:
    return plant(tmp_path / "upload", FOLDER)


@pytest.mark.loop_may_block  # stores are opened and closed over and over by the test itself
async def test_a_power_cut_somewhere(tmp_path: Path, upload: Path) -> None:
    calls = await _calls(tmp_path / "whole", upload)
    chance = random.Random(int(os.environ.get("RECALLD_SEED", "1")))
    for number in chance.sample(range(1, calls + 1), 3):
        folder = tmp_path / f"cut-{number}"
        await _start_again(folder, *await _live(folder, upload, Wire(number, after=number % 2 == 0)))


@pytest.mark.slow
@pytest.mark.loop_may_block
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_a_power_cut_everywhere(tmp_path: Path, upload: Path, after: bool) -> None:
    calls = await _calls(tmp_path / "whole", upload)
    assert calls > 50
    for number in range(1, calls + 1):
        folder = tmp_path / f"cut-{number}"
        await _start_again(folder, *await _live(folder, upload, Wire(number, after)))
