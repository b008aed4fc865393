"""Features of rows that do not depend on the query."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .ranking_params import CHAT, FILE, PEOPLE, RankingParams
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
    traits: NDArray[np.int8]
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

    def blended(self, column: Floats, part: Floats) -> Floats:
        """Return ``column`` with the incoming shares added, of which ``part`` counts. ``column`` has one extra zero at the
        end and is modified."""
        if len(self.rows):
            column[self.rows] += (column[self.near] @ self.incoming) * part
        return column[:-1]


@dataclass(frozen=True, slots=True)
class DenseWindow:
    """``part``: per entry of ``Neighbours.rows``, the part of the shares that counts for a model's vectors; ``norm``: per row, the
    length of its blended vector."""

    part: Floats
    norm: Floats


@dataclass(frozen=True, slots=True)
class RowFeatures:
    """Derived from rows and parameters alone, and valid as long as both.

    ``kind``: of each row (``ranking_params``); ``norm``: BM25's length norm; ``lexical_part``: per entry of
    ``neighbours.rows``, the part of the shares that counts for words; ``static``/``contextual``: the same for vectors;
    ``prior_for``: query-independent bonus of each row, for queries about the user's and about the assistant's words;
    ``member``: group number of each row.
    """

    kind: NDArray[np.int8]
    neighbours: Neighbours
    norm: Floats
    lexical_part: Floats
    static: DenseWindow
    contextual: DenseWindow
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
    """Return kinds, neighbours, norms, priors and groups of these rows."""
    n = len(rows.node)
    _, member = np.unique(rows.group, return_inverse=True)
    groups = int(member.max(initial=-1)) + 1
    is_role = np.array([name in ROLES for name in rows.speakers] + [False])
    role_rows = is_role[rows.speaker]
    kind = _kinds(rows, role_rows, member, groups)
    neighbours = _neighbours(rows, params)
    kind_of = kind[neighbours.rows]
    lexical_part = np.array(params.lexical_window)[kind_of]
    length = rows.length.astype(np.float64)
    blended = neighbours.blended(np.append(length, 0.0), lexical_part)
    words = np.minimum(np.log1p(length), np.log1p(params.length_terms)) / np.log1p(params.length_terms)
    prior = np.where(kind == PEOPLE, params.length * (words - 1) - params.asks * rows.asks, 0.0)
    return RowFeatures(
        kind,
        neighbours,
        params.k1 * (1 - params.b + params.b * blended / max(float(blended.mean()) if n else 1.0, 1e-9)),
        lexical_part,
        _dense_window(neighbours, np.array(params.static_window)[kind_of], n, params),
        _dense_window(neighbours, np.array(params.contextual_window)[kind_of], n, params),
        _priors(rows, role_rows, prior, params),
        is_role, bool(role_rows.any()), member, groups,
    )  # fmt: skip


def _kinds(rows: RankRows, role_rows: NDArray[np.bool_], member: NDArray[np.int64], groups: int) -> NDArray[np.int8]:
    """Return the kind of each row. A group in which a role speaks is a chat, also for its other speakers."""
    chats = np.bincount(member, role_rows, groups) > 0
    return np.where(rows.speaker < 0, FILE, np.where(chats[member], CHAT, PEOPLE)).astype(np.int8)


def _priors(rows: RankRows, role_rows: NDArray[np.bool_], prior: Floats, params: RankingParams) -> dict[str, Floats]:
    """Return the priors by role. In a conversation with an assistant, turns of the other role get less."""
    if not role_rows.any():
        return dict.fromkeys(("user", "assistant"), prior)
    at = {name: rows.speakers.index(name) if name in rows.speakers else -2 for name in ("user", "assistant")}
    return {name: prior - params.role * (role_rows & (rows.speaker != number)) for name, number in at.items()}


def _dense_window(neighbours: Neighbours, part: Floats, n: int, params: RankingParams) -> DenseWindow:
    share, square, exists = np.ones(n), np.ones(n), neighbours.near < n
    share[neighbours.rows] += (exists @ neighbours.incoming) * part
    square[neighbours.rows] += (exists @ neighbours.incoming**2) * part**2
    return DenseWindow(part, np.sqrt(square + params.neighbour_similarity * (share * share - square)))


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
