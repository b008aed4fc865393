"""What ranking knows about rows before any question is asked."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .transcript_header import ROLES
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
class Kin:
    """Who counts as whose neighbour. ``rows``: those who have one, ascending; ``place``: of every row, where it stands there, -1
    if it does not; ``near``: of each of ``rows``, the rows 1, 2, ... places after it, then those before it, n where there is
    none. ``given[k]``: how much of its evidence counts for its ``near[k]`` too; ``taken[k]``: how much of that one's for it.
    So a store of short files costs nothing here."""

    rows: NDArray[np.int64]
    place: NDArray[np.int64]
    near: NDArray[np.int64]
    given: Floats
    taken: Floats

    def mixed(self, column: Floats) -> Floats:
        """What each row has, and what it takes of its neighbours'. ``column``: with a zero more than there are rows, changed."""
        if len(self.rows):
            column[self.rows] += column[self.near] @ self.taken
        return column[:-1]


@dataclass(frozen=True, slots=True)
class Prepared:
    """Derived from a rowset and weights alone, worth keeping as long as both.

    ``norm``: BM25's length norm; ``vector_norm``: length of the mixed vector; ``prior_for``: what a row is worth whatever is
    asked of the user's words, and of the assistant's; ``member``: number of each row's group.
    """

    kin: Kin
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
    kin = _kin(rows, weights)
    _, member = np.unique(rows.group, return_inverse=True)
    is_role = np.array([name in ROLES for name in rows.speakers] + [False])
    role_rows = is_role[rows.speaker]
    length = rows.length.astype(np.float64)
    blended = kin.mixed(np.append(length, 0.0))
    there = kin.near < n
    share, square = np.ones(n), np.ones(n)
    share[kin.rows] += there @ kin.taken
    square[kin.rows] += there @ kin.taken**2
    people = (rows.speaker >= 0) & ~role_rows
    words = np.minimum(np.log1p(length), np.log1p(weights.length_terms)) / np.log1p(weights.length_terms)
    return Prepared(
        kin,
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


def _kin(rows: Rowset, weights: Weights) -> Kin:
    n, depth = len(rows.node), max(len(weights.back), len(weights.ahead))
    back, ahead = ([*shares, *[0.0] * depth][:depth] for shares in (weights.back, weights.ahead))
    some = np.flatnonzero((rows.previous >= 0) | (rows.next >= 0))
    place = np.full(n, -1)
    place[some] = np.arange(len(some))
    columns = []
    for step in (rows.next, rows.previous):
        way = np.append(step, -1).astype(np.int64)
        way[way < 0] = n
        at = some
        for _ in range(depth):
            at = way[at]
            columns.append(at)
    # Who comes after a row takes of it as of one who was there before.
    return Kin(some, place, np.stack(columns, axis=1), np.array([*back, *ahead]), np.array([*ahead, *back]))
