"""A block for a session: its query is expanded by recent turns, and recent entries are not repeated."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from recalld.domain.caller import Caller
from recalld.domain.commit import Commit, Receipt
from recalld.domain.errors import Busy, Corrupt
from recalld.domain.uri import Uri
from recalld.ports.ledger import Tenant
from recalld.rules.recall_log import KEY
from recalld.usecases.context.assemble import ContextRequest, assemble
from tests.harness import Harness

TEA = "viking://user/default/memories/preferences/tea.md"


async def stocked(harness: Harness, turns: int = 1) -> None:
    await harness.write(TEA, "Ana prefers oolong tea.")
    await harness.append("s", *(f"turn {i}" for i in range(turns)))
    await harness.settle()


async def assembled(harness: Harness, **options: Any) -> list[str]:
    block = await harness.engine.assemble("oolong tea", session_id="s", **options)
    return [str(e.uri) for e in block.entries]


async def test_recent_entries_are_left_out_for_dedup_turns(harness: Harness) -> None:
    await stocked(harness)
    assert await assembled(harness, dedup_turns=2) == [TEA]
    assert await assembled(harness, dedup_turns=2) == []
    await harness.append("s", "two", "three", "four")
    assert await assembled(harness, dedup_turns=2) == [TEA]


async def test_a_block_says_what_it_left_out(harness: Harness) -> None:
    await stocked(harness, turns=3)
    await assembled(harness, dedup_turns=5)
    stats = (await harness.engine.assemble("oolong tea", session_id="s", dedup_turns=5)).stats
    assert stats["dedup"] == {"turns": 5, "status": "ok", "cooled": 1, "turn": 3}
    assert (stats["deduped"], stats["returned"]) == (1, 0)


async def test_without_dedup_turns_nothing_is_noted(harness: Harness) -> None:
    await stocked(harness)
    assert await assembled(harness) == await assembled(harness) == [TEA]
    assert KEY not in (await harness.engine.sessions.get("s")).config


async def test_the_log_is_a_file_of_the_session(harness: Harness) -> None:
    await stocked(harness)
    home = "viking://~/sessions/s"
    assert ".recall_log.json" not in [n.uri.name for n in await harness.engine.ls(home, hidden=True)]
    await assembled(harness, dedup_turns=5)
    assert ".recall_log.json" in [n.uri.name for n in await harness.engine.ls(home, hidden=True)]
    log = json.loads(await harness.engine.read(f"{home}/.recall_log.json"))
    assert log["entries"] == {TEA: {"turn": 1, "detail": "abstract"}}


async def test_an_address_alone_may_be_followed_by_its_text(harness: Harness) -> None:
    await stocked(harness)
    assert await assembled(harness, dedup_turns=5, detail={"preferences": "uri"}) == [TEA]
    assert await assembled(harness, dedup_turns=5) == [TEA]


async def test_a_session_never_seen_is_neither_made_nor_missed(harness: Harness) -> None:
    await stocked(harness)
    before = await harness.seq()
    block = await harness.engine.assemble("oolong tea", session_id="never", dedup_turns=5)
    assert block.stats["dedup"]["status"] == "no_session"
    assert len(block.entries) == 1
    assert await harness.seq() == before
    assert [s.id for s in await harness.engine.sessions.list()] == ["s"]


async def test_a_note_survives_the_sessions_commit(harness: Harness) -> None:
    await stocked(harness)
    await assembled(harness, dedup_turns=5)
    await harness.commit("s")
    await harness.settle()
    assert await assembled(harness, dedup_turns=5) == []


class Failing:
    """A ledger whose sessions cannot be read, or nothing written."""

    def __init__(self, real: Tenant, fails: str) -> None:
        self._real = real
        self._fails = fails
        self.caller = real.caller

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    async def read_transaction(self, work: Any) -> Any:
        if self._fails == "session":
            raise Busy("readers are saturated")
        return await self._real.read_transaction(work)

    async def read(self, uri: Uri) -> bytes:
        if self._fails == "read":
            raise Corrupt(f"{uri} does not verify")
        return await self._real.read(uri)

    async def commit(self, commit: Commit, **options: Any) -> Receipt:
        if self._fails == "commit":
            raise Busy("the writer's queue is full")
        return await self._real.commit(commit)


class Ledger:
    def __init__(self, real: Any, fails: str) -> None:
        self._real, self._fails = real, fails

    def tenant(self, caller: Caller) -> Any:
        return Failing(self._real.tenant(caller), self._fails)


@pytest.mark.parametrize("fails", ["session", "commit"])
async def test_a_log_that_fails_takes_nothing_from_the_answer(harness: Harness, fails: str) -> None:
    await stocked(harness)
    ports = replace(harness.ports, ledger=Ledger(harness.ports.ledger, fails))  # type: ignore[arg-type]
    block = await assemble(ContextRequest("oolong tea", session_id="s", dedup_turns=5), Caller(), ports, deadline_s=5)
    assert [str(e.uri) for e in block.entries] == [TEA]
    assert block.stats["dedup"]["status"] == "failed"
    assert block.stats["query_expansion"] == ("failed" if fails == "session" else "used")


async def test_a_text_that_cannot_be_read_leaves_its_abstract(harness: Harness) -> None:
    await stocked(harness)
    ports = replace(harness.ports, ledger=Ledger(harness.ports.ledger, "read"))  # type: ignore[arg-type]
    block = await assemble(ContextRequest("oolong tea", detail={"preferences": "full"}), Caller(), ports, deadline_s=5)
    assert [(str(e.uri), e.detail) for e in block.entries] == [(TEA, "abstract")]
    assert block.degraded == ("texts",)


async def test_a_dependent_query_runs_as_up_to_three_queries(harness: Harness) -> None:
    await stocked(harness)
    await harness.append("s", "I wonder which oolong tea Ana prefers")
    block = await harness.engine.assemble("what about it?", session_id="s")
    assert TEA in [str(e.uri) for e in block.entries]
    planned = block.stats["planned_queries"]
    assert block.stats["query_expansion"] == "used"
    assert planned[0] == "what about it?"
    assert 1 < len(planned) <= 3


async def test_archived_turns_widen_too(harness: Harness) -> None:
    await stocked(harness)
    await harness.append("s", "I wonder which oolong tea Ana prefers")
    await harness.commit("s")
    await harness.settle()
    assert (await harness.engine.assemble("what about it?", session_id="s")).stats["query_expansion"] == "used"


@pytest.mark.parametrize("options", [{"query_expansion": False}, {"session_id": "never"}, {"session_id": ""}])
async def test_expansion_is_off_where_there_is_nothing_to_widen_by(
    harness: Harness, options: Mapping[str, Any]
) -> None:
    await stocked(harness)
    block = await harness.engine.assemble("what about it?", **{"session_id": "s", **options})
    assert (block.stats["query_expansion"], block.stats["planned_queries"]) == ("off", ["what about it?"])
