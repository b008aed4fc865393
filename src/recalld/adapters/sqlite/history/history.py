"""History over the embedded store: log pages are read by the readers and replayed as they are read.

Nothing here writes, and there is no state beside the log that a crash could leave inconsistent.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Protocol, TypeVar

import apsw
import orjson

from recalld.adapters.sqlite.database.append_streams import find_version
from recalld.adapters.sqlite.database.sql import fetch_one
from recalld.domain.caller import Caller
from recalld.domain.errors import Busy, Corrupt, Invalid, NotFound
from recalld.domain.history import FileVersion, LogEntry, LogFilter, LogPage, NodesNow
from recalld.domain.snapshot import Author, Snapshot, Version
from recalld.domain.uri import Uri
from recalld.ports.blobs import Blobs
from recalld.ports.history import Past, Visit
from recalld.rules.snapshots import OID_CHARS_MIN, is_oid, tracked

from . import changes
from .log_replay import SHAPING, LogReplay

T = TypeVar("T")
PAGE = 5_000
"""Log entries one read looks at: some ten milliseconds of one reader."""
FILES_MAX = 2_000_000
"""Files that one traversal returns, over all its points."""
REPLAYS_RUNNING_MAX = 2
REPLAYS_WAITING_MAX = 16
_COLUMNS = "oid, branch, seq, at, parent, message, author, tree, paths, rules"


class Reader(Protocol):
    """The store's bounded reader connections."""

    async def scan(self, work: Callable[[apsw.Connection], T]) -> T:
        """Run ``work`` on a connection for scans, inside one read transaction."""


class SqliteHistory:
    """Replays pages of the log, few at a time."""

    def __init__(self, store: Reader, blobs: Blobs) -> None:
        self._store = store
        self._blobs = blobs
        # A fold holds a whole tree in memory: few at a time, and not many waiting.
        self._semaphore = asyncio.Semaphore(REPLAYS_RUNNING_MAX)
        self._admitted = 0

    def past(self, caller: Caller) -> Past:
        return SqlitePast(self, caller)

    async def read(self, work: Callable[[apsw.Connection], T]) -> T:
        """Read the store."""
        return await self._store.scan(work)

    async def blob(self, hash_: str) -> bytes:
        """Bytes that lie outside the ledger."""
        return await self._blobs.get(hash_)

    @asynccontextmanager
    async def replay_slot(self) -> AsyncIterator[None]:
        """A slot for one replay. Raises ``Busy``."""
        if self._admitted >= REPLAYS_RUNNING_MAX + REPLAYS_WAITING_MAX:
            raise Busy("too many snapshots are being read at once", retry_after_s=2.0)
        self._admitted += 1
        try:
            async with self._semaphore:
                yield
        finally:
            self._admitted -= 1


