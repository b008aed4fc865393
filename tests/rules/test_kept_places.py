"""Facts about places reserved for standing instructions and preferences."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from recalld.rules.kept_places import keep_places
from recalld.rules.rank import best_per_entry
from recalld.rules.rank_features import prepare
from recalld.rules.ranking_params import DEFAULT
from recalld.rules.standing import INSTRUCTION, PREFERENCE
from tests.rules.test_rank import rowset

REQUEST = "Suggest a dinner"


def places(traits: dict[int, int], *, query: str = REQUEST, limit: int = 10, n: int = 30, speaker: str = "user") -> Any:
    """Rows after reserving places, where row k has rank k."""
    marks = np.zeros(n, np.int8)
    for row, trait in traits.items():
        marks[row] = trait
    rows = rowset(n, speakers=(speaker,), speaker=[0] * n, traits=marks)
    total, entry = -np.arange(n, dtype=np.float64), np.arange(n)
    best = best_per_entry(entry, total, limit + 10)
    return keep_places(query, best, entry, rows, prepare(rows, DEFAULT), total, limit).tolist()


def test_a_request_finds_instructions_and_preferences_that_rank_low() -> None:
    found = places({25: INSTRUCTION, 26: INSTRUCTION, 27: INSTRUCTION, 28: PREFERENCE})
    assert found[:10] == [0, 1, 2, 3, 4, 5, 6, 25, 26, 28]
    assert found[10:13] == [7, 8, 9]


def test_one_that_ranks_high_needs_no_place() -> None:
    assert places({2: INSTRUCTION}) == list(range(20))


def test_a_query_about_a_fact_reserves_nothing() -> None:
    assert places({25: INSTRUCTION}, query="How many dinners did I cook?") == list(range(20))


def test_people_have_no_standing_instructions() -> None:
    assert places({25: INSTRUCTION}, speaker="Ana") == list(range(20))


def test_few_hits_reserve_few_places() -> None:
    assert places({25: INSTRUCTION, 28: PREFERENCE}, limit=5)[:5] == [0, 1, 2, 25, 28]
    assert places({25: INSTRUCTION}, limit=3)[:3] == [0, 1, 2]


@given(st.dictionaries(st.integers(0, 29), st.sampled_from([INSTRUCTION, PREFERENCE, 3])), st.integers(1, 30))
def test_every_entry_stays_once_and_the_first_places_keep_their_order(traits: dict[int, int], limit: int) -> None:
    found = places(traits, limit=limit)
    assert len(found) == len(set(found)) == min(limit + 10, 30)
    unreserved = min(limit, 10) - 2 * (min(limit, 10) // 5)
    assert found[:unreserved] == list(range(unreserved))
