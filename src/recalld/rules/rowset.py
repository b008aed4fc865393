"""What ranking knows about rows before any question is asked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .turns import ROLES
from .weights import WINDOW, Weights

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
class Prepared:
    """Derived from a rowset and weights alone, worth keeping as long as both.

    ``linked``: rows that have a neighbour; ``back``/``ahead``: per distance, the neighbours of all rows (-1 = none; empty
    if no row is linked), with ``weights``' shares; ``norm``: BM25's length norm; ``vector_norm``: length of the mixed
    vector; ``prior``: what a row is worth whatever is asked; ``member``: number of each row's group.
    """

    linked: NDArray[np.int64]
    back: tuple[Rows, ...]
    ahead: tuple[Rows, ...]
    shares: tuple[tuple[float, float], ...]
    norm: Floats
    vector_norm: Floats
    prior: Floats
    is_role: NDArray[np.bool_]
    role_rows: NDArray[np.bool_]
    member: NDArray[np.int64]
    groups: int

    def touched_by(self, rows: Rows) -> Iterator[tuple[Rows, float]]:
        """For each place in the window: the rows that have ``rows`` there, and the share they take of them."""
        for back, ahead, (behind, before) in zip(self.back, self.ahead, self.shares, strict=False):
            yield ahead[rows], behind
            yield back[rows], before

    def shared(self, column: Floats, power: int = 1) -> Floats:
        """What each row takes of its neighbours' values."""
        total = np.zeros(len(column))
        if not self.back:
            return total
        padded, taken = np.append(column, 0.0), np.zeros(len(self.linked))
        for back, ahead, (behind, before) in zip(self.back, self.ahead, self.shares, strict=True):
            taken += behind**power * padded[back[self.linked]] + before**power * padded[ahead[self.linked]]
        total[self.linked] = taken
        return total

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
    linked = np.flatnonzero((rows.previous >= 0) | (rows.next >= 0))
    back, ahead = (_steps(rows.previous), _steps(rows.next)) if len(linked) else ((), ())
    _, member = np.unique(rows.group, return_inverse=True)
    is_role = np.array([name in ROLES for name in rows.speakers] + [False])
    bare = Prepared(
        linked, back, ahead, tuple(zip(weights.back, weights.ahead, strict=True)), np.zeros(n), np.ones(n), np.zeros(n),
        is_role, is_role[rows.speaker], member, int(member.max(initial=-1)) + 1,
    )  # fmt: skip
    return _filled(rows, bare, weights)


def _filled(rows: Rowset, bare: Prepared, weights: Weights) -> Prepared:
    n = len(rows.node)
    length = rows.length.astype(np.float64)
    blended = length + bare.shared(length)
    share = 1.0 + bare.shared(np.ones(n))
    square = 1.0 + bare.shared(np.ones(n), power=2)
    people = (rows.speaker >= 0) & ~bare.role_rows
    words = np.minimum(np.log1p(length), np.log1p(weights.length_terms)) / np.log1p(weights.length_terms)
    return Prepared(
        bare.linked, bare.back, bare.ahead, bare.shares,
        weights.k1 * (1 - weights.b + weights.b * blended / max(float(blended.mean()) if n else 1.0, 1e-9)),
        np.sqrt(square + weights.dense_kin * (share * share - square)),
        people * (weights.length * (words - 1) - weights.asks * rows.asks),
        bare.is_role, bare.role_rows, bare.member, bare.groups,
    )  # fmt: skip


def _steps(link: Rows) -> tuple[Rows, ...]:
    """Row numbers 1..WINDOW places along ``link``, -1 where it ends."""
    steps = [link]
    for _ in range(WINDOW - 1):
        steps.append(np.where(steps[-1] >= 0, link[steps[-1]], -1).astype(np.int32))
    return tuple(steps)
