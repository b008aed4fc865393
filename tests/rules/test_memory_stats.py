"""Statistics of memories."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from recalld.rules.memory_stats import CATEGORIES, DAY_S, category_of, hotness, memory_stats

NOW = 1_700_000_000.0
memories = st.lists(
    st.tuples(
        st.sampled_from(["profile.md", "events/2026/a.md", "entities/x/y.md", "cases/c.md", "odd/z.md"]),
        st.floats(NOW - 400 * DAY_S, NOW),
        st.floats(NOW - 400 * DAY_S, NOW),
    )
)


def at(path: str, days: float) -> tuple[str, float, float]:
    return path, NOW - days * DAY_S, NOW - days * DAY_S


def test_a_memory_is_of_the_kind_its_first_folder_says() -> None:
    assert category_of("profile.md") == "profile"
    assert category_of("events/2026/01/02/walk.md") == "events"


def test_heat_halves_every_seven_days() -> None:
    assert (hotness(0), hotness(7), hotness(14)) == (1.0, 0.5, 0.25)
    assert hotness(-3) == 1.0


def test_memories_are_counted_by_age() -> None:
    found = memory_stats([at("events/a.md", 0), at("events/b.md", 8), at("profile.md", 60)], NOW)
    assert (found.hot, found.warm, found.cold) == (1, 1, 1)
    assert (found.unchanged_7d, found.unchanged_30d, found.oldest_days) == (2, 1, 60.0)
    assert (found.total, found.by_category["events"], found.by_category["profile"]) == (3, 2, 1)


def test_a_requested_category_is_counted_alone() -> None:
    found = memory_stats([at("events/a.md", 0), at("profile.md", 60)], NOW, "events")
    assert (found.total, found.by_category, found.oldest_days) == (1, {"events": 1}, 0.0)


@given(memories)
def test_every_memory_is_counted_once(given_memories: list[tuple[str, float, float]]) -> None:
    found = memory_stats(given_memories, NOW)
    assert found.total == len(given_memories) == sum(found.by_category.values())
    assert found.cold + found.warm + found.hot == found.total
    assert found.unchanged_30d <= found.unchanged_7d <= found.total
    assert set(CATEGORIES) <= set(found.by_category)
