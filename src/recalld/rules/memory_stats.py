"""Statistics of a user's memories."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from recalld.domain.memory_type import MEMORY_TYPES

CATEGORIES = tuple(one.name for one in MEMORY_TYPES if one.counted)
DAY_S = 86_400.0
HALF_LIFE_DAYS = 7.0
COLD_BELOW = 0.2
HOT_ABOVE = 0.6


@dataclass(frozen=True, slots=True)
class MemoryStats:
    """Counts of memories by category and age; ``cold``, ``warm`` and ``hot`` follow from the last change."""

    total: int
    by_category: dict[str, int]
    cold: int
    warm: int
    hot: int
    unchanged_7d: int
    unchanged_30d: int
    oldest_days: float


def category_of(path: str) -> str:
    """Return a memory's category: its first folder below ``memories``, or ``profile`` for ``profile.md``."""
    first = path.split("/", 1)[0]
    return first.removesuffix(".md") if "/" not in path else first


def hotness(age_days: float) -> float:
    """Return 1 for a change right now, halved every seven days."""
    return float(2.0 ** (-max(0.0, age_days) / HALF_LIFE_DAYS))


def memory_stats(memories: Iterable[tuple[str, float, float]], now: float, category: str = "") -> MemoryStats:
    """Count memories, each given as its path below ``memories``, its creation time and the time of its last change.

    ``category``: count only these. Reads are not recorded, so age is measured from the last change.
    """
    kinds: Counter[str] = Counter()
    heat: Counter[str] = Counter()
    unchanged_7d = unchanged_30d = 0
    oldest = 0.0
    for path, created, updated in memories:
        kind = category_of(path)
        if category and kind != category:
            continue
        age = max(0.0, now - updated) / DAY_S
        kinds[kind] += 1
        warmth = hotness(age)
        heat["cold" if warmth < COLD_BELOW else "hot" if warmth > HOT_ABOVE else "warm"] += 1
        unchanged_7d += age > 7
        unchanged_30d += age > 30
        oldest = max(oldest, (now - created) / DAY_S)
    named = (category,) if category else CATEGORIES
    return MemoryStats(
        total=sum(kinds.values()),
        by_category={**dict.fromkeys(named, 0), **dict(sorted(kinds.items()))},
        cold=heat["cold"],
        warm=heat["warm"],
        hot=heat["hot"],
        unchanged_7d=unchanged_7d,
        unchanged_30d=unchanged_30d,
        oldest_days=round(oldest, 3),
    )
