"""The request for a context block."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from recalld.domain.errors import Invalid
from recalld.domain.uri import Uri
from recalld.rules.context import check_detail
from recalld.rules.search_request import SearchOptions
from recalld.rules.tier_packing import TIERS

LIMIT_MAX = 1_000
TOKENS_MAX = 32_000
TURNS_MAX = 100
BULLETS_MAX = 20


@dataclass(frozen=True, slots=True)
class ContextRequest:
    """The fields of mode=context.

    ``quotas``: by category, None = the purpose's or a flat search of ``limit``; ``detail`` pins tiers by category;
    ``score_min``: None = the default cut; ``dedup_turns``: entries recalled for the session within that many turns are left
    out; ``rewrite``: off, on or auto; ``narrow``: further search parameters.
    """

    query: str
    session_id: str = ""
    query_expansion: bool = True
    max_tokens: int = 1_600
    quotas: Mapping[str, int] | None = None
    purpose: str = ""
    detail: Mapping[str, str] | None = None
    limit: int = 10
    score_min: float | None = None
    exclude: tuple[Uri, ...] = ()
    all_peers: bool = True
    penalties: Mapping[str, float] | None = None
    dedup_turns: int = 0
    rewrite: str = "off"
    rewrite_max_bullets: int = 6
    narrow: SearchOptions = field(default_factory=lambda: SearchOptions())


def check(request: ContextRequest) -> None:
    """Check ranges and enumerations. Raises ``Invalid`` naming the field."""
    check_detail(request.detail or {}, TIERS)
    bounds = {
        "max_tokens": (request.max_tokens, 1, TOKENS_MAX),
        "limit": (request.limit, 1, LIMIT_MAX),
        "dedup_turns": (request.dedup_turns, 0, TURNS_MAX),
        "rewrite_max_bullets": (request.rewrite_max_bullets, 1, BULLETS_MAX),
    }
    for name, (value, low, high) in bounds.items():
        if not low <= value <= high:
            raise Invalid(f"{name} {value} is out of range", remedy=f"{low} to {high}", details={"field": name})
    if request.rewrite not in {"off", "on", "auto"}:
        raise Invalid(
            f"rewrite {request.rewrite[:40]!r} is unknown", remedy="off, on or auto", details={"field": "rewrite"}
        )
