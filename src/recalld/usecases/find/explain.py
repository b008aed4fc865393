"""Explains an answer: the features of its hits, and what was taken and what was cut. Runs only for a query that explains."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from recalld.domain.query import Answer, Cut, Hit, Query, Taken, Trajectory
from recalld.ports.index import CandidateRows, Ids, SearchView
from recalld.rules.calibration import scores
from recalld.rules.rank import Evidence, Ranked, best_per_entry
from recalld.rules.rank_features import RowFeatures
from recalld.rules.score_shares import MEANING, PHRASE, WORDS, features_of, parts_of

from .hits import shown

CUTS_MAX = 10


@dataclass(frozen=True, slots=True)
class Ranking:
    """What a search ranked, and how. ``terms``: the query's; ``cut``: the threshold; ``degraded``: late or failed parts."""

    query: Query
    terms: tuple[str, ...]
    view: SearchView
    rows: CandidateRows
    features: RowFeatures
    evidence: Evidence
    ranked: Ranked
    cut: float
    degraded: frozenset[str]


async def explain(answer: Answer, ranking: Ranking) -> Answer:
    """Return the answer with the features of its hits and its trajectory. Raises ``Busy`` and ``Corrupt``."""
    rows, ranked = ranking.rows, ranking.ranked
    chunks = np.array([hit.chunk for hit in answer.hits], np.int64)
    best = np.searchsorted(rows.ids, chunks)
    order = best_per_entry(rows.entry, ranked.total, len(best) + CUTS_MAX)
    hits, taken = [], []
    for hit, row in zip(answer.hits, best.tolist(), strict=True):
        parts = parts_of(ranked, ranking.evidence, row, ranking.terms)
        hits.append(replace(hit, features=features_of(parts, ranked, row, hit.score)))
        ways = [part.name for part in parts if part.value > 0 and part.name.startswith((WORDS, MEANING, PHRASE))]
        taken.append(Taken(hit.uri, tuple(ways)))
    cut = await _cut(order, best, answer.hits, ranking)
    trajectory = Trajectory(tuple(taken), cut, answer.answer_chance)
    return replace(answer, hits=tuple(hits), trajectory=trajectory)


def reordered(answer: Answer, order: tuple[Hit, ...], limit: int) -> Answer:
    """Return the answer with the first ``limit`` hits of the reranker's order, which leaves out those that it cut."""
    hits = order[:limit]
    if answer.trajectory is None:
        return replace(answer, hits=hits)
    stay = {hit.uri for hit in order}
    behind = [Cut(hit.uri, hit.score, "limit") for hit in order[limit:]]
    dropped = [Cut(hit.uri, hit.score, "reranker") for hit in answer.hits if hit.uri not in stay]
    return _retaken(answer, hits, (*behind, *dropped))


def selected(answer: Answer, hits: tuple[Hit, ...], strong: int) -> Answer:
    """Return the answer with the first ``strong`` of its ``hits`` after folding; the gap rule leaves out the others."""
    shown, weak = hits[:strong], {hit.uri for hit in hits[strong:]}
    if answer.trajectory is None:
        return replace(answer, hits=shown)
    stay = {hit.uri for hit in shown}
    last = max((place for place, hit in enumerate(answer.hits) if hit.uri in stay), default=-1)
    folded = {uri for hit in hits for uri in hit.folded}

    def rule(place: int, hit: Hit) -> str:
        if hit.uri in weak:
            return "gap"
        return "fold" if hit.uri in folded or place < last else "limit"

    cut = [Cut(hit.uri, hit.score, rule(k, hit)) for k, hit in enumerate(answer.hits) if hit.uri not in stay]
    return _retaken(answer, shown, cut)


def _retaken(answer: Answer, hits: tuple[Hit, ...], cut: Sequence[Cut]) -> Answer:
    assert answer.trajectory is not None
    ways = {taken.uri: taken for taken in answer.trajectory.taken}
    trajectory = replace(
        answer.trajectory,
        taken=tuple(ways[hit.uri] for hit in hits),
        cut=(*cut, *answer.trajectory.cut)[:CUTS_MAX],
    )
    return replace(answer, hits=hits, trajectory=trajectory)


async def _cut(order: Ids, best: Ids, hits: tuple[Hit, ...], ranking: Ranking) -> tuple[Cut, ...]:
    """Return the best entries that are no hits, best first. ``order``: the best entries; ``best``: those of the hits."""
    rows, ranked = ranking.rows, ranking.ranked
    behind = np.flatnonzero(~np.isin(rows.entry[order], rows.entry[best]))[:CUTS_MAX]
    left, left_scores = order[behind], scores(ranked, order)[behind]
    loaded = {each.node_id: each for each in await ranking.view.hydrate(rows.node[left].tolist())}
    full = len(hits) >= ranking.query.limit + ranking.query.extra
    worst = float(ranked.total[best].min(initial=np.inf))
    cut = []
    for row, score in zip(left.tolist(), left_scores.tolist(), strict=True):
        node = loaded.get(int(rows.node[row]))
        if node is not None:
            rule = "limit" if full and ranked.total[row] <= worst else "duplicate"
            cut.append(Cut(shown(row, node, rows)[0], score, rule if score > ranking.cut else "threshold"))
    return tuple(cut)
