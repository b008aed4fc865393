"""Features of rows that do not depend on the query."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .ranking_params import RankingParams
from .transcript_header import ROLES

Floats = NDArray[np.float64]
Rows = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class RankRows:
    """Columns of the chunks to rank, one row each, without the query."""

    node: NDArray[np.int64]
    group: NDArray[np.int64]
    previous: Rows
    next: Rows
    length: NDArray[np.float32]
    speaker: Rows
    asks: NDArray[np.bool_]
    speakers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Neighbours in reading order. Rows without any are left out, so a store of short files costs nothing.

    ``rows``: rows with a neighbour, ascending; ``place``: per row, its index in ``rows``, -1 if absent; ``near``: per entry
    of ``rows``, the rows 1, 2, ... positions after it, then those before it, n if there is none. ``outgoing[k]``: share of
    a row's evidence that also counts for its ``near[k]``; ``incoming[k]``: share of that row's evidence that counts for it.
    """

    rows: NDArray[np.int64]
    place: NDArray[np.int64]
    near: NDArray[np.int64]
    outgoing: Floats
    incoming: Floats

    def blended(self, column: Floats) -> Floats:
        """Return ``column`` with the incoming shares added. ``column`` has one extra zero at the end and is modified."""
        if len(self.rows):
            column[self.rows] += column[self.near] @ self.incoming
        return column[:-1]


@dataclass(frozen=True, slots=True)
class RowFeatures:
    """Derived from rows and parameters alone, and valid as long as both.

    ``norm``: BM25's length norm; ``vector_norm``: length of the blended vector; ``prior_for``: query-independent bonus of
    each row, for queries about the user's and about the assistant's words; ``member``: group number of each row.
    """

    neighbours: Neighbours
    norm: Floats
    vector_norm: Floats
    prior_for: dict[str, Floats]
    is_role: NDArray[np.bool_]
    has_roles: bool
    member: NDArray[np.int64]
    groups: int

    def best_of_group(self, score: Floats) -> Floats:
        """Return the best score of each row's group."""
        if self.groups == len(score):
            return score
        best = np.full(self.groups, -np.inf)
        np.maximum.at(best, self.member, score)
        return best[self.member]


def prepare(rows: RankRows, params: RankingParams) -> RowFeatures:
    """Return neighbours, norms, priors and groups of these rows."""
    n = len(rows.node)
    neighbours = _neighbours(rows, params)
    _, member = np.unique(rows.group, return_inverse=True)
    is_role = np.array([name in ROLES for name in rows.speakers] + [False])
    role_rows = is_role[rows.speaker]
    length = rows.length.astype(np.float64)
    blended = neighbours.blended(np.append(length, 0.0))
    exists = neighbours.near < n
    share, square = np.ones(n), np.ones(n)
    share[neighbours.rows] += exists @ neighbours.incoming
    square[neighbours.rows] += exists @ neighbours.incoming**2
    people = (rows.speaker >= 0) & ~role_rows
    words = np.minimum(np.log1p(length), np.log1p(params.length_terms)) / np.log1p(params.length_terms)
    return RowFeatures(
        neighbours,
        params.k1 * (1 - params.b + params.b * blended / max(float(blended.mean()) if n else 1.0, 1e-9)),
        np.sqrt(square + params.neighbour_similarity * (share * share - square)),
        _priors(rows, role_rows, np.where(people, params.length * (words - 1) - params.asks * rows.asks, 0.0), params),
        is_role, bool(role_rows.any()), member, int(member.max(initial=-1)) + 1,
    )  # fmt: skip


def _priors(rows: RankRows, role_rows: NDArray[np.bool_], prior: Floats, params: RankingParams) -> dict[str, Floats]:
    """Return the priors by role. In a conversation with an assistant, turns of the other role get less."""
    if not role_rows.any():
        return dict.fromkeys(("user", "assistant"), prior)
    at = {name: rows.speakers.index(name) if name in rows.speakers else -2 for name in ("user", "assistant")}
    return {name: prior - params.role * (role_rows & (rows.speaker != number)) for name, number in at.items()}


def _neighbours(rows: RankRows, params: RankingParams) -> Neighbours:
    n, depth = len(rows.node), max(len(params.back), len(params.ahead))
    back, ahead = ([*shares, *[0.0] * depth][:depth] for shares in (params.back, params.ahead))
    some = np.flatnonzero((rows.previous >= 0) | (rows.next >= 0))
    place = np.full(n, -1)
    place[some] = np.arange(len(some))
    columns = []
    for step in (rows.next, rows.previous):
        link = np.append(step, -1).astype(np.int64)
        link[link < 0] = n
        at = some
        for _ in range(depth):
            at = link[at]
            columns.append(at)
    # The row after this one receives from it what it receives from a row before.
    return Neighbours(some, place, np.stack(columns, axis=1), np.array([*back, *ahead]), np.array([*ahead, *back]))
