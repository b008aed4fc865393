"""Pack recalled entries into a token budget: categories, quotas, tiers, the rendered block."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from recalld.domain.report import ContextEntry
from recalld.domain.uri import Uri

from .wire import tokens

CATEGORIES = ("events", "entities", "preferences", "experiences", "resources", "skills")
PRESETS: dict[str, dict[str, int]] = {
    "coding": {"events": 1, "entities": 2, "preferences": 1, "experiences": 1, "resources": 3, "skills": 2},
    "chat": {"events": 3, "entities": 3, "preferences": 1, "experiences": 1, "resources": 1, "skills": 1},
}
DETAILS = ("uri", "abstract", "overview", "full")
PENALTIES = {
    "events": 0.1,
    "entities": 0.1,
    "preferences": 0.02,
    "experiences": 0.02,
    "resources": 0.02,
    "skills": 0.02,
    "memories": 0.1,
}


@dataclass(frozen=True, slots=True)
class Found:
    """A candidate with its texts by tier: ``abstract``, ``overview`` and ``full`` ("" = none)."""

    uri: Uri
    category: str
    score: float
    origin: str
    texts: dict[str, str]


def category(uri: Uri) -> str:
    """The wire's category of an address."""
    if "skills" in uri.parts:
        return "skills"
    if "memories" in uri.parts:
        kind = uri.parts[uri.parts.index("memories") + 1 :][:1]
        return kind[0] if kind and kind[0] in CATEGORIES else "memories"
    return "resources"


def origin(uri: Uri, user: str, peer: str) -> str:
    """Whose it is: the acting peer's, the caller's own, or another peer's."""
    p = uri.parts
    if p[:3] == ("user", user, "peers") and len(p) > 3:
        return "actor_peer" if p[3] == peer else "other_peer"
    return "self"


def choose(found: Sequence[Found], quotas: Mapping[str, int] | None, limit: int) -> list[Found]:
    """Best first within each category's quota, or the best ``limit`` of all."""
    ranked = sorted(found, key=lambda f: (-f.score, str(f.uri)))
    if quotas is None:
        return ranked[:limit]
    left = dict(quotas)
    chosen = []
    for one in ranked:
        if left.get(one.category, 0) > 0:
            left[one.category] -= 1
            chosen.append(one)
    return chosen


def pack(
    chosen: Sequence[Found], max_tokens: int, detail: Mapping[str, str]
) -> tuple[list[ContextEntry], dict[str, object]]:
    """Give every entry the richest tier the budget carries.

    ``detail`` pins a category's tier. Entries start at overview (events) or abstract, fall while the budget does not hold
    them, then rise in score order to overview and (events) full. Returns the entries in score order and figures.
    """
    if not chosen:
        return [], {"used_tokens": 0, "per_entry_cap": max_tokens, "dropped": 0, "tier_counts": {}}
    cap = max(2 * max_tokens // len(chosen), 32)
    picked: dict[Uri, str] = {}
    used = dropped = 0
    for one in chosen:
        for tier in _falling(detail.get(one.category) or _start(one.category), one):
            cost = _cost(one, tier)
            if cost <= cap and used + cost <= max_tokens:
                picked[one.uri], used = tier, used + cost
                break
        else:
            dropped += 1
    used += _rise(chosen, picked, max_tokens - used, detail)
    entries = [
        ContextEntry(o.uri, o.category, round(o.score, 4), picked[o.uri], o.texts.get(picked[o.uri], ""), o.origin)
        for o in chosen
        if o.uri in picked
    ]
    counts = {t: sum(1 for e in entries if e.detail == t) for t in DETAILS}
    return entries, {"used_tokens": used, "per_entry_cap": cap, "dropped": dropped, "tier_counts": counts}


def _start(kind: str) -> str:
    return "overview" if kind == "events" else "abstract"


def _falling(tier: str, one: Found) -> list[str]:
    tiers = [t for t in reversed(DETAILS[: DETAILS.index(tier) + 1]) if t == "uri" or one.texts.get(t)]
    return tiers


def _rise(chosen: Sequence[Found], picked: dict[Uri, str], spare: int, detail: Mapping[str, str]) -> int:
    spent = 0
    for one in chosen:
        if one.category != "events" or one.category in detail or picked.get(one.uri) in {None, "full"}:
            continue
        more = _cost(one, "full") - _cost(one, picked[one.uri])
        if one.texts.get("full") and more <= spare - spent:
            picked[one.uri] = "full"
            spent += max(more, 0)
    return spent


def _cost(one: Found, tier: str) -> int:
    return tokens(line(ContextEntry(one.uri, one.category, one.score, tier, one.texts.get(tier, "")))) + 1


def render(entries: Sequence[ContextEntry]) -> str:
    """The block a client puts before a model: quoted data, never instructions, in a stable order."""
    return "\n".join(line(e) for e in entries)


def line(entry: ContextEntry) -> str:
    """One entry. Marks of the block inside a body are disarmed, so that no text can close or open one."""
    head = f'<memory uri="{html.escape(str(entry.uri))}" type="{entry.category}" score="{entry.score:.2f}" detail="{entry.detail}"'
    if entry.detail == "uri":
        return f"{head}/>"
    body = entry.text.replace("<memory", "\\<memory").replace("</memory", "\\</memory")
    return f"{head}>\n{body}\n</memory>"
