"""Finds the candidates of a block: one search per category, and one over all peers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from recalld.domain.caller import Caller
from recalld.domain.errors import Busy, Invalid, Upstream
from recalld.domain.hit import Hit
from recalld.domain.query import Query
from recalld.domain.uri import Uri
from recalld.ports.bundle import Ports
from recalld.rules.address import SIDECARS, session_of
from recalld.rules.context import MEMORIES, OTHER, PENALTIES, Candidate, category, is_profile, origin, targets_of
from recalld.rules.search_request import parse_query
from recalld.usecases.find.find import find

from .memoized_embedder import MemoizedEmbedder
from .request import ContextRequest

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
    memoized = replace(
        ports,
        embedder=MemoizedEmbedder(ports.embedder) if ports.embedder is not None else None,
        former=MemoizedEmbedder(ports.former) if ports.former is not None else None,
    )
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
            gathered.found[uri] = Candidate(uri, kind, score, whose, texts, is_dir)