class SqlitePast:
    """One caller's past."""

    def __init__(self, history: SqliteHistory, caller: Caller) -> None:
        self.caller = caller
        self._history = history

    async def end(self) -> int:
        return int((await self._rows("SELECT coalesce(max(seq), 0) FROM log"))[0][0])

    async def head(self, branch: str) -> Snapshot | None:
        found = await self.line(branch, limit=1)
        return found[0] if found else None

    async def snapshot(self, oid: str) -> Snapshot:
        wanted = oid.lower()
        if not is_oid(wanted):
            raise Invalid(
                f"{oid[:60]!r} is no snapshot",
                remedy=f"give at least {OID_CHARS_MIN} characters of an oid, or a branch",
                details={"field": "target_ref"},
            )
        found = await self._rows(
            f"SELECT {_COLUMNS} FROM snapshot WHERE oid >= ? AND oid < ? AND account = ? LIMIT 2",
            (wanted, f"{wanted}g", self.caller.account),
        )
        if not found:
            raise NotFound(
                f"Snapshot not found: {oid}",
                remedy="`snapshot_log` lists them",
                details={"type": "git_ref", "resource": oid},
            )
        if len(found) > 1:
            raise Invalid(
                f"several snapshots begin with {oid}", remedy="give more characters", details={"field": "target_ref"}
            )
        return _snapshot(found[0])

    async def line(self, branch: str, *, until: int | None = None, limit: int) -> list[Snapshot]:
        found = await self._rows(
            f"SELECT {_COLUMNS} FROM snapshot WHERE account = :account AND branch = :branch "
            "AND (:until IS NULL OR seq <= :until) ORDER BY seq DESC LIMIT :limit",
            {"account": self.caller.account, "branch": branch, "until": until, "limit": limit},
        )
        return [_snapshot(values) for values in found]

    async def walk(self, points: Sequence[int], under: Sequence[Uri], visit: Visit) -> None:
        tops, shown = _disjoint([uri.parts for uri in under]), 0
        async with self._history.replay_slot():
            replay = LogReplay(await self._restored())
            is_visible = self._visibility(await self._living_users())

            def show(point: int, _: apsw.Connection) -> int:
                files = replay.files(tops, is_visible)
                visit(point, files)
                return len(files)

            for point in sorted(set(points)):
                while replay.seq < point:
                    await self._history.read(partial(_advance, account=self.caller.account, replay=replay, to=point))
                # On a reader's thread too: no page of the log is read meanwhile, but the loop goes on.
                shown += await self._history.read(partial(show, point))
                if shown > FILES_MAX:
                    raise Invalid(
                        f"more than {FILES_MAX} files would have to be looked at",
                        remedy="name fewer or deeper paths, or a smaller limit",
                        code="RESOURCE_EXHAUSTED",
                    )

    def _visibility(self, living: frozenset[int]) -> Callable[[Sequence[str], int], bool]:
        """What the caller sees of a tree: what snapshots track, of users who are still there."""
        return lambda parts, node: (
            tracked(parts, self.caller) and (len(parts) != 2 or parts[0] != "user" or node in living)
        )

    async def _restored(self) -> frozenset[int]:
        found = await self._rows("SELECT node FROM log WHERE op = 'restore' AND account = ?", (self.caller.account,))
        return frozenset(node for (node,) in found)

    async def _living_users(self) -> frozenset[int]:
        """The users' trees that exist: a removed user's entries belong to no later user of the same name."""
        found = await self._rows(
            "SELECT u.id FROM node r JOIN node t ON t.parent = r.id AND t.name = 'user' AND t.gone = 0 JOIN node u "
            "ON u.parent = t.id AND u.gone = 0 WHERE r.parent = 0 AND r.name = ? AND r.gone = 0",
            (self.caller.account,),
        )
        return frozenset(node for (node,) in found)

    async def content(self, version: Version) -> bytes:
        named = await self._rows(
            "SELECT EXISTS (SELECT 1 FROM log WHERE node = :node AND account = :account AND after = :hash)",
            {"hash": version.hash, "node": version.node, "account": self.caller.account},
        )
        grew = await self._history.read(lambda c: find_version(c, version.hash)) if named[0][0] else None
        if grew is not None:
            return grew.assemble(await self._history.blob(grew.base) if grew.base else b"")
        found = await self._rows("SELECT data FROM blob WHERE hash = ?", (version.hash,)) if named[0][0] else []
        if not found:
            raise NotFound(
                f"Content not found: {version.hash}",
                remedy="only what a snapshot names is kept for ever",
                details={"type": "content", "resource": version.hash},
            )
        data = found[0][0]
        if data is None:
            return await self._history.blob(version.hash)
        if hashlib.sha256(data).hexdigest() != version.hash:
            raise Corrupt(
                f"the content {version.hash[:12]}… is damaged: its bytes are not those that were written",
                remedy="restore it from a backup; `check` names everything that is damaged",
            )
        return bytes(data)

    async def log(self, wanted: LogFilter, *, before: int = 0, after: int = 0, limit: int) -> LogPage:
        return await self._history.read(lambda c: changes.log_page(c, self.caller, wanted, before, after, limit))

    async def entries(self, *, commit: int = 0, cause: str = "", limit: int) -> list[LogEntry]:
        return await self._history.read(lambda c: changes.entries_of(c, self.caller, commit, cause, limit))

    async def states(self, nodes: Sequence[int], uris: Sequence[Uri]) -> NodesNow:
        account = self.caller.account

        def work(c: apsw.Connection) -> NodesNow:
            end = int(fetch_one(c, "SELECT coalesce(max(seq), 0) FROM log")[0])
            return NodesNow(changes.states(c, account, nodes), changes.occupants(c, account, uris), end)

        return await self._history.read(work)

    async def placed(self, nodes: Sequence[int], seq: int) -> Mapping[int, Uri]:
        account = self.caller.account
        found = await self._history.read(lambda c: {n: changes.place_at(c, account, n, seq) for n in nodes})
        return {node: uri for node, uri in found.items() if uri is not None}

    async def versions(self, uri: Uri, *, before: int = 0, limit: int) -> list[FileVersion]:
        return await self._history.read(lambda c: changes.versions(c, self.caller, uri, before, limit))

    async def seq_at(self, at: float) -> int:
        return await self._history.read(lambda c: changes.seq_at(c, at))

    async def ignore(self) -> str:
        found = await self._rows("SELECT value FROM meta WHERE key = ?", (f"ovgitignore/{self.caller.account}",))
        return str(found[0][0]) if found else ""

    async def _rows(self, sql: str, values: Any = ()) -> list[tuple[Any, ...]]:
        return await self._history.read(lambda c: list(c.execute(sql, values)))


def _advance(c: apsw.Connection, account: str, replay: LogReplay, to: int) -> None:
    """Fold the next page of the log; at most as far as ``to``."""
    last = min(replay.seq + PAGE, to)
    wanted = ",".join("?" * len(SHAPING))
    for entry in c.execute(
        f"SELECT seq, op, node, after, detail FROM log WHERE seq > ? AND seq <= ? AND account = ? AND op IN ({wanted}) "
        "ORDER BY seq",
        (replay.seq, last, account, *SHAPING),
    ):
        replay.apply(entry)
    replay.seq = last


def _disjoint(tops: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Paths without those that lie below another of them, so that no file is met twice."""
    return [top for top in set(tops) if not any(top != t and top[: len(t)] == t for t in tops)]


def _snapshot(values: tuple[Any, ...]) -> Snapshot:
    oid, branch, seq, at, parent, message, author, tree, paths, ignore = values
    who = orjson.loads(author)
    return Snapshot(
        oid,
        branch,
        seq,
        at,
        parent,
        message,
        Author(who["name"], who["email"]),
        tree,
        tuple(orjson.loads(paths)),
        ignore,
    )
