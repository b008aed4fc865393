"""What ranking knows about rows before any question is asked."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .turns import ROLES
from .weights import Weights

Floats = NDArray[np.float64]
Rows = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Rowset:
    """Rows to rank, without the query. Columns as in ``ports.index.ChunkTable``."""

    node: NDArray[np.int64]
    group: NDArray[np.int64]
    previous: Rows
    next: Rows
    length: NDArray[np.float32]
    speaker: Rows
    asks: NDArray[np.bool_]
    speakers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Links:
    """Who counts as whose neighbour: row ``to[k]`` takes ``share[k]`` of row ``of[k]``'s evidence. Sorted by ``of``;
    the links of row r stand at ``first[r]`` to ``first[r + 1]``. Rows without a neighbour have none, so that a store of
    short files costs nothing here."""

    of: NDArray[np.int64]
    to: NDArray[np.int64]
    share: Floats
    first: NDArray[np.int64]

    def taken(self, column: Floats, power: int = 1) -> Floats:
        """What each row takes of its neighbours' values, by the ``power``-th power of its shares."""
        if not len(self.to):
            return np.zeros(len(column))
        share = self.share if power == 1 else self.share**power
        taken = np.bincount(self.to, share * column[self.of], minlength=len(column))
        return taken.astype(np.float64, copy=False)

    def from_rows(self, rows: Rows) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """All links of these rows: positions in ``rows``, and links."""
        begin = self.first[rows]
        count = self.first[rows + 1] - begin
        position = np.repeat(np.arange(len(rows)), count)
        ahead = np.cumsum(count) - count
        return position, np.arange(len(position)) + (begin - ahead)[position]


@dataclass(frozen=True, slots=True)
class Prepared:
    """Derived from a rowset and weights alone, worth keeping as long as both.

    ``norm``: BM25's length norm; ``vector_norm``: length of the mixed vector; ``prior_for``: what a row is worth whatever is
    asked of the user's words, and of the assistant's; ``member``: number of each row's group.
    """

    links: Links
    norm: Floats
    vector_norm: Floats
    prior_for: dict[str, Floats]
    is_role: NDArray[np.bool_]
    role_talks: bool
    member: NDArray[np.int64]
    groups: int

    def best_of_group(self, score: Floats) -> Floats:
        """Each row's group's best score."""
        if self.groups == len(score):
            return score
        best = np.full(self.groups, -np.inf)
        np.maximum.at(best, self.member, score)
        return best[self.member]


def prepare(rows: Rowset, weights: Weights) -> Prepared:
    """Neighbours, norms, priors and groups of these rows."""
    n = len(rows.node)
    links = _links(rows, weights)
    _, member = np.unique(rows.group, return_inverse=True)
    is_role = np.array([name in ROLES for name in rows.speakers] + [False])
    role_rows = is_role[rows.speaker]
    length = rows.length.astype(np.float64)
    blended = length + links.taken(length)
    share = 1.0 + links.taken(np.ones(n))
    square = 1.0 + links.taken(np.ones(n), power=2)
    people = (rows.speaker >= 0) & ~role_rows
    words = np.minimum(np.log1p(length), np.log1p(weights.length_terms)) / np.log1p(weights.length_terms)
    return Prepared(
        links,
        weights.k1 * (1 - weights.b + weights.b * blended / max(float(blended.mean()) if n else 1.0, 1e-9)),
        np.sqrt(square + weights.dense_kin * (share * share - square)),
        _priors(rows, role_rows, np.where(people, weights.length * (words - 1) - weights.asks * rows.asks, 0.0), weights),
        is_role, bool(role_rows.any()), member, int(member.max(initial=-1)) + 1,
    )  # fmt: skip


def _priors(rows: Rowset, role_rows: NDArray[np.bool_], prior: Floats, weights: Weights) -> dict[str, Floats]:
    """Where an assistant talks, what the other one said is worth less."""
    if not role_rows.any():
        return dict.fromkeys(("user", "assistant"), prior)
    at = {name: rows.speakers.index(name) if name in rows.speakers else -2 for name in ("user", "assistant")}
    return {name: prior - weights.role * (role_rows & (rows.speaker != number)) for name, number in at.items()}


def _links(rows: Rowset, weights: Weights) -> Links:
    of: list[NDArray[np.int64]] = []
    to: list[NDArray[np.int64]] = []
    share: list[Floats] = []
    for step, shares in ((rows.previous, weights.back), (rows.next, weights.ahead)):
        at = step
        for worth in shares:
            has = np.flatnonzero(at >= 0)
            of.append(at[has].astype(np.int64))
            to.append(has)
            share.append(np.full(len(has), worth))
            at = np.where(at >= 0, step[at], -1)
    source = np.concatenate(of)
    order = np.argsort(source, kind="stable")
    first = np.searchsorted(source[order], np.arange(len(rows.node) + 1))
    return Links(source[order], np.concatenate(to)[order], np.concatenate(share)[order], first)
