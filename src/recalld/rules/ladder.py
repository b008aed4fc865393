"""Give every entry of a block the richest tier its budget carries."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from recalld.domain.report import ContextEntry
from recalld.domain.uri import Uri

from .context import Found
from .openviking_json import tokens
from .quoted import line

TIERS = ("uri", "abstract", "overview", "full")


def start(one: Found, pins: Mapping[str, str]) -> str:
    """The tier an entry begins with: events and directories overview, all else abstract; a pin decides otherwise."""
    return pins.get(one.category) or ("overview" if one.is_dir or one.category == "events" else "abstract")


def ceiling(one: Found, pins: Mapping[str, str]) -> str:
    """The richest tier an entry may rise to: events full, all else where it began; a pin holds both ends."""
    if one.category in pins:
        return pins[one.category]
    return "full" if one.category == "events" and not one.is_dir else start(one, pins)


def pack(
    chosen: Sequence[Found], max_tokens: int, pins: Mapping[str, str]
) -> tuple[list[ContextEntry], dict[str, Any]]:
    """Entries in the order given, and the figures of how they were filled.

    First the floor: each entry at its start, one tier lower as long as it is above the cap of a single entry (twice an
    even share) or above what is left; what does not even fit as an address is dropped. Then, in order, rises to overview
    and to full under the cap, and at last to full without it.
    """
    steps = _Steps(pins, 2 * max_tokens // max(1, len(chosen)), max_tokens)
    for one in chosen:
        steps.place(one)
    placed = [one for one in chosen if one.uri in steps.tiers]
    floor = steps.tokens
    fill = {
        "floor_tokens": floor,
        "overview_upgrades": sum(steps.rise(one, "overview", capped=True) for one in placed),
        "full_upgrades": sum(steps.rise(one, "full", capped=True) for one in placed),
        "spare_upgrades": sum(steps.rise(one, "full", capped=False) for one in placed),
    }
    entries = [_entry(one, steps.tiers[one.uri]) for one in placed]
    return entries, {
        "used_tokens": steps.tokens,
        "per_entry_cap": steps.cap,
        "dropped": len(chosen) - len(placed),
        "tier_counts": {tier: sum(1 for e in entries if e.detail == tier) for tier in TIERS},
        "fill": fill,
    }


@dataclass(slots=True)
class _Steps:
    """A budget being spent. Each entry counts its own tokens and one for what parts it from the one before."""

    pins: Mapping[str, str]
    cap: int
    max_tokens: int
    tiers: dict[Uri, str] = field(default_factory=dict)
    used: int = 0
    costs: dict[tuple[Uri, str], int] = field(default_factory=dict)

    @property
    def tokens(self) -> int:
        """Spent so far; nothing stands before the first entry."""
        return max(0, self.used - 1)

    def place(self, one: Found) -> None:
        for tier in _falling(start(one, self.pins), one):
            cost = self.cost(one, tier)
            if (tier == "uri" or cost <= self.cap) and self.used + cost <= self.max_tokens + 1:
                self.tiers[one.uri] = tier
                self.used += cost
                return

    def rise(self, one: Found, to: str, *, capped: bool) -> bool:
        have = self.tiers[one.uri]
        top = min(TIERS.index(ceiling(one, self.pins)), TIERS.index(to))
        if TIERS.index(have) >= TIERS.index(to) or top < TIERS.index(to) or not one.texts.get(to):
            return False
        cost = self.cost(one, to)
        more = cost - self.cost(one, have)
        if (capped and cost > self.cap) or self.used + more > self.max_tokens + 1:
            return False
        self.tiers[one.uri] = to
        self.used += more
        return True

    def cost(self, one: Found, tier: str) -> int:
        key = (one.uri, tier)
        if key not in self.costs:
            self.costs[key] = tokens(line(_entry(one, tier))) + 1
        return self.costs[key]


def _falling(tier: str, one: Found) -> Iterator[str]:
    """``tier`` and those below it that say something; the address always does."""
    return (t for t in reversed(TIERS[: TIERS.index(tier) + 1]) if t == "uri" or one.texts.get(t))


def _entry(one: Found, tier: str) -> ContextEntry:
    text = "" if tier == "uri" else one.texts.get(tier, "")
    return ContextEntry(one.uri, one.category, round(one.score, 4), tier, text, one.origin)
