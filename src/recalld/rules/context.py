"""Rules of a context block: categories, origins, quotas and order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from recalld.domain.errors import Invalid
from recalld.domain.memory_type import MEMORY_TYPES
from recalld.domain.uri import Uri

_TYPES = {one.name: one for one in MEMORY_TYPES if one.quotas}
MEMORIES = tuple(_TYPES)
CATEGORIES = (*MEMORIES, "resources", "skills")
"""Categories with quotas, in the order of ties."""
PREFERENCES = "preferences"
OTHER = "memories"
"""Memories of any further kind."""
ALL_CATEGORIES = (*CATEGORIES, OTHER)


def _preset(purpose: str, **others: int) -> dict[str, int]:
    return {name: one.quotas[purpose] for name, one in _TYPES.items()} | others


PRESETS = {"coding": _preset("coding", resources=3, skills=2), "chat": _preset("chat", resources=1, skills=1)}
RECALL_QUOTAS = _preset("recall")
"""Defaults of the older recall."""
PENALTIES = {name: one.penalty for name, one in _TYPES.items()} | {"resources": 0.02, "skills": 0.02, OTHER: 0.1}
"""Subtracted from the score of another peer's entry."""
ORIGINS = ("actor_peer", "self", "other_peer")
QUOTA_MAX = 1_000


@dataclass(frozen=True, slots=True)
class Candidate:
    """A candidate with its texts by tier: ``abstract``, ``overview`` and ``full`` ("" = none). ``chunk``: id of the one that
    was found."""

    uri: Uri
    category: str
    score: float
    origin: str
    texts: dict[str, str] = field(default_factory=dict)
    is_dir: bool = False
    chunk: int = 0


def category(uri: Uri) -> str:
    """Return the API's category of an address."""
    if "skills" in uri.parts:
        return "skills"
    if "memories" in uri.parts:
        kind = uri.parts[uri.parts.index("memories") + 1 :][:1]
        return kind[0] if kind and kind[0] in CATEGORIES else OTHER
    return "resources"


def origin(uri: Uri, user: str, peer: str) -> str:
    """Return the origin of an entry: the acting peer, the caller, or another peer."""
    p = uri.parts
    if p[:3] == ("user", user, "peers") and len(p) > 3:
        return "actor_peer" if p[3] == peer else "other_peer"
    return "self"


def is_profile(uri: Uri) -> bool:
    """Return True for a profile, which clients insert by other means; a block never contains it."""
    return uri.parts[-2:] == ("memories", "profile.md")


def targets_of(kind: str, user: str, peer: str) -> tuple[Uri, ...]:
    """Return the subtrees of a category for this user and the acting peer; ``kind`` "" = all categories."""
    mine = Uri(("user", user))
    acting = (mine / "peers" / peer,) if peer else ()
    if kind == "resources":
        return Uri(("resources",)), *(own / "resources" for own in (mine, *acting))
    if kind == "skills":
        return mine / "skills", Uri(("agent", "skills"))
    if kind:
        return tuple(own / "memories" / kind for own in (mine, *acting))
    memories = tuple(own / "memories" for own in (mine, *acting))
    return *memories, *targets_of("resources", user, peer), *targets_of("skills", user, peer)


def quotas_of(quotas: Mapping[str, int] | None, purpose: str) -> dict[str, int] | None:
    """Return the effective quotas: explicit ones, else the purpose's, else None (a flat search). Raises ``Invalid``."""
    if purpose and purpose not in PRESETS:
        raise _bad("purpose", purpose, "chat or coding")
    if quotas is None:
        return dict(PRESETS[purpose]) if purpose else None
    for kind, count in quotas.items():
        if kind not in CATEGORIES:
            raise _bad("quotas", kind, ", ".join(CATEGORIES))
        if not 0 <= count <= QUOTA_MAX:
            raise _bad("quotas", f"{kind}={count}", f"0 to {QUOTA_MAX}")
    return dict(quotas)


def check_detail(detail: Mapping[str, str], tiers: Sequence[str]) -> None:
    """Check that pinned tiers and their categories are known. Raises ``Invalid``."""
    for kind, tier in detail.items():
        if kind not in ALL_CATEGORIES:
            raise _bad("detail", kind, ", ".join(ALL_CATEGORIES))
        if tier not in tiers:
            raise _bad("detail", tier, ", ".join(("auto", *tiers)))


def choose(found: Sequence[Candidate], quotas: Mapping[str, int] | None, limit: int) -> list[Candidate]:
    """Return candidates best first, within each category's quota, or the best ``limit`` of all."""
    ranked = sorted(found, key=order)
    if quotas is None:
        return ranked[:limit]
    left = dict(quotas)
    chosen = []
    for one in ranked:
        if left.get(one.category, 0) > 0:
            left[one.category] -= 1
            chosen.append(one)
    return chosen


def above_floor(chosen: Sequence[Candidate], floor: float) -> list[Candidate]:
    """Return candidates that score at least ``floor``. Preferences stay: they concern a request whatever its words are."""
    return [one for one in chosen if one.score >= floor or one.category == PREFERENCES]


def order(one: Candidate) -> tuple[float, int, int, str]:
    """Return the sort key of a block: descending score rounded to two digits, then origin, category and address.

    Smaller score changes do not reorder a block, so the same query gives the same text and the model's prompt cache stays
    valid.
    """
    return -round(one.score, 2), ORIGINS.index(one.origin), ALL_CATEGORIES.index(one.category), str(one.uri)


def _bad(field_name: str, value: object, remedy: str) -> Invalid:
    return Invalid(f"{field_name} {str(value)[:60]!r} is unknown", remedy=remedy, details={"field": field_name})
