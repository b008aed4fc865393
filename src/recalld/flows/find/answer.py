"""Ranked rows to what a caller sees."""

from __future__ import annotations

from collections.abc import Sequence

from recalld.domain.hit import Hit, Source
from recalld.domain.uri import Uri
from recalld.ports.index import ChunkTable, Ids, Loaded
from recalld.rules.rank import Ranked

_TIER = 2
_DIRECTORY = 0
_SIDECARS = {0: ".abstract.md", 1: ".overview.md"}


def hits_of(
    best: Ids, loaded: Sequence[Loaded], table: ChunkTable, ranked: Ranked, *, targeted: bool
) -> tuple[Hit, ...]:
    """Hits in the order of ``best`` (row numbers). Without a target a message that a memory here already quotes does not
    take a second place."""
    by_node = {each.node_id: each for each in loaded}
    quoted = set() if targeted else {uri for each in loaded for uri in each.quotes}
    hits: list[Hit] = []
    for row, score in zip(best.tolist(), ranked.score(best).tolist(), strict=True):
        node = by_node.get(int(table.node[row]))
        if node is not None and node.uri not in quoted:
            hits.append(_hit(row, score, node, table, ranked))
    return tuple(hits)


def _hit(row: int, score: float, node: Loaded, table: ChunkTable, ranked: Ranked) -> Hit:
    tier = int(table.kind[row]) == _TIER
    level = int(table.level[row]) if tier else 2
    return Hit(
        uri=Uri((*node.uri.parts, _SIDECARS[level])) if tier and node.kind == _DIRECTORY else node.uri,
        type=node.type,
        level=level,
        score=score,
        abstract=node.overview if tier and level == 1 else node.abstract,
        tags=node.tags,
        sources=_sources(node),
        features={
            "lexical": float(ranked.lexical[row]),
            "dense": float(ranked.dense[row]),
            "group": float(ranked.group[row]),
            "bonus": float(ranked.bonus[row]),
        },
    )


def _sources(node: Loaded) -> tuple[Source, ...]:
    if node.message_id:
        return (Source(node.uri, node.session_id, node.message_id),)
    if not node.quotes:
        return (Source(node.uri),)
    return tuple(Source(u, u.parts[3] if len(u.parts) > 3 else "", u.name.removesuffix(".md")) for u in node.quotes)
