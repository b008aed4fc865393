"""Turns ranked rows into hits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from recalld.domain.query import Hit, Source
from recalld.domain.uri import Uri
from recalld.ports.index import CandidateRows, HitRecord, Ids
from recalld.rules.address import SIDECARS
from recalld.rules.rank import Ranked
from recalld.rules.rank_features import Floats

from .dedupe_quotes import dedupe_quotes

_TIER = 2
_DIRECTORY = 0
_SIDECAR_OF = {level: name for name, level in SIDECARS.items()}


class Best(NamedTuple):
    """Row numbers of entries, best first, and the score of each."""

    rows: Ids
    scores: Floats

    def first(self, most: int) -> Best:
        """Return the first ones."""
        return Best(self.rows[:most], self.scores[:most])


def hits_of(
    best: Best, loaded: Sequence[HitRecord], rows: CandidateRows, ranked: Ranked, *, targeted: bool
) -> tuple[Hit, ...]:
    """Return hits in the order of ``best``, without deleted nodes. Without a target, a message that a memory
    among the hits quotes is left out."""
    by_node = {each.node_id: each for each in loaded}
    pairs = [
        (row, score)
        for row, score in zip(best.rows.tolist(), best.scores.tolist(), strict=True)
        if int(rows.node[row]) in by_node
    ]
    if not targeted and any(each.quotes for each in loaded):
        pairs = _deduped(pairs, by_node, rows)
    return tuple(_hit(row, score, by_node[int(rows.node[row])], rows, ranked) for row, score in pairs)


def shown(row: int, node: HitRecord, rows: CandidateRows) -> tuple[Uri, int, str]:
    """Return the address under which a row is shown, its level and its abstract."""
    if rows.kind[row] != _TIER:
        return node.uri, 2, node.abstract
    level = int(rows.level[row])
    uri = node.uri / _SIDECAR_OF[level] if node.kind == _DIRECTORY else node.uri
    return uri, level, node.overview if level == 1 else node.abstract


def _deduped(
    pairs: list[tuple[int, float]], by_node: dict[int, HitRecord], table: CandidateRows
) -> list[tuple[int, float]]:
    rows = {int(table.node[row]): row for row, _ in reversed(pairs)}
    scores = {int(table.node[row]): score for row, score in reversed(pairs)}
    nodes = list(dict.fromkeys(int(table.node[row]) for row, _ in pairs))
    quoted = {node: by_node[node].quoted for node in nodes}
    return [(rows[node], score) for node, score in dedupe_quotes(nodes, [scores[n] for n in nodes], quoted)]


def _hit(row: int, score: float, node: HitRecord, rows: CandidateRows, ranked: Ranked) -> Hit:
    uri, level, abstract = shown(row, node, rows)
    return Hit(
        uri=uri,
        type=node.type,
        level=level,
        score=score,
        abstract=abstract,
        tags=node.tags,
        sources=_sources(node, rows, ranked),
        chunk=int(rows.ids[row]),
    )


def _sources(node: HitRecord, rows: CandidateRows, ranked: Ranked) -> tuple[Source, ...]:
    """Return the sources of a hit's text, best first."""
    if node.message_id:
        return (Source(node.uri, node.session_id, node.message_id),)
    if not node.quotes:
        return (Source(node.uri),)
    if len(node.quotes) == 1:
        return (_source(node.quotes[0]),)
    best_total = {q: float(ranked.total[rows.node == q].max(initial=-np.inf)) for q in node.quoted}
    order = sorted(range(len(node.quotes)), key=lambda k: -best_total[node.quoted[k]])
    return tuple(_source(node.quotes[k]) for k in order)


def _source(uri: Uri) -> Source:
    return Source(uri, uri.parts[3] if len(uri.parts) > 3 else "", uri.name.removesuffix(".md"))
