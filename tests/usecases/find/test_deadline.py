"""Whatever a find awaits ends within its deadline: what is needed raises, everything else is done without and named."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from recalld.adapters.embedder.hash import HashEmbedder, HashSettings
from recalld.domain.errors import Busy, NotFound, Upstream
from recalld.domain.hit import Answer
from recalld.domain.policy import Deadlines
from recalld.domain.query import Query
from recalld.usecases.find import find as finding
from recalld.usecases.find import recall
from recalld.usecases.find.search import search
from recalld.usecases.find.session_expansion import RECENT_MAX, expand_with_session
from tests.usecases.find.test_find import ANA, SearchHarness, uri

DEADLINE_S = 0.3


async def never(*_: Any, **__: Any) -> Any:
    await asyncio.Event().wait()


async def full(*_: Any, **__: Any) -> Any:
    raise Busy("full")


class Like:
    """Another port's behaviour but for one method."""

    def __init__(self, inner: Any, **changed: Any) -> None:
        self._inner = inner
        self.__dict__.update(changed)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


@pytest.fixture(params=["small", "large"])
async def harness(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> SearchHarness:
    harness = SearchHarness(embedder=HashEmbedder(HashSettings()))
    for n in range(30):
        harness.builder.file(uri(f"resources/{n}.md"), f"heron number {n} stood by the water")
    await harness.embed()
    if request.param == "large":
        for module in (recall, finding):
            monkeypatch.setattr(module, "FULL_SCORING_ROWS_MAX", 5, raising=False)
    return harness


async def find_within_deadline(harness: SearchHarness) -> Answer:
    """Fails when the find takes much longer than its deadline."""
    async with asyncio.timeout(10 * DEADLINE_S):
        return await finding.find(Query("heron by the water"), ANA, harness.ports, deadline_s=DEADLINE_S)


@pytest.mark.parametrize("trouble", [never, full])
@pytest.mark.parametrize("part", ["lexicon", "vectors", "space", "compute", "embedder"])
async def test_a_part_that_is_late_or_full_is_done_without(harness: SearchHarness, part: str, trouble: Any) -> None:
    ports = harness.ports
    match part:
        case "lexicon":
            ports.lexicon = Like(ports.lexicon, match=trouble)
        case "vectors":
            ports.vectors = Like(ports.vectors, refresh=trouble)
        case "space":
            inner = ports.vectors

            async def refresh(*partition_ids: Any, **rest: Any) -> Any:
                return Like(await inner.refresh(*partition_ids, **rest), cosines=trouble, search=trouble)

            ports.vectors = Like(inner, refresh=refresh)
        case "compute":
            ports.compute = Like(ports.compute, run=trouble)
        case _:
            ports.embedder = Like(ports.embedder, embed=trouble)
    answer = await find_within_deadline(harness)
    assert len(answer.hits) == 10
    assert answer.degraded == {"space": ("vectors",), "compute": ()}.get(part, (part,))


@pytest.mark.parametrize("trouble", [never, full])
async def test_cosines_of_candidates_are_done_without(harness: SearchHarness, trouble: Any) -> None:
    """A large scope looks for vectors twice: near the question, and of what words have found."""
    inner = harness.ports.vectors

    async def refresh(*partition_ids: Any, **rest: Any) -> Any:
        return Like(await inner.refresh(*partition_ids, **rest), cosines=trouble)

    harness.ports.vectors = Like(inner, refresh=refresh)
    answer = await find_within_deadline(harness)
    assert len(answer.hits) == 10
    assert answer.degraded == ("vectors",)


@pytest.mark.parametrize("verb", ["resolve_scope", "table", "hydrate"])
async def test_what_nothing_can_be_found_without_raises_in_time(harness: SearchHarness, verb: str) -> None:
    harness.ports.catalog = Like(harness.ports.catalog, **{verb: never})
    with pytest.raises(Upstream, match="in time"):
        await find_within_deadline(harness)


async def test_which_model_serves_is_asked_within_the_deadline(
    harness: SearchHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finding, "replace", lambda ports, **changed: SimpleNamespace(**{**vars(ports), **changed}))
    harness.ports.former = harness.ports.embedder
    for trouble in (never, full):
        harness.ports.vectors = Like(harness.ports.vectors, serving_model=trouble)
        answer = await find_within_deadline(harness)
        assert (len(answer.hits), answer.degraded) == (10, ("vectors",))


async def test_a_reranker_does_not_lengthen_it(harness: SearchHarness) -> None:
    harness.ports.reranker = SimpleNamespace(rerank=never)
    harness.ports.deadlines = Deadlines(rerank_s=60.0)
    harness.ports.vectors = Like(harness.ports.vectors, refresh=never)
    async with asyncio.timeout(3 * DEADLINE_S):
        clock = SimpleNamespace(monotonic=asyncio.get_running_loop().time)
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
