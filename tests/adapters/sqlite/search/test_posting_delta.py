"""A lexicon with a cache answers like a new one after any writes and removals."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

import apsw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recalld.adapters.sqlite.search import lexicon, posting_delta
from recalld.adapters.sqlite.search.index import SqliteSearchIndex
from recalld.domain.query import Query
from recalld.domain.uri import Uri
from recalld.ports.index import SearchIndex
from recalld.rules.tokens import query_terms
from tests.contract.search_harness import ANA, SearchHarness

WORDS = ("red", "green", "apple", "猫", "小猫", "鱼")
TEXT = st.lists(st.sampled_from(WORDS), min_size=1, max_size=5).map(" ".join)
STEP = st.one_of(
    st.tuples(st.just("say"), TEXT),
    st.tuples(st.sampled_from(["a.txt", "b.txt"]), TEXT),
    st.tuples(st.just("ask"), TEXT),
)


async def _found(index: SearchIndex, text: str) -> object:
    query = query_terms(text)
    view = await index.open(ANA, Query("q"))
    found = await view.lexical(query, query)
    table = await view.candidates(found, None, around=0)
    columns = (table.term, table.row, table.count)
    return (
        sorted(zip(*(column.tolist() for column in columns), strict=True)),
        found.document_frequency.tolist(),
        found.selective.tolist(),
        found.chunks,
        table.phrase.tolist(),
        table.rows.ids.tolist(),
    )


async def _run(steps: list[tuple[str, str]]) -> None:
    harness = SearchHarness()
    builder = harness.builder
    for number, (what, text) in enumerate(steps):
        if what == "say":
            harness.append("ana", text, session=f"s{number}")
        elif what != "ask":
            builder.file(Uri(("resources", what)), text)
        fresh = SqliteSearchIndex(builder, builder.pool)  # type: ignore[arg-type]
        assert await _found(harness.index, text) == await _found(fresh, text)
    builder.pool.close()


@settings(max_examples=60, deadline=None)
@given(st.lists(STEP, min_size=1, max_size=14), st.integers(0, 4))
def test_cached_postings_answer_like_fetched_ones(steps: list[tuple[str, str]], rows_max: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(posting_delta, "ROWS_MAX", rows_max)
        asyncio.run(_run(steps))


class Counting:
    """An index, and the terms it had to fetch."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.harness = SearchHarness()
        self.builder = self.harness.builder
        self.fetched: list[str] = []
        fetch = lexicon._fetch

        def counted(c: apsw.Connection, requests: Sequence[tuple[int, str, int]]) -> list[lexicon.PostingList]:
            # Another user's partition is empty.
            self.fetched.extend(term for partition_id, term, _ in requests if partition_id == self.partition_id)
            return fetch(c, requests)

        self.partition_id = self.builder.partition_id("")
        patch.setattr(lexicon, "_fetch", counted)

    async def ask(self, term: str) -> tuple[list[int], float, list[int]]:
        """The chunks found, the document frequency, and the ids of all chunks there are."""
        rows = self.builder.c.execute("SELECT id FROM chunk WHERE owner = ? ORDER BY id", (self.partition_id,))
        view = await self.harness.open()
        found = await view.lexical((term,), (term,))
        table = await view.candidates(found, None, around=0)
        return table.rows.ids[table.row].tolist(), found.document_frequency[0], [row[0] for row in rows]


@pytest.fixture
def counting(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counting]:
    built = Counting(monkeypatch)
    yield built
    built.builder.pool.close()


async def test_additions_and_removals_keep_the_cached_postings(counting: Counting) -> None:
    for number in range(6):
        counting.builder.file(Uri(("resources", "a.txt")), f"red apple number{number}")  # in place of the one before
        found, frequency, ids = await counting.ask("red")
        assert found == ids
        assert frequency == len(ids)
    assert counting.fetched == ["red"]


async def test_cached_postings_outlive_a_full_delta(counting: Counting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(posting_delta, "ROWS_MAX", 3)
    for number in range(12):
        counting.builder.file(Uri(("resources", f"{number}.txt")), "red apple")
        found, frequency, ids = await counting.ask("red")
        assert found == ids
    assert counting.fetched == ["red"]


async def test_a_change_larger_than_a_delta_is_fetched_again(
    counting: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(posting_delta, "ROWS_MAX", 3)
    counting.builder.file(Uri(("resources", "first.txt")), "red apple")
    await counting.ask("red")
    for number in range(12):
        counting.builder.file(Uri(("resources", f"{number}.txt")), "red apple")
    found, _, ids = await counting.ask("red")
    assert found == ids
    assert counting.fetched == ["red", "red"]


async def test_a_mostly_deleted_posting_list_is_fetched_again(
    counting: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(posting_delta, "ROWS_MAX", 3)
    monkeypatch.setattr("recalld.adapters.sqlite.search.posting_list.GROWN_MIN", 4)
    for number in range(30):
        counting.builder.file(Uri(("resources", "a.txt")), f"red apple number{number}")
        await counting.ask("red")
    assert 2 <= len(counting.fetched) < 10
