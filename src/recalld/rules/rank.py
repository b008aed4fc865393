"""One pure function from evidence to order: arrays in, arrays out, no loop over rows."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from .weights import DEFAULT, LEXICAL_ONLY, WINDOW, WITH_VECTORS, Weights

Floats = NDArray[np.float64]
Rows = NDArray[np.int32]
_ABOUT_ASSISTANT = re.compile(
    r"\byou (?:\w+ )?(?:said|told|gave|suggest|recommend|mention|provid|list|explain|share|wrote|help)"
    r"|\b(?:did|had|have) you\b|\byour (?:suggest|recommend|list|answer|advice|respon)",
    re.IGNORECASE,
)
_ROLES = ("user", "assistant", "system", "tool")


@dataclass(frozen=True, slots=True)
class Rowset:
    """What is known about the rows to rank, without the query. Columns as in ``ports.index.ChunkTable``."""

    node: NDArray[np.int64]
    group: NDArray[np.int64]
    previous: Rows
    next: Rows
    length: NDArray[np.float32]
    kind: NDArray[np.int8]
    speaker: Rows
    asks: NDArray[np.bool_]
    speakers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one query found. Postings: ``term[k]`` stands ``count[k]`` times in row ``row[k]``; ``idf`` per term;
    ``cosine`` per row, NaN where there is no vector, None = no vectors at all; ``phrase``: rows that hold all of it;
    ``floor``/``ceiling``: the model's cosines of unrelated and of equal texts."""

    term: Rows
    row: Rows
    count: NDArray[np.float32]
    idf: Floats
    cosine: NDArray[np.float32] | None
    phrase: Rows
    floor: float = 0.0
    ceiling: float = 1.0


@dataclass(frozen=True, slots=True)
class Ranked:
    """Per row: the parts of its rank, their sum ``total`` (which orders) and ``score`` in 0..1, which rises with it."""

    lexical: Floats
    dense: Floats
    group: Floats
    bonus: Floats
    total: Floats
    score: Floats


def idf(found_in: NDArray[np.float32], chunks: int) -> Floats:
    """Information of each term, in nats, from its document frequency."""
    found = found_in.astype(np.float64)
    return np.log1p((np.maximum(chunks - found, 0) + 0.5) / (found + 0.5))


def rank(query: str, rows: Rowset, found: Evidence, weights: Weights = DEFAULT) -> Ranked:
    """Score every row. Empty evidence gives zeros; equal rows get equal scores."""
    n = len(rows.node)
    steps = _steps(rows)
    lexical = _bm25(rows, found, steps, weights)
    dense = np.full(n, found.floor) if found.cosine is None else _blend(found.cosine, steps, weights)
    # A lone row has no span of its own: the model's floor stands in for the worst one.
    low = min(found.floor, float(dense.min(initial=found.floor)))
    fused = _scaled(_scaled(lexical, 0.0) + weights.dense * _scaled(dense, low), 0.0)
    group = weights.group_share * _best_of_group(fused, rows.group)
    bonus = _named_speaker(query, rows, weights) + _talk_prior(query, rows, weights)
    if len(found.phrase):
        bonus[found.phrase] += weights.phrase
    ranked = Ranked(lexical, dense, group, bonus, fused + group + bonus, np.zeros(n))
    return replace(ranked, score=probability(ranked.total, *absolute(ranked, found, weights)))


def absolute(ranked: Ranked, found: Evidence, weights: Weights = DEFAULT) -> tuple[float, float | None]:
    """What the best row has in absolute terms: the share of the query's information it covers, and how close its vector
    comes between the model's floor and ceiling (None without vectors)."""
    coverage = float(ranked.lexical.max(initial=0.0)) / max((weights.k1 + 1) * float(found.idf.sum()), 1e-9)
    if found.cosine is None:
        return coverage, None
    return coverage, (float(ranked.dense.max(initial=found.floor)) - found.floor) / (found.ceiling - found.floor)


def probability(total: Floats, coverage: float, closeness: float | None) -> Floats:
    """Chance that a row is what was asked for: rises with ``total`` within a query, and from query to query with what is
    ``absolute`` about its best row."""
    c = LEXICAL_ONLY if closeness is None else WITH_VECTORS
    odds = c.base + c.total * total + c.coverage * max(coverage, 0.0) ** 0.5 + c.closeness * (closeness or 0.0)
    return np.asarray(1.0 / (1.0 + np.exp(-odds)), np.float64)


def fold(node: NDArray[np.int64], total: Floats, most: int) -> NDArray[np.int64]:
    """Rows of the best chunk of each node, best first, at most ``most``; ties: the smaller row."""
    if not len(node):
        return np.zeros(0, np.int64)
    candidates = np.arange(len(node))
    if len(node) > most * 50:  # more than a node has chunks, mostly: sort the top only
        candidates = np.sort(np.argpartition(-total, most * 50)[: most * 50])
    order = candidates[np.argsort(-total[candidates], kind="stable")]
    _, first = np.unique(node[order], return_index=True)
    return order[np.sort(first)][:most]


