"""Gathers candidates for a context: what is searched for, and what is found with one embedding a text."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from recalld.domain.caller import Caller
from recalld.domain.errors import Busy, Invalid, Upstream
from recalld.domain.query import Hit, Query
from recalld.domain.uri import Uri
from recalld.ports.bundle import Ports
from recalld.ports.embedder import Embedder
from recalld.rules.address import SIDECARS, session_of
from recalld.rules.context import (
    MEMORIES,
    OTHER,
    PENALTIES,
    Candidate,
    category,
    check_detail,
    is_profile,
    origin,
    targets_of,
)
from recalld.rules.search_request import SearchOptions, parse_query
from recalld.rules.tier_packing import TIERS
from recalld.usecases.find.find import find

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


class MemoizedEmbedder:
    """Caches the vectors of ``inner`` for one block, including failures: a text that failed or timed out is not retried."""

    def __init__(self, inner: Embedder) -> None:
        self._inner = inner
        self._vectors: dict[str, NDArray[np.float32] | None] = {}
        self._lock = asyncio.Lock()
        self.name = inner.name
        self.width = inner.width
        self.fingerprint = inner.fingerprint
        self.batch_max = inner.batch_max
        self.floor = inner.floor
        self.ceiling = inner.ceiling

    async def embed(self, texts: Sequence[str], *, query: bool = False) -> NDArray[np.float32]:
        """See ``ports.embedder.Embedder``; one text a call. Raises ``Upstream`` if the first call failed."""
        (text,) = texts
        async with self._lock:
            if text not in self._vectors:
                self._vectors[text] = None  # stays None if this call is cancelled
                self._vectors[text] = await self._inner.embed(texts, query=query)
            vector = self._vectors[text]
        if vector is None:
            raise Upstream("the embedder did not answer for this question", remedy="recall goes on by words alone")
        return vector

    async def close(self) -> None:
        """Nothing: the embedder belongs to the engine."""


SCORE_MIN = 0.1
OVERFETCH = 4
PEER_HITS_MAX = 200
EXTRA_MAX = 60
"""Candidates searched beyond a quota, at most: recently recalled entries drop out."""


@dataclass(frozen=True, slots=True)
class Search:
    """One of a block's searches; ``scope`` names it in error reports."""

    scope: str
    targets: tuple[Uri, ...]
    limit: int


@dataclass(slots=True)
class Gathered:
    """``found``: candidates, each address once; ``searched``: hits by category before any were dropped."""

    found: dict[Uri, Candidate] = field(default_factory=dict)
    searched: dict[str, int] = field(default_factory=dict)
    seen: set[Uri] = field(default_factory=set)
    degraded: set[str] = field(default_factory=set)
    errors: list[dict[str, str]] = field(default_factory=list)
    ignored: tuple[str, ...] = ()


def searches(request: ContextRequest, quotas: Mapping[str, int] | None, caller: Caller, extra: int) -> list[Search]:
    """Return the searches of a block. ``extra``: candidates searched beyond each quota."""
    peers = (Uri(("user", caller.user, "peers")),)
    if quotas is None:
        planned = [Search("all", targets_of("", caller.user, caller.peer), request.limit + extra)]
        wanted = request.limit
    else:
        planned = [
            Search(kind, targets_of(kind, caller.user, caller.peer), count + extra)
            for kind, count in quotas.items()
            if count > 0
        ]
        wanted = sum(quotas.get(kind, 0) for kind in MEMORIES)
    if request.all_peers and wanted:
        planned.append(Search("peers", peers, min(OVERFETCH * wanted + extra, PEER_HITS_MAX)))
    return planned


async def gather(
    request: ContextRequest,
    queries: Sequence[str],
    planned: Sequence[Search],
    skip: frozenset[str],
    caller: Caller,
    ports: Ports,
    *,
    deadline_s: float,
) -> Gathered:
    """Run every query in every scope; an address keeps its better score. ``skip``: recently recalled addresses.

    A failed search is named in ``errors``. Raises its ``Busy`` or ``Upstream`` only if all searches failed.
    """
    base = _base(request, caller, ports)
    memoized = replace(ports, embedders=tuple(map(MemoizedEmbedder, ports.embedders)))
    gathered = Gathered(ignored=base.ignored)
    until = ports.clock.monotonic() + deadline_s
    failed: Busy | Upstream | None = None
    answered = 0
    for text in queries:
        for search in planned:
            viewer = replace(caller, peer="") if search.scope == "peers" else caller
            query = replace(base, text=text, targets=search.targets, limit=search.limit)
            left_s = max(0.05, until - ports.clock.monotonic())
            try:
                answer = await find(query, viewer, memoized, deadline_s=left_s)
            except (Busy, Upstream) as error:
                failed = error
                gathered.errors.append({"scope": search.scope, "code": error.code, "message": error.message})
                continue
            answered += 1
            gathered.degraded.update(answer.degraded)
            _take(answer.hits, request, skip, caller, gathered)
    if failed is not None and not answered:
        raise failed
    return gathered


def _base(request: ContextRequest, caller: Caller, ports: Ports) -> Query:
    query = parse_query(request.query, caller, ports.clock.now(), **request.narrow)
    if query.targets:
        raise Invalid(
            "a filter on uri does not go with a context block",
            remedy="leave it out; quotas choose what is recalled",
            details={"field": "filter"},
        )
    score_min = SCORE_MIN if request.score_min is None else request.score_min
    return replace(query, score_min=score_min, messages=False, exclude_session=request.session_id)


def _take(
    hits: Sequence[Hit], request: ContextRequest, skip: frozenset[str], caller: Caller, gathered: Gathered
) -> None:
    penalties = PENALTIES | dict(request.penalties or {})
    score_min = SCORE_MIN if request.score_min is None else request.score_min
    for hit in hits:
        is_dir = hit.uri.name in SIDECARS
        uri = hit.uri.parent if is_dir else hit.uri
        kind, whose = category(uri), origin(uri, caller.user, caller.peer)
        if session_of(uri) or (whose == "other_peer" and kind not in (*MEMORIES, OTHER)):
            continue
        if uri not in gathered.seen:
            gathered.seen.add(uri)
            gathered.searched[kind] = gathered.searched.get(kind, 0) + 1
        score = hit.score - (penalties.get(kind, 0.0) if whose == "other_peer" else 0.0)
        known = gathered.found.get(uri)
        if score <= score_min or uri in request.exclude or is_profile(uri) or str(uri) in skip:
            continue
        if known is None or score > known.score:
            texts = known.texts if known is not None else {"abstract": "" if is_dir else hit.abstract}
            gathered.found[uri] = Candidate(uri, kind, score, whose, texts, is_dir, hit.chunk)
