"""Reasons of an answer."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from recalld.adapters.embedder.hash import HashEmbedder, HashSettings
from recalld.domain.node import ContextType
from recalld.domain.query import Answer, Hit, Taken, Trajectory
from recalld.usecases.find.explain import selected
from tests.usecases.find.test_find import SearchHarness, sentence, uri


class CountedView:
    """A view that counts the calls of its methods."""

    def __init__(self, inner: Any, calls: Counter[str]) -> None:
        self._inner = inner
        self._calls = calls

    def __getattr__(self, name: str) -> Any:
        self._calls[name] += 1
        return getattr(self._inner, name)


class CountedIndex:
    """An index whose views count."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.calls: Counter[str] = Counter()

    async def open(self, *args: Any, **more: Any) -> Any:
        self.calls["open"] += 1
        return CountedView(await self._inner.open(*args, **more), self.calls)


@pytest.fixture
async def harness() -> SearchHarness:
    built = SearchHarness(embedder=HashEmbedder(HashSettings()))
    for i in range(20):
        built.builder.file(uri(f"resources/d{i % 4}/f{i}.md"), sentence(i, 40))
    await built.embed()
    return built


SCORES = {"a": 0.9, "b": 0.8, "c": 0.7, "d": 0.2, "e": 0.1}
QUESTION = " ".join(sentence(3, 40).split()[10:15])


async def test_without_explain_there_are_no_reasons_and_no_calls_for_them(harness: SearchHarness) -> None:
    calls: list[Counter[str]] = []
    for explain in (False, True):
        index = CountedIndex(harness.ports.index)
        harness.ports.index, inner = index, harness.ports.index
        answer = await harness.ask(QUESTION, limit=3, explain=explain)
        harness.ports.index = inner
        calls.append(index.calls)
        assert (answer.trajectory is not None, all(hit.features for hit in answer.hits)) == (explain, explain)
    assert calls[1] - calls[0] == Counter(hydrate=1)


async def test_explaining_changes_no_hit(harness: SearchHarness) -> None:
    plain, explained = await harness.ask(QUESTION), await harness.ask(QUESTION, explain=True)
    assert [(hit.uri, hit.score) for hit in plain.hits] == [(hit.uri, hit.score) for hit in explained.hits]


async def test_the_shares_of_a_hit_add_up_to_its_score(harness: SearchHarness) -> None:
    answer = await harness.ask(QUESTION, explain=True)
    sums = [sum(one.share for one in hit.features) for hit in answer.hits]
    assert sums == pytest.approx([hit.score for hit in answer.hits], abs=0.001)


async def test_hits_are_taken_by_the_ways_that_found_them(harness: SearchHarness) -> None:
    answer = await harness.ask(QUESTION, explain=True)
    assert answer.trajectory is not None
    assert [taken.uri for taken in answer.trajectory.taken] == [hit.uri for hit in answer.hits]
    assert answer.trajectory.taken[0].by == ("words", "meaning:hash", "phrase")


async def test_what_lies_behind_the_limit_or_below_the_threshold_is_cut_by_that_rule(harness: SearchHarness) -> None:
    everything = (await harness.ask(QUESTION, limit=20, score_min=0.0)).hits
    between = (everything[3].score + everything[4].score) / 2
    answer = await harness.ask(QUESTION, limit=2, score_min=between, explain=True)
    assert answer.trajectory is not None
    cuts = [(cut.uri, cut.rule) for cut in answer.trajectory.cut[:4]]
    rules = ["limit", "limit", "threshold", "threshold"]
    assert cuts == [(hit.uri, rule) for hit, rule in zip(everything[2:6], rules, strict=True)]


async def test_a_message_that_a_memory_quotes_is_cut_as_a_duplicate(harness: SearchHarness) -> None:
    harness.builder.add_turns("ana", "s1", [("m1", "user", "zymurgy is my hobby", 1.0)])
    source = '{"messages": ["viking://user/ana/sessions/s1/messages/m1.md"]}'
    harness.builder.file(uri("user/ana/memories/events/e.md"), "zymurgy is my hobby", source=source)
    answer = await harness.ask("zymurgy hobby", explain=True)
    assert answer.trajectory is not None
    assert ("m1.md", "duplicate") in [(cut.uri.name, cut.rule) for cut in answer.trajectory.cut]


async def test_the_confidence_is_the_chance_of_an_answer_even_if_nothing_is_a_hit(harness: SearchHarness) -> None:
    chance = (await harness.ask(QUESTION)).answer_chance
    answer = await harness.ask(QUESTION, score_min=0.999, explain=True)
    assert answer.trajectory is not None
    assert (answer.hits, answer.trajectory.confidence) == ((), chance)


def test_hits_that_are_folded_or_fall_behind_a_gap_are_cut_by_that_rule() -> None:
    hits = [Hit(uri(f"resources/{name}.md"), ContextType.RESOURCE, 2, score, "") for name, score in SCORES.items()]
    trajectory = Trajectory(taken=tuple(Taken(hit.uri, ("words",)) for hit in hits))
    first = replace(hits[0], folded=(hits[1].uri,))
    answer = selected(Answer(tuple(hits), trajectory=trajectory), (first, hits[2], hits[3]), 2)
    assert answer.trajectory is not None
    assert [taken.uri.name for taken in answer.trajectory.taken] == ["a.md", "c.md"]
    rules = [(cut.uri.name, cut.rule) for cut in answer.trajectory.cut]
    assert rules == [("b.md", "fold"), ("d.md", "gap"), ("e.md", "limit")]
