"""A search of a scope finds, and counts, as if nothing else were stored."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recalld.adapters.sqlite.search import lexicon
from recalld.domain.query import Query
from recalld.rules.tokens import query_terms
from tests.contract.search_harness import ANA, SearchHarness, uri

WORDS = ("red", "green", "apple", "pear", "猫", "小猫", "鱼")
TEXT = st.lists(st.sampled_from(WORDS), min_size=1, max_size=6).map(" ".join)
TARGET = uri("resources/inside")


async def _found(inside: list[str], outside: list[str], query: str, *, earlier: str) -> object:
    """What a search below the target finds, with chunks by position. ``earlier``: a search of everything before it."""
    harness = SearchHarness()
    try:
        for k in range(max(len(inside), len(outside))):
            for texts, folder in ((outside, "elsewhere"), (inside, "inside")):
                if k < len(texts):
                    harness.builder.file(uri(f"resources/{folder}/{k}.txt"), texts[k])
        terms = query_terms(earlier)
        await (await harness.open()).lexical(terms, terms)
        terms = query_terms(query)
        view = await harness.index.open(ANA, Query("q", targets=(TARGET,)))
        found = await view.lexical(terms, terms)
        table = await view.candidates(found, None, around=0)
        columns = (table.term, table.row, table.count)
        return (
            sorted(zip(*(column.tolist() for column in columns), strict=True)),
            found.document_frequency.tolist(),
            found.selective.tolist(),
            found.chunks,
            table.phrase.tolist(),
        )
    finally:
        harness.builder.pool.close()


def _assert_same(inside: list[str], outside: list[str], query: str) -> None:
    alone = asyncio.run(_found(inside, [], query, earlier=""))
    assert asyncio.run(_found(inside, outside, query, earlier=query)) == alone


@settings(max_examples=40, deadline=None)
@given(st.lists(TEXT, min_size=1, max_size=6), st.lists(TEXT, max_size=12), TEXT)
def test_what_is_stored_elsewhere_does_not_matter(inside: list[str], outside: list[str], query: str) -> None:
    _assert_same(inside, outside, query)


@settings(max_examples=40, deadline=None)
@given(st.data(), st.lists(TEXT, min_size=1, max_size=4), TEXT)
def test_terms_that_are_common_elsewhere_count_as_in_the_scope(data: Any, inside: list[str], query: str) -> None:
    outside = data.draw(st.lists(TEXT, min_size=3 * len(inside), max_size=20))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lexicon, "COMMON_POSTINGS_MIN", 3)
        _assert_same(inside, outside, query)