def _steps(rows: Rowset) -> tuple[list[Rows], list[Rows]]:
    """Row numbers 1..WINDOW places back and ahead of each row, -1 where the group ends."""
    back, ahead = [rows.previous], [rows.next]
    for _ in range(WINDOW - 1):
        back.append(_follow(rows.previous, back[-1]))
        ahead.append(_follow(rows.next, ahead[-1]))
    return back, ahead


def _follow(link: Rows, at: Rows) -> Rows:
    return np.where(at >= 0, link[at], -1) if len(at) else at


def _bm25(rows: Rowset, found: Evidence, steps: tuple[list[Rows], list[Rows]], weights: Weights) -> Floats:
    n = len(rows.node)
    if not len(found.row):
        return np.zeros(n)
    back, ahead = steps
    length = rows.length.astype(np.float64)
    blended = length + _shared(length, steps, weights)
    # A posting also counts for the rows that have its row as a neighbour: what lies ahead has it behind itself.
    cells, counts = [found.term.astype(np.int64) * n + found.row], [found.count.astype(np.float64)]
    for k in range(WINDOW):
        for target, share in ((ahead[k][found.row], weights.back[k]), (back[k][found.row], weights.ahead[k])):
            there = target >= 0
            cells.append(found.term[there].astype(np.int64) * n + target[there])
            counts.append(share * found.count[there])
    flat = np.bincount(np.concatenate(cells), np.concatenate(counts), minlength=len(found.idf) * n)
    hit = np.flatnonzero(flat)
    tf, row = flat[hit], hit % n
    norm = weights.k1 * (1 - weights.b + weights.b * blended / max(blended.mean(), 1e-9))
    impact = tf * (weights.k1 + 1) / (tf + norm[row]) * found.idf[hit // n]
    return np.bincount(row, impact, minlength=n)


def _blend(cosine: NDArray[np.float32], steps: tuple[list[Rows], list[Rows]], weights: Weights) -> Floats:
    """Cosines with the mixture of each row's vector and its neighbours', had it been made."""
    missing = np.isnan(cosine)
    own = np.where(missing, 0.0, cosine).astype(np.float64)
    there = (~missing).astype(np.float64)
    share = there + _shared(there, steps, weights)
    square = there + _shared(there, steps, weights, power=2)
    norm = np.sqrt(np.maximum(square + weights.dense_kin * (share * share - square), 1e-9))
    return (own + _shared(own, steps, weights)) / np.maximum(norm, 1e-9)


def _shared(column: Floats, steps: tuple[list[Rows], list[Rows]], weights: Weights, power: int = 1) -> Floats:
    padded = np.append(column, 0.0)
    total = np.zeros(len(column))
    for k in range(WINDOW):
        total += weights.back[k] ** power * padded[steps[0][k]] + weights.ahead[k] ** power * padded[steps[1][k]]
    return total


def _scaled(score: Floats, low: float) -> Floats:
    span = score.max(initial=low) - low
    return (score - low) / span if span > 1e-12 else np.zeros(len(score))


def _best_of_group(score: Floats, group: NDArray[np.int64]) -> Floats:
    if not len(score):
        return score
    _, member = np.unique(group, return_inverse=True)
    best = np.full(int(member.max()) + 1, -np.inf)
    np.maximum.at(best, member, score)
    return best[member]


def _named_speaker(query: str, rows: Rowset, weights: Weights) -> Floats:
    """If the question names exactly one of those who talk, that person's turns get a bonus."""
    named = [k for k, name in enumerate(rows.speakers) if name not in _ROLES and _names(query, name)]
    return weights.speaker * (rows.speaker == named[0]) if len(named) == 1 else np.zeros(len(rows.node))


def _names(query: str, name: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", query, re.IGNORECASE) is not None


def _talk_prior(query: str, rows: Rowset, weights: Weights) -> Floats:
    """Never above 0, so that talk has no lead over files. With an assistant what is remembered is what the user said
    (unless the question is about the assistant's words); between people long turns say more, and questions less."""
    prior = np.zeros(len(rows.node))
    said = rows.speaker >= 0
    if not said.any():
        return prior
    is_role = np.array([name in _ROLES for name in rows.speakers] + [False])[rows.speaker]
    wanted = "assistant" if _ABOUT_ASSISTANT.search(query) else "user"
    at = rows.speakers.index(wanted) if wanted in rows.speakers else -2
    prior[is_role & (rows.speaker != at)] -= weights.role
    people = said & ~is_role
    words = np.minimum(np.log1p(rows.length), np.log1p(weights.length_terms)) / np.log1p(weights.length_terms)
    return prior + people * (weights.length * (words - 1) - weights.asks * rows.asks)
