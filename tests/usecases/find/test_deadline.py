"""Every part of a find ends within its deadline: a required part raises, an optional one is skipped and named."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from recalld.adapters.embedder.hash import HashEmbedder, HashSettings
from recalld.domain.errors import Busy, NotFound, Upstream
from recalld.domain.policy import Deadlines
from recalld.domain.query import Answer, Query
from recalld.usecases.find import find as finding
from recalld.usecases.find.search import search
from recalld.usecases.find.session_expansion import RECENT_MAX, expand_with_session
from tests.fakes.search_index import Like, with_views
from tests.usecases.find.test_find import ANA, SearchHarness, uri

DEADLINE_S = 0.3


async def never(*_: Any, **__: Any) -> Any:
    await asyncio.Event().wait()


async def full(*_: Any, **__: Any) -> Any:
    raise Busy("full")


@pytest.fixture(params=["small", "large"])
async def harness(request: pytest.FixtureRequest) -> SearchHarness:
    options = {"full_rows_max": 5} if request.param == "large" else {}
    harness = SearchHarness(embedder=HashEmbedder(HashSettings()), options=options)
    for n in range(30):
        harness.builder.file(uri(f"resources/{n}.md"), f"heron number {n} stood by the water")
    await harness.embed()
    await harness.ask("warm up")  # loads libraries
    return harness


async def find_within_deadline(harness: SearchHarness) -> Answer:
    """Fails when the find takes much longer than its deadline."""
    async with asyncio.timeout(10 * DEADLINE_S):
        return await finding.find(Query("heron by the water"), ANA, harness.ports, deadline_s=DEADLINE_S)


@pytest.mark.parametrize("trouble", [never, full])
@pytest.mark.parametrize("part", ["lexical", "load_vectors", "dense", "compute", "embedder"])
async def test_a_part_that_is_late_or_full_is_done_without(harness: SearchHarness, part: str, trouble: Any) -> None:
    ports = harness.ports
    match part:
        case "compute":
            ports.compute = Like(ports.compute, run=trouble)
        case "embedder":
            ports.embedders = (Like(harness.embedder, embed=trouble),)
        case _:
            ports.index = with_views(ports.index, **{part: trouble})
    answer = await find_within_deadline(harness)
    assert len(answer.hits) == 10
    degraded = {"lexical": ("lexicon",), "load_vectors": ("vectors",), "dense": ("vectors",), "compute": ()}
    assert answer.degraded == degraded.get(part, (part,))


@pytest.mark.parametrize("trouble", [never, full])
async def test_cosines_of_candidates_are_done_without(harness: SearchHarness, trouble: Any) -> None:
    """A large scope looks for vectors twice: near the question, and of what words have found."""
    inner = harness.ports.index

    async def open_(*args: Any, **more: Any) -> Any:
        view = await inner.open(*args, **more)

        async def candidates(lexical: Any, dense: Any, *, around: int) -> Any:
            return await trouble() if dense else await view.candidates(lexical, dense, around=around)

        return Like(view, candidates=candidates)

    harness.ports.index = Like(inner, open=open_)
    answer = await find_within_deadline(harness)
    assert len(answer.hits) == 10
    assert answer.degraded == ("vectors",)


@pytest.mark.parametrize("method", ["open", "candidates", "hydrate"])
async def test_a_failing_scope_raises_in_time(harness: SearchHarness, method: str) -> None:
    index = harness.ports.index
    harness.ports.index = Like(index, open=never) if method == "open" else with_views(index, **{method: never})
    with pytest.raises(Upstream, match="in time"):
        await find_within_deadline(harness)


@pytest.mark.parametrize("trouble", [never, full])
async def test_a_second_model_that_is_late_or_full_leaves_the_first_ones_vote(
    harness: SearchHarness, trouble: Any
) -> None:
    alone = await find_within_deadline(harness)
    other = Like(HashEmbedder(HashSettings(32)), embed=trouble)
    harness.ports.embedders = (harness.embedder, other)
    harness.ports.deadlines = Deadlines(embed_s=DEADLINE_S / 4)
    answer = await find_within_deadline(harness)
    assert [hit.score for hit in answer.hits] == [hit.score for hit in alone.hits]
    assert (alone.degraded, answer.degraded) == ((), ("embedder",))


async def test_a_reranker_does_not_lengthen_it(harness: SearchHarness) -> None:
    harness.ports.reranker = SimpleNamespace(rerank=never)
    harness.ports.deadlines = Deadlines(rerank_s=60.0)
    harness.ports.index = with_views(harness.ports.index, load_vectors=never)
    async with asyncio.timeout(3 * DEADLINE_S):
        clock = SimpleNamespace(monotonic=asyncio.get_running_loop().time, now=asyncio.get_running_loop().time)
        harness.ports.clock = clock
        answer = await search(Query("heron by the water"), ANA, harness.ports, deadline_s=DEADLINE_S)
    assert answer.degraded == ("reranker", "vectors")


class Tenant:
    """A session of ``count`` messages, the last of which says something."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.read: list[int] = []

    async def session(self, session_id: str) -> Any:
        if session_id != "s":
            raise NotFound("no such session")
        return SimpleNamespace(total_message_count=self.count)

    async def messages(self, session_id: str, *, archive: int, after: int, limit: int) -> Any:
        self.read.append(min(limit, self.count - after - 1))
        return [SimpleNamespace(role="user", text="the grey heron")]


@pytest.mark.parametrize("count", [1, 5, 100_000])
async def test_a_session_is_read_for_its_latest_turns_alone(count: int) -> None:
    tenant: Any = Tenant(count)
    assert await expand_with_session("where is it?", "s", tenant, within_s=1.0) == ("where is it? the grey heron", ())
    assert tenant.read[0] <= RECENT_MAX
    assert await expand_with_session("where is it?", "other", tenant, within_s=1.0) == ("where is it?", ())


@pytest.mark.parametrize("trouble", [never, full])
async def test_a_session_that_cannot_be_read_is_done_without(trouble: Any) -> None:
    tenant: Any = Like(Tenant(3), session=trouble)
    assert await expand_with_session("where is it?", "s", tenant, within_s=0.02) == ("where is it?", ("session",))
