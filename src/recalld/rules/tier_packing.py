"""Assigns every entry of a block the richest tier that fits the token budget."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from recalld.domain.memory_type import BY_NAME
from recalld.domain.results import ContextEntry
from recalld.domain.uri import Uri

from .context import Candidate
from .openviking_json import tokens
from .recall_markup import render_entry

TIERS = ("uri", "abstract", "overview", "full")


def initial_tier(candidate: Candidate, pins: Mapping[str, str]) -> str:
    """Return the tier an entry starts with: overview for rich types and directories, abstract otherwise; a pin overrides it."""
    return pins.get(candidate.category) or ("overview" if candidate.is_dir or _is_rich(candidate) else "abstract")


def highest_tier(candidate: Candidate, pins: Mapping[str, str]) -> str:
    """Return the richest tier an entry may get: full for rich types, the initial one otherwise; a pin fixes both."""
    if candidate.category in pins:
        return pins[candidate.category]
    return "full" if _is_rich(candidate) and not candidate.is_dir else initial_tier(candidate, pins)


def _is_rich(candidate: Candidate) -> bool:
    return candidate.category in BY_NAME and BY_NAME[candidate.category].rich


def pack(
    candidates: Sequence[Candidate], max_tokens: int, pins: Mapping[str, str]
) -> tuple[list[ContextEntry], dict[str, Any]]:
    """Return entries in the order given, and statistics.

    Each entry first gets its initial tier, or the richest lower one that fits the cap of a single entry (twice an even
    share) and the rest of the budget; an entry whose address does not fit is dropped. Then entries are upgraded in order:
    to overview and to full under the cap, and at last to full without it.
    """
    budget = _Budget(pins, 2 * max_tokens // max(1, len(candidates)), max_tokens)
    for candidate in candidates:
        budget.place(candidate)
    placed = [candidate for candidate in candidates if candidate.uri in budget.tiers]
    floor = budget.tokens
    fill = {
        "floor_tokens": floor,
        "overview_upgrades": sum(budget.upgrade(candidate, "overview", capped=True) for candidate in placed),
        "full_upgrades": sum(budget.upgrade(candidate, "full", capped=True) for candidate in placed),
        "spare_upgrades": sum(budget.upgrade(candidate, "full", capped=False) for candidate in placed),
    }
    entries = [_entry(candidate, budget.tiers[candidate.uri]) for candidate in placed]
    return entries, {
        "used_tokens": budget.tokens,
        "per_entry_cap": budget.cap,
        "dropped": len(candidates) - len(placed),
        "tier_counts": {tier: sum(1 for e in entries if e.detail == tier) for tier in TIERS},
        "fill": fill,
    }


@dataclass(slots=True)
class _Budget:
    """The token budget and the assigned tiers. Each entry counts its own tokens and one for the separator."""

    pins: Mapping[str, str]
    cap: int
    max_tokens: int
    tiers: dict[Uri, str] = field(default_factory=dict)
    used: int = 0
    costs: dict[tuple[Uri, str], int] = field(default_factory=dict)

    @property
    def tokens(self) -> int:
        """Tokens used; the first entry has no separator."""
        return max(0, self.used - 1)

    def place(self, candidate: Candidate) -> None:
        for tier in _tiers_below(initial_tier(candidate, self.pins), candidate):
            cost = self.cost(candidate, tier)
            if (tier == "uri" or cost <= self.cap) and self.used + cost <= self.max_tokens + 1:
                self.tiers[candidate.uri] = tier
                self.used += cost
                return

    def upgrade(self, candidate: Candidate, to: str, *, capped: bool) -> bool:
        current = self.tiers[candidate.uri]
        top = min(TIERS.index(highest_tier(candidate, self.pins)), TIERS.index(to))
        if TIERS.index(current) >= TIERS.index(to) or top < TIERS.index(to) or not candidate.texts.get(to):
            return False
        cost = self.cost(candidate, to)
        more = cost - self.cost(candidate, current)
        if (capped and cost > self.cap) or self.used + more > self.max_tokens + 1:
            return False
        self.tiers[candidate.uri] = to
        self.used += more
        return True

    def cost(self, candidate: Candidate, tier: str) -> int:
        key = (candidate.uri, tier)
        if key not in self.costs:
            self.costs[key] = tokens(render_entry(_entry(candidate, tier))) + 1
        return self.costs[key]


def _tiers_below(tier: str, candidate: Candidate) -> Iterator[str]:
    """Return ``tier`` and the lower tiers that have a text; the address always has one."""
    return (t for t in reversed(TIERS[: TIERS.index(tier) + 1]) if t == "uri" or candidate.texts.get(t))


def _entry(candidate: Candidate, tier: str) -> ContextEntry:
    text = "" if tier == "uri" else candidate.texts.get(tier, "")
    return ContextEntry(candidate.uri, candidate.category, round(candidate.score, 4), tier, text, candidate.origin)
