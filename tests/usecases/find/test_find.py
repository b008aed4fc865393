"""Find as a whole."""

from __future__ import annotations

import asyncio
import json
import random
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from recalld.adapters.embedder.hash import HashEmbedder, HashSettings
from recalld.adapters.sqlite.search.index import SqliteSearchIndex
from recalld.app.build import StageTimes
from recalld.domain.caller import Caller
from recalld.domain.document import Tiers
from recalld.domain.errors import Busy, Denied, Invalid, Upstream
from recalld.domain.node import ContextType
from recalld.domain.policy import Deadlines
from recalld.domain.query import Answer, Query
from recalld.domain.uri import Uri
from recalld.ports.bundle import no_linger
from recalld.ports.maintenance import DerivedState
from recalld.rules.chunks import chunks_of_tiers
from recalld.usecases.find.find import find
from tests.fakes.search_index import with_views
from tests.index_builder import IndexBuilder

ANA = Caller(user="ana")
WORDS = [
    "amber", "basin", "cedar", "delta", "ember", "fjord", "grove", "harbor", "island", "jungle", "kernel",
    "ladder", "meadow", "nectar", "orchid", "pebble", "quartz", "ripple", "summit", "timber", "umber", "valley",
    "walnut", "xenon", "yonder", "zephyr", "anchor", "breeze", "canyon", "dagger",
]  # fmt: skip


def uri(text: str) -> Uri:
    return Uri.parse(f"viking://{text}")


@dataclass
class SearchHarness:
    """Real adapters over an index in memory."""

    builder: IndexBuilder = field(default_factory=IndexBuilder)
    embedder: Any = None
    options: dict[str, Any] = field(default_factory=dict)
    now: float = 0.0

    def __post_init__(self) -> None:
        self.ports: Any = SimpleNamespace(
            index=SqliteSearchIndex(self.builder, self.builder.pool, **self.options),
            embedders=(self.embedder,) if self.embedder else (), linger_s=no_linger, reranker=None, deadlines=Deadlines(),
            compute=self.builder.pool,
            stages=StageTimes(),
            strict_filters=False,
            clock=SimpleNamespace(monotonic=lambda: self.now, now=lambda: self.now),
            derived=DerivedState(),
        )  # fmt: skip

    async def embed(self) -> None:
        ids = list(self.builder.texts)
        for start in range(0, len(ids), 64):
            part = ids[start : start + 64]
            rows = await self.embedder.embed([self.builder.texts[i] for i in part])
            self.builder.vectors(self.embedder.fingerprint, self.embedder.width, dict(zip(part, rows, strict=True)))

    async def ask(self, text: str, caller: Caller = ANA, **filters: Any) -> Answer:
        return await find(Query(text, **filters), caller, self.ports, deadline_s=5.0)

    async def uris(self, text: str, caller: Caller = ANA, **filters: Any) -> list[str]:
        return [str(h.uri).removeprefix("viking://") for h in (await self.ask(text, caller, **filters)).hits]


def sentence(seed: int, words: int = 12) -> str:
    return " ".join(random.Random(seed).choices(WORDS, k=words))


@pytest.fixture(params=["lexical", "vectors"])
async def harness(request: pytest.FixtureRequest) -> SearchHarness:
    built = SearchHarness(embedder=HashEmbedder(HashSettings()) if request.param == "vectors" else None)
    built.builder.add_turns("ana", "s1", [(f"m{i}", ("Ana", "Bob")[i % 2], sentence(i), float(i)) for i in range(40)])
    for i in range(40):
        built.builder.file(uri(f"resources/d{i % 4}/f{i}.md"), sentence(100 + i, 60))
    if built.embedder:
        await built.embed()
    return built


@pytest.mark.parametrize("seed", [3, 17, 31])
async def test_an_exact_quote_of_a_turn_comes_first(harness: SearchHarness, seed: int) -> None:
    quote = " ".join(sentence(seed).split()[2:10])
    assert (await harness.uris(quote))[0] == f"user/ana/sessions/s1/messages/m{seed}.md"


@pytest.mark.parametrize("seed", [104, 120, 139])
async def test_an_exact_quote_of_a_file_comes_first(harness: SearchHarness, seed: int) -> None:
    quote = " ".join(sentence(seed, 60).split()[20:28])
    assert (await harness.uris(quote))[0] == f"resources/d{(seed - 100) % 4}/f{seed - 100}.md"


async def test_chinese_is_found_by_its_own_words(harness: SearchHarness) -> None:
    harness.builder.add_turns("ana", "s2", [("zh", "user", "昨天我和小明去北京吃了烤鸭，味道很好", 1.0)])
    assert (await harness.uris("小明在北京吃了什么烤鸭"))[0] == "user/ana/sessions/s2/messages/zh.md"


async def test_a_new_file_is_found_at_once(harness: SearchHarness) -> None:
    await harness.uris("zymurgy")
    harness.builder.add_turns("ana", "s1", [("new", "Ana", "zymurgy is my hobby", 99.0)])
    assert (await harness.uris("zymurgy hobby"))[0] == "user/ana/sessions/s1/messages/new.md"


