"""The reranker of a search."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from recalld.domain.errors import Upstream
from recalld.domain.policy import Deadlines
from recalld.domain.query import Answer, Query
from recalld.usecases.find.search import RERANKED_MAX, search
from tests.harness import Harness

ROOT = "viking://resources/birds"


class Reranker:
    """Prefers what names ``wanted``; late or failing on request."""

    name = "fake"

    def __init__(self, wanted: str, *, late: bool = False, failing: bool = False) -> None:
        self.wanted = wanted
        self.late = late
        self.failing = failing
        self.batch_sizes: list[int] = []

    async def rerank(self, query: str, texts: Sequence[str]) -> list[float]:
        self.batch_sizes.append(len(texts))
        if self.late:
            await asyncio.Event().wait()
        if self.failing:
            raise Upstream("down")
        return [0.9 if self.wanted in text else 0.05 for text in texts]

    async def close(self) -> None:
        """Nothing to close."""


async def searched(harness: Harness, reranker: Reranker | None, *, limit: int = 3) -> Answer:
    ports = replace(harness.ports, reranker=reranker, deadlines=Deadlines(rerank_s=0.05))
    return await search(Query("heron by the water", limit=limit), harness.engine.caller, ports, deadline_s=5.0)


@pytest.fixture
async def birds(harness: Harness) -> Harness:
    for number in range(30):
        await harness.write(f"{ROOT}/b{number:02d}.md", f"A heron stood by the water, day {number}.")
    return harness


async def test_the_rerankers_order_and_relevance_are_the_answers(birds: Harness) -> None:
    reranker = Reranker("b07")
    fused = await searched(birds, None, limit=RERANKED_MAX)
    wanted = next(hit.uri for hit in fused.hits[3:])
    reranker.wanted = wanted.name
    answer = await searched(birds, reranker)
    assert [(hit.uri, hit.score) for hit in answer.hits] == [(wanted, 0.9)]
    assert reranker.batch_sizes == [RERANKED_MAX]
    assert answer.degraded == ()


@pytest.mark.parametrize("trouble", ["late", "failing"])
async def test_without_it_the_fused_order_stands_and_the_answer_says_so(birds: Harness, trouble: str) -> None:
    answer = await searched(birds, Reranker("b07", **{trouble: True}))
    fused = await searched(birds, None)
    assert [hit.uri for hit in answer.hits] == [hit.uri for hit in fused.hits]
    assert answer.degraded == ("reranker",)


async def test_an_empty_answer_needs_no_second_look(birds: Harness) -> None:
    reranker = Reranker("b07")
    ports = replace(birds.ports, reranker=reranker)
    answer = await search(Query("nothing like that at all"), birds.engine.caller, ports, deadline_s=5.0)
    assert (answer.hits, reranker.batch_sizes) == ((), [])


@pytest.mark.parametrize("limit", [RERANKED_MAX, RERANKED_MAX + 5, 30])
async def test_a_limit_beyond_what_is_looked_at_is_filled_in_fused_order(birds: Harness, limit: int) -> None:
    fused = await searched(birds, None, limit=limit)
    reranker = Reranker("")  # all of them
    answer = await searched(birds, reranker, limit=limit)
    assert [hit.uri for hit in answer.hits] == [hit.uri for hit in fused.hits]
    assert len(answer.hits) == limit
    assert reranker.batch_sizes == [RERANKED_MAX]
    scores = [hit.score for hit in answer.hits]
    assert scores == sorted(scores, reverse=True)


async def test_those_left_out_by_the_second_look_make_room_for_others(birds: Harness) -> None:
    first = (await searched(birds, None, limit=1)).hits[0].uri
    answer = await searched(birds, Reranker(first.name), limit=RERANKED_MAX + 1)
    fused = await searched(birds, None, limit=30)
    assert [hit.uri for hit in answer.hits] == [first, *(hit.uri for hit in fused.hits[RERANKED_MAX:])]


async def test_the_reranker_explains_its_scores_and_what_it_dropped(birds: Harness) -> None:
    best = (await searched(birds, None)).hits[0].uri.name
    ports = replace(birds.ports, reranker=Reranker(best), deadlines=Deadlines(rerank_s=0.05))
    wanted = Query("heron by the water", limit=3, explain=True)
    answer = await search(wanted, birds.engine.caller, ports, deadline_s=5.0)
    (hit,) = answer.hits
    assert [one.name for one in hit.features if one.share] == ["reranker"]
    assert answer.trajectory is not None
    assert [taken.uri for taken in answer.trajectory.taken] == [hit.uri]
    assert answer.trajectory.cut[0].rule == "reranker"
