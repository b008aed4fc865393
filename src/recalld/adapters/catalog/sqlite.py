"""The catalog over the embedded store: numbers in memory, followed by sequence, addresses read when shown."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import apsw
import numpy as np
from numpy.typing import NDArray

from recalld.domain.caller import Caller
from recalld.domain.errors import Invalid
from recalld.domain.query import Query
from recalld.ports.index import ChunkTable, Ids, Loaded, Reach

from .arrays import places
from .follow import OwnerRow, chunks_after, node_at, nodes_after, orphans_alive, owner_of
from .load import load_nodes
from .scope import Area, Resolved, areas_of, rows_of
from .space import Space
from .table import empty_table, table_of, with_neighbours

T = TypeVar("T")
ROWS_MAX = 4_000_000
REACHES_MAX = 256
REACHED_ROWS_MAX = 500_000
"""Rows of all reaches that are kept: about 50 MB. A context block asks for several small ones of each user."""


class Reader(Protocol):
    """The store's bounded reader connections."""

    async def read(self, fn: Callable[[apsw.Connection], T]) -> T:
        """Run ``fn`` on a reader connection inside one read transaction."""
        ...


@dataclass(eq=False, slots=True)
class _View:
    """A resolved reach: rows per space, and its whole table once somebody asked for it."""

    account: str
    spaces: tuple[Space, ...]
    stamps: tuple[int, ...]
    rows: tuple[NDArray[np.int64], ...]
    reach: Reach | None = None
    table: ChunkTable | None = None

    @property
    def size(self) -> int:
        """Rows in reach."""
        return sum(len(rows) for rows in self.rows)


class SqliteCatalog:
    """Keeps at most ``rows_max`` rows of nodes and chunks; the owner asked longest ago goes first."""

    def __init__(self, store: Reader, *, rows_max: int = ROWS_MAX) -> None:
        self._store = store
        self._rows_max = rows_max
        self._spaces: OrderedDict[tuple[str, str], Space] = OrderedDict()
        self._views: OrderedDict[Any, _View] = OrderedDict()
        self._reached = 0
        # Pulls of one process take turns: two would read the same rows twice.
        self._turn = asyncio.Lock()

    async def reach(self, caller: Caller, query: Query) -> Reach:
        """See ``ports.index.Catalog``. A target that does not exist holds nothing."""
        if any(level not in (0, 1, 2) for level in query.levels):
            raise Invalid(f"level {query.levels} is unknown", remedy="use 0, 1 or 2", details={"field": "level"})
        areas = areas_of(caller, query)

        def resolve(c: apsw.Connection) -> Reach:
            return self._view(caller, query, self._pull(c, caller, query, areas)).reach or Reach((), (), 0)

        async with self._turn:
            return await self._store.read(resolve)

    async def table(self, reach: Reach, ids: Ids | None = None, *, around: int = 0) -> ChunkTable:
        """See ``ports.index.Catalog``."""
        view = reach.token
        if not isinstance(view, _View) or not view.rows:
            return empty_table()
        if ids is None:
            if view.table is None:
                async with self._turn:
                    await self._store.read(lambda _: _fill(view))
            return view.table or empty_table()
        rows = []
        for space, inside in zip(view.spaces, view.rows, strict=True):
            at = places(space.chunks["id"][inside], ids)
            rows.append(with_neighbours(space, inside, inside[at[at >= 0]], around))
        return table_of(view.spaces, rows)

    async def load(self, reach: Reach, nodes: Sequence[int]) -> list[Loaded]:
        """See ``ports.index.Catalog``."""
        return await self._store.read(lambda c: load_nodes(c, nodes)) if nodes else []

    # ------------------------------------------------------------------ inside
    def _pull(
        self, c: apsw.Connection, caller: Caller, query: Query, areas: tuple[Area, ...]
    ) -> list[tuple[Space, Resolved]]:
        found: dict[str, Space] = {}
        for user in dict.fromkeys(a.user for a in areas):
            row = owner_of(c, caller.account, user)
            if row is not None:
                found[user] = self._follow(c, caller.account, user, row)
        return [(found[a.user], _resolve(c, caller, query, a)) for a in areas if a.user in found]

    def _follow(self, c: apsw.Connection, account: str, user: str, row: OwnerRow) -> Space:
        space = self._spaces.get((account, user))
        if space is None or space.row.epoch != row.epoch or space.row.id != row.id:
            space = Space(row)
        self._spaces[account, user] = space
        self._spaces.move_to_end((account, user))
        space.row = row
        before = space.stamp
        while space.seq < row.seq and (page := nodes_after(c, row.id, space.seq, space.last_node)) is not None:
            space.take_nodes(page)
        while space.last_chunk < row.chunk and (more := chunks_after(c, row.id, space.last_chunk)) is not None:
            space.take_chunks(more)
        if space.stamp != before:
            space.settle(orphans_alive(c, space.outside_parents()))
            space.knit_talk()
        return space

    def _view(self, caller: Caller, query: Query, parts: list[tuple[Space, Resolved]]) -> _View:
        key = (
            tuple((id(s), r) for s, r in parts), query.types, query.levels, query.tags, query.since, query.until,
            query.time_field, query.messages, caller.peer, any(t.parts for t in query.targets),
        )  # fmt: skip
        stamps = tuple(s.stamp for s, _ in parts)
        view = self._views.get(key)
        if view is None or view.stamps != stamps:
            self._reached -= view.size if view is not None else 0
            view = self._views[key] = _made(caller, query, parts, stamps)
            self._reached += view.size
        self._views.move_to_end(key)
        while len(self._views) > 1 and (len(self._views) > REACHES_MAX or self._reached > REACHED_ROWS_MAX):
            self._reached -= self._views.popitem(last=False)[1].size
        while sum(s.rows for s in self._spaces.values()) > self._rows_max and len(self._spaces) > 1:
            self._spaces.popitem(last=False)
        return view


def _fill(view: _View) -> None:
    if view.table is None:
        view.table = table_of(view.spaces, view.rows)


def _made(caller: Caller, query: Query, parts: list[tuple[Space, Resolved]], stamps: tuple[int, ...]) -> _View:
    keep: dict[int, NDArray[np.bool_]] = {}
    spaces: dict[int, Space] = {}
    for space, resolved in parts:
        mask = rows_of(space, resolved, query, caller)
        owner = space.row.id
        keep[owner] = mask if owner not in keep else keep[owner] | mask
        spaces[owner] = space
    rows = tuple(np.flatnonzero(keep[o]) for o in spaces)
    view = _View(caller.account, tuple(spaces.values()), stamps, rows)
    view.reach = Reach(
        owners=tuple(spaces),
        chunks=tuple(s.chunks["id"][r] for s, r in zip(spaces.values(), rows, strict=True)),
        seq=max((s.seq for s in spaces.values()), default=0),
        targeted=any(t.parts for t in query.targets),
        token=view,
    )
    return view


def _resolve(c: apsw.Connection, caller: Caller, query: Query, area: Area) -> Resolved:
    def at(*parts: str) -> int:
        return node_at(c, caller.account, parts)

    hidden: tuple[int, ...] = ()
    if caller.peer and area.user == caller.user:
        peers = at("user", area.user, "peers")
        rows = c.execute("SELECT id FROM node WHERE parent = ? AND gone = 0 AND name <> ?", (peers, caller.peer))
        hidden = tuple(int(r[0]) for r in rows) if peers else ()
    session = at("user", area.user, "sessions", query.exclude_session) if query.exclude_session and area.user else 0
    tops = tuple(t for t in (at(*top.parts) for top in area.tops) if t)
    return Resolved(area, tops, hidden, session)