async def test_a_removed_file_is_not_found(harness: SearchHarness) -> None:
    harness.builder.file(uri("resources/x/a.md"), "zymurgy is brewing")
    assert "resources/x/a.md" in await harness.uris("zymurgy brewing")
    harness.builder.remove(uri("resources/x"))
    assert "resources/x/a.md" not in await harness.uris("zymurgy brewing")


async def test_another_users_words_are_never_found(harness: SearchHarness) -> None:
    harness.builder.add_turns("bob", "s9", [("b", "user", "zymurgy is my secret", 1.0)])
    assert not any(u.startswith("user/bob") for u in await harness.uris("zymurgy secret", limit=100))


async def test_the_same_question_gives_the_same_answer(harness: SearchHarness) -> None:
    first = await harness.ask("amber basin cedar", limit=30)
    assert [(h.uri, h.score) for h in (await harness.ask("amber basin cedar", limit=30)).hits] == [
        (h.uri, h.score) for h in first.hits
    ]


async def test_hits_come_in_descending_score_between_0_and_1(harness: SearchHarness) -> None:
    scores = [h.score for h in (await harness.ask("amber basin cedar delta", limit=50)).hits]
    assert scores == sorted(scores, reverse=True)
    assert all(0 < s < 1 for s in scores)


@pytest.mark.parametrize("limit", [1, 5, 10])
async def test_limit_is_kept_and_a_smaller_answer_is_the_beginning_of_a_larger(
    harness: SearchHarness, limit: int
) -> None:
    larger = await harness.uris("amber basin cedar", limit=20)
    assert await harness.uris("amber basin cedar", limit=limit) == larger[:limit]


async def test_a_long_file_is_one_hit(harness: SearchHarness) -> None:
    harness.builder.file(uri("resources/long.md"), "zymurgy brewing notes. " * 400)
    found = await harness.uris("zymurgy brewing", limit=50)
    assert found.count("resources/long.md") == 1


