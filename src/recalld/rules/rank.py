"""One pure function from evidence to order: arrays in, arrays out, no loop over rows."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .rowset import Floats, Prepared, Rows, Rowset, prepare
from .weights import DEFAULT, LEXICAL_ONLY, WITH_VECTORS, Weights

_ABOUT_ASSISTANT = re.compile(
    r"\byou (?:\w+ )?(?:said|told|gave|suggest|recommend|mention|provid|list|explain|share|wrote|help)"
    r"|\b(?:did|had|have) you\b|\byour (?:suggest|recommend|list|answer|advice|respon)",
    re.IGNORECASE,
)


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
    """Per row: the parts of its rank and their sum ``total``. ``coverage``: the share of the query's information that the
    best row covers; ``closeness``: how near the best vector comes, 0..1 between the model's floor and ceiling (None
    without vectors)."""

    lexical: Floats
    dense: Floats
    group: Floats
    bonus: Floats
    total: Floats
    coverage: float
    closeness: float | None

    def score(self, rows: NDArray[np.int64]) -> Floats:
        """Chance that each of these rows is what was asked for: rises with ``total`` within a query, and from query to
        query with what is absolute about its best row."""
        c = LEXICAL_ONLY if self.closeness is None else WITH_VECTORS
        best = c.coverage * max(self.coverage, 0.0) ** 0.5 + c.closeness * (self.closeness or 0.0)
        return np.asarray(1.0 / (1.0 + np.exp(-(c.base + c.total * self.total[rows] + best))), np.float64)


def idf(found_in: NDArray[np.float32], chunks: int) -> Floats:
    """Information of each term, in nats, from its document frequency."""
    found = found_in.astype(np.float64)
    return np.log1p((np.maximum(chunks - found, 0) + 0.5) / (found + 0.5))


def rank(
    query: str, rows: Rowset, found: Evidence, weights: Weights = DEFAULT, prepared: Prepared | None = None
) -> Ranked:
    """Score every row. Empty evidence gives zeros; equal rows get equal scores. ``prepared``: of these rows and weights,
    made before (None: made here)."""
    known = prepared or prepare(rows, weights)
    lexical = _bm25(rows, found, known, weights)
    dense = np.full(len(rows.node), found.floor) if found.cosine is None else _blend(found.cosine, found.floor, known)
    # A lone row has no span of its own: the model's floor stands in for the worst one.
    low = min(found.floor, float(dense.min(initial=found.floor)))
    fused = _scaled(_scaled(lexical, 0.0) + weights.dense * _scaled(dense, low), 0.0)
    group = weights.group_share * known.best_of_group(fused)
    bonus = _bonus(query, rows, known, weights)
    if len(found.phrase):
        bonus[found.phrase] += weights.phrase
    best = float(lexical.max(initial=0.0)) / max((weights.k1 + 1) * float(found.idf.sum()), 1e-9)
    near = None
    if found.cosine is not None:
        near = (float(dense.max(initial=found.floor)) - found.floor) / (found.ceiling - found.floor)
    return Ranked(lexical, dense, group, bonus, fused + group + bonus, best, near)


def fold(entry: NDArray[np.int64], total: Floats, most: int) -> NDArray[np.int64]:
    """Rows of the best chunk of each entry, best first, at most ``most``; ties: the smaller row."""
    count = most
    while len(entry):
        count = min(len(entry), count * 8)  # an entry has a few chunks: look at the top only, wider if that was short
        top = _top(total, count)
        order = top[np.argsort(-total[top], kind="stable")]
        _, first = np.unique(entry[order], return_index=True)
        if len(first) >= most or count == len(entry):
            return order[np.sort(first)][:most]
    return np.zeros(0, np.int64)


def _top(total: Floats, count: int) -> NDArray[np.int64]:
    """The ``count`` best rows, ascending; of equals the smaller ones."""
    # Most rows of a store have nothing of a query: selecting among thousands of equals would take longer than all else.
    least, above = total.min(), np.flatnonzero(total > total.min())
    if len(above) > count:
        least = np.partition(total[above], len(above) - count)[len(above) - count]
        above = above[total[above] > least]
    return np.sort(np.concatenate([above, np.flatnonzero(total == least)[: count - len(above)]]))


def _bm25(rows: Rowset, found: Evidence, known: Prepared, weights: Weights) -> Floats:
    n = len(rows.node)
    if not len(found.row):
        return np.zeros(n)
    base = found.term.astype(np.int64) * n
    cell, count = base + found.row, found.count.astype(np.float64)
    # A posting also counts for the rows that have its row as a neighbour: what lies ahead of it has it behind.
    posting, link = known.links.from_rows(found.row)
    if len(link):
        cell = np.concatenate([cell, base[posting] + known.links.to[link]])
        count = np.concatenate([count, known.links.share[link] * count[posting]])
        cell, count = _merged(cell, count, len(found.idf) * n)
    row = cell % n
    impact = count * (weights.k1 + 1) / (count + known.norm[row]) * found.idf[cell // n]
    return _summed(row, impact, n)


def _merged(cell: NDArray[np.int64], count: Floats, cells: int) -> tuple[NDArray[np.int64], Floats]:
    """Each cell once, with the sum of its counts: few by sorting, many in a table of all ``cells``."""
    if 8 * len(cell) < cells:
        cell, place = np.unique(cell, return_inverse=True)
        return cell, _summed(place, count, len(cell))
    table = _summed(cell, count, cells)
    cell = np.flatnonzero(table)
    return cell, table[cell]


def _summed(at: NDArray[np.int64], values: Floats, size: int) -> Floats:
    return np.asarray(np.bincount(at, values, minlength=size), np.float64)


def _blend(cosine: NDArray[np.float32], floor: float, known: Prepared) -> Floats:
    """Cosines with the mixture of each row's vector and its neighbours', had it been made. A row that has no vector yet
    gets what an average row has."""
    missing = np.isnan(cosine)
    own = cosine.astype(np.float64)
    if missing.any():
        own[missing] = float(own[~missing].mean()) if not missing.all() else floor
    return (own + known.links.taken(own)) / known.vector_norm


def _scaled(score: Floats, low: float) -> Floats:
    span = score.max(initial=low) - low
    return (score - low) / span if span > 1e-12 else np.zeros(len(score))


def _bonus(query: str, rows: Rowset, known: Prepared, weights: Weights) -> Floats:
    """If the question names exactly one of those who talk, that person's turns gain. With an assistant what is remembered
    is what the user said, unless the question is about the assistant's words. Otherwise never above 0, so that talk has
    no lead over files."""
    if not rows.speakers:
        return np.zeros(len(rows.node))
    bonus = known.prior.copy()
    named = [k for k, name in enumerate(rows.speakers) if not known.is_role[k] and _names(query, name)]
    if len(named) == 1:
        bonus[rows.speaker == named[0]] += weights.speaker
    if known.role_rows.any():
        wanted = "assistant" if _ABOUT_ASSISTANT.search(query) else "user"
        at = rows.speakers.index(wanted) if wanted in rows.speakers else -2
        bonus[known.role_rows & (rows.speaker != at)] -= weights.role
    return bonus


def _names(query: str, name: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", query, re.IGNORECASE) is not None
