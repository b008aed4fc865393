"""A lexicon with a cache answers like a new one, whatever was written and removed meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

import apsw
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recalld.adapters.sqlite.lexicon import fts5, posting_delta
from recalld.adapters.sqlite.lexicon.fts5 import Fts5Lexicon
from recalld.domain.uri import Uri
from recalld.ports.index import LexicalMatches, SearchScope
from recalld.rules.tokens import query_terms
from tests.index_builder import IndexBuilder, LivePartition

WORDS = ("red", "green", "apple", "猫", "小猫", "鱼")
TEXT = st.lists(st.sampled_from(WORDS), min_size=1, max_size=5).map(" ".join)
STEP = st.one_of(
    st.tuples(st.just("say"), TEXT),
    st.tuples(st.sampled_from(["a.txt", "b.txt"]), TEXT),
    st.tuples(st.just("ask"), TEXT),
)


def _plain(found: LexicalMatches) -> object:
    rows = sorted(zip(found.term.tolist(), found.chunk.tolist(), found.count.tolist(), strict=True))
    return (
        rows,
        found.document_frequency.tolist(),
        found.selective.tolist(),
        found.chunks,
        found.mean_length,
        found.phrase.tolist(),
    )


async def _run(steps: list[tuple[str, str]]) -> None:
    builder = IndexBuilder()
    lexicon = Fts5Lexicon(builder)
    partition_ids = builder.partition_id(""), builder.partition_id("ana")
    for number, (what, text) in enumerate(steps):
        if what == "say":
            builder.add_turns("ana", "s", [(f"m{number}", "user", text, 0.0)])
        elif what != "ask":
            builder.file(Uri(("resources", what)), text)
        ids = [
            np.array(
                [
                    row[0]
                    for row in builder.c.execute("SELECT id FROM chunk WHERE owner = ? ORDER BY id", (partition_id,))
                ]
            )
            for partition_id in partition_ids
        ]
        chunks = tuple(each.astype(np.int64) for each in ids)
        scope = SearchScope(partition_ids, chunks, tuple(map(LivePartition, chunks)), 0)
        query = query_terms(text)
        terms = tuple(dict.fromkeys(query))
        assert _plain(await lexicon.match(scope, terms, query)) == _plain(
            await Fts5Lexicon(builder).match(scope, terms, query)
        )
    builder.pool.close()


@settings(max_examples=60, deadline=None)
@given(st.lists(STEP, min_size=1, max_size=14), st.integers(0, 4))
def test_cached_postings_answer_like_fetched_ones(steps: list[tuple[str, str]], rows_max: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(posting_delta, "ROWS_MAX", rows_max)
        asyncio.run(_run(steps))


class Counting:
    """A lexicon over one partition, and the terms it had to fetch."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.builder = IndexBuilder()
        self.lexicon = Fts5Lexicon(self.builder)
        self.fetched: list[str] = []
        fetch = fts5._fetch

        def counted(c: apsw.Connection, requests: Sequence[tuple[int, str, int]]) -> list[fts5.PostingList]:
            self.fetched.extend(term for _, term, _ in requests)
            return fetch(c, requests)

        patch.setattr(fts5, "_fetch", counted)

    async def ask(self, term: str) -> tuple[LexicalMatches, list[int]]:
        """What was found, and the ids of all chunks there are."""
        partition_id = self.builder.partition_id("")
        ids = [
            row[0]
            for row in self.builder.c.execute("SELECT id FROM chunk WHERE owner = ? ORDER BY id", (partition_id,))
        ]
        chunks = np.array(ids, np.int64)
        return await self.lexicon.match(
            SearchScope((partition_id,), (chunks,), (LivePartition(chunks),), 0), (term,), (term,)
        ), ids


@pytest.fixture
def counting(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counting]:
    built = Counting(monkeypatch)
    yield built
    built.builder.pool.close()


async def test_additions_and_removals_keep_the_cached_postings(counting: Counting) -> None:
    for number in range(6):
        counting.builder.file(Uri(("resources", "a.txt")), f"red apple number{number}")  # in place of the one before
        found, ids = await counting.ask("red")
        assert found.chunk.tolist() == ids
        assert found.document_frequency.tolist() == [len(ids)]
    assert counting.fetched == ["red"]


async def test_cached_postings_outlive_a_full_delta(counting: Counting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(posting_delta, "ROWS_MAX", 3)
    for number in range(12):
        counting.builder.file(Uri(("resources", f"{number}.txt")), "red apple")
        found, ids = await counting.ask("red")
        assert found.chunk.tolist() == ids
    assert counting.fetched == ["red"]


async def test_a_change_larger_than_a_delta_is_fetched_again(
    counting: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(posting_delta, "ROWS_MAX", 3)
    counting.builder.file(Uri(("resources", "first.txt")), "red apple")
    await counting.ask("red")
    for number in range(12):
        counting.builder.file(Uri(("resources", f"{number}.txt")), "red apple")
    found, ids = await counting.ask("red")
    assert found.chunk.tolist() == ids
    assert counting.fetched == ["red", "red"]


async def test_a_mostly_deleted_posting_list_is_fetched_again(
    counting: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(posting_delta, "ROWS_MAX", 3)
    monkeypatch.setattr("recalld.adapters.sqlite.lexicon.posting_list.GROWN_MIN", 4)
    for number in range(30):
        counting.builder.file(Uri(("resources", "a.txt")), f"red apple number{number}")
        await counting.ask("red")
    assert 2 <= len(counting.fetched) < 10