async def test_hits_score_above_the_threshold(harness: SearchHarness) -> None:
    every = (await harness.ask("amber basin cedar", limit=50, score_min=0.0)).hits
    middle = every[len(every) // 2].score
    some = (await harness.ask("amber basin cedar", limit=50, score_min=middle)).hits
    assert [h.uri for h in some] == [h.uri for h in every if h.score > middle]


@pytest.mark.parametrize(
    "text", ["", "   ", "\x00\x07\x1b", "the of and", "🙂🙂", '"" AND OR ( NEAR/3', "amber " * 1_600]
)
async def test_odd_questions_are_answered(harness: SearchHarness, text: str) -> None:
    assert isinstance(await harness.ask(text), Answer)


async def test_an_overlong_question_is_refused(harness: SearchHarness) -> None:
    with pytest.raises(Invalid, match="10001"):
        await harness.ask("x" * 10_001)


async def test_another_users_tree_is_denied(harness: SearchHarness) -> None:
    with pytest.raises(Denied):
        await harness.ask("amber", targets=(uri("user/bob"),))


async def test_an_empty_store_answers_nothing() -> None:
    assert (await SearchHarness().ask("anything")).hits == ()


async def test_a_turn_is_shown_with_its_text_and_its_source(harness: SearchHarness) -> None:
    hit = (await harness.ask(sentence(5))).hits[0]
    assert (hit.type, hit.level, hit.abstract) == (ContextType.MEMORY, 2, sentence(5))
    assert (hit.sources[0].session_id, hit.sources[0].message_id) == ("s1", "m5")


async def test_a_directorys_tiers_are_found_by_their_own_address() -> None:
    harness = SearchHarness()
    node = harness.builder.at(uri("resources/guide"))
    c, partition_id = harness.builder.c, harness.builder.partition_id("")
    c.execute("INSERT INTO tier VALUES (?, 1, 'about zymurgy', 'zymurgy at length', 'x')", (node,))
    tiers = Tiers("about zymurgy", "zymurgy at length")
    harness.builder._chunks(
        partition_id, node, 1, 2, chunks_of_tiers(uri("resources/guide"), tiers), node, 0, 0.0, "", "zymurgy at length"
    )
    hits = {(str(h.uri), h.level, h.abstract) for h in (await harness.ask("zymurgy", levels=(0, 1))).hits}
    assert hits == {
        ("viking://resources/guide/.abstract.md", 0, "about zymurgy"),
        ("viking://resources/guide/.overview.md", 1, "zymurgy at length"),
    }
    assert c.execute("SELECT count(*) FROM chunk WHERE level = 2").fetchone() == (0,)
    assert await harness.uris("zymurgy") == []


async def test_a_message_that_a_memory_quotes_takes_no_second_place() -> None:
    harness = SearchHarness()
    harness.builder.add_turns(
        "ana", "s1", [("m1", "user", "zymurgy is my hobby", 1.0), ("m2", "user", "zymurgy is fun", 2.0)]
    )
    source = '{"messages": ["viking://user/ana/sessions/s1/messages/m1.md"]}'
    harness.builder.file(uri("user/ana/memories/events/e.md"), "zymurgy is my hobby", source=source)
    found = await harness.uris("zymurgy hobby")
    assert set(found) == {"user/ana/memories/events/e.md", "user/ana/sessions/s1/messages/m2.md"}
    assert "user/ana/sessions/s1/messages/m1.md" in await harness.uris("zymurgy hobby", targets=(uri("user/ana"),))


async def test_a_memory_names_its_best_source_first_and_takes_that_messages_place() -> None:
    harness = SearchHarness()
    turns = [("m1", "user", "the weather was fine", 1.0), ("m2", "user", "zymurgy is my hobby", 2.0)]
    harness.builder.add_turns("ana", "s1", turns)
    harness.builder.add_turns("ana", "s2", [("x", "user", "zymurgy is a long word for brewing", 2.0)])
    alone = (await harness.ask("zymurgy hobby")).hits[0]
    quoted = [f"viking://user/ana/sessions/s1/messages/{m}.md" for m in ("m1", "m2")]
    harness.builder.file(
        uri("user/ana/memories/events/e.md"),
        "the weather was fine and much else was said about this and that " * 3 + "zymurgy",
        source=json.dumps({"messages": quoted}),
    )
    hits = (await harness.ask("zymurgy hobby")).hits
    assert str(alone.uri).endswith("m2.md")
    assert str(hits[0].uri).endswith("events/e.md")
    assert [s.message_id for s in hits[0].sources] == ["m2", "m1"]
    assert [h.score for h in hits] == sorted((h.score for h in hits), reverse=True)


class Late(HashEmbedder):
    """Never answers."""

    async def embed(self, texts: Any, *, query: bool = False) -> Any:
        await asyncio.Event().wait()


class Failing(HashEmbedder):
    """Raises what it was given."""

    failure: Exception = Busy("the model is busy")

    async def embed(self, texts: Any, *, query: bool = False) -> Any:
        raise self.failure


@pytest.mark.parametrize("failure", [Busy("b"), Upstream("u"), Invalid("no extra")])
async def test_without_its_embedder_recall_answers_and_says_so(harness: SearchHarness, failure: Exception) -> None:
    failing = Failing(HashSettings())
    failing.failure = failure
    harness.ports.embedders = (failing,)
    answer = await harness.ask(sentence(5))
    assert answer.degraded == ("embedder",)
    assert answer.hits[0].abstract == sentence(5)


async def test_a_late_embedder_is_done_without(harness: SearchHarness) -> None:
    harness.ports.embedders = (Late(HashSettings()),)
    harness.ports.deadlines = Deadlines(embed_s=0.01)
    answer = await harness.ask(sentence(5))
    assert answer.degraded == ("embedder",)
    assert answer.hits[0].abstract == sentence(5)


async def saturated(*_: Any) -> Any:
    raise Busy("readers are saturated")


async def test_without_full_text_vectors_answer_alone() -> None:
    harness = SearchHarness(embedder=HashEmbedder(HashSettings()))
    harness.builder.add_turns("ana", "s1", [(f"m{i}", "user", sentence(i), float(i)) for i in range(20)])
    await harness.embed()
    harness.ports.index = with_views(harness.ports.index, lexical=saturated)
    answer = await harness.ask(sentence(5))
    assert answer.degraded == ("lexicon",)
    assert answer.hits[0].abstract == sentence(5)


async def test_with_neither_search_it_is_an_error_not_an_empty_answer() -> None:
    harness = SearchHarness()
    harness.builder.add_turns("ana", "s1", [("m", "user", "word", 0.0)])
    harness.ports.index = with_views(harness.ports.index, lexical=saturated)
    with pytest.raises(Upstream):
        await harness.ask("word")


async def test_an_answer_lists_its_stages(harness: SearchHarness) -> None:
    assert [s.name for s in (await harness.ask("amber")).stages] == ["plan", "recall", "rank", "load"]


async def test_stage_durations_are_recorded(harness: SearchHarness) -> None:
    for word in ("amber", "basin"):
        await harness.ask(word)
    embed = ["embed"] if harness.embedder else []
    assert {name: took.count for name, took in harness.ports.stages.so_far().items()} == dict.fromkeys(
        ["plan", *embed, "recall", "rank", "load"], 2
    )


async def test_a_scope_too_large_to_score_in_full_gives_the_same_best_hits(harness: SearchHarness) -> None:
    queries = [" ".join(sentence(s).split()[:6]) for s in range(0, 40, 5)]
    whole = [(await harness.uris(q, limit=3))[0] for q in queries]
    harness.ports.index = SqliteSearchIndex(harness.builder, harness.builder.pool, full_rows_max=10)  # type: ignore[arg-type]
    assert [(await harness.uris(q, limit=3))[0] for q in queries] == whole
