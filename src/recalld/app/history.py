"""Operations on the log of changes: versions, restore, undo."""

from __future__ import annotations

from collections.abc import Sequence

from recalld.domain.errors import Invalid
from recalld.domain.history import FileVersion, LogFilter, LogPage, Purged, Undone
from recalld.domain.node import ContextType
from recalld.domain.uri import Uri
from recalld.rules.address import context_type
from recalld.rules.lines import line_range
from recalld.rules.memory_footer import strip
from recalld.rules.roles import check_root
from recalld.rules.search_request import instant
from recalld.rules.snapshots import place, tracked
from recalld.usecases.history import undo as undoing
from recalld.usecases.history import versions as past
from recalld.usecases.tree.prepare import text_of

from .operations import Operations, check_range

LIMIT_MAX = 1_000


class HistoryOperations(Operations):
    """The history of what a caller may see. A point in time is a log position (``1234``), an age (``10m``) or a time
    (``2026-05-01T10:00Z``).
    """

    async def log(
        self,
        *,
        before: int = 0,
        after: int = 0,
        limit: int = 100,
        under: str = "",
        ops: Sequence[str] = (),
        actor: str = "",
    ) -> LogPage:
        """Return changes, newest first.

        ``under``: only those at and below an address; ``ops``: only these operations; ``actor``: only those of one actor.
        Raises ``Invalid`` for the parameters.
        """
        check_range(limit, 1, LIMIT_MAX, "limit")
        wanted = LogFilter(self._uri(under) if under else None, tuple(ops), actor)
        return await self._ports.history.past(self.caller).log(wanted, before=before, after=after, limit=limit)

    async def versions(self, uri: str, *, before: int = 0, limit: int = 100) -> list[FileVersion]:
        """Return the versions of a file, newest first.

        Raises ``NotFound``.
        """
        check_range(limit, 1, LIMIT_MAX, "limit")
        return await past.versions(self._file(uri), before, limit, self.caller, self._ports)

    async def read_at(self, uri: str, at: str, *, offset: int = 0, limit: int = -1, raw: bool = False) -> str:
        """Return the text of a file as of ``at``: ``limit`` lines from line ``offset`` on (-1: all).

        ``raw`` includes the trailer of a memory. Raises ``NotFound``.
        """
        target = self._file(uri)
        data = await past.content_at(target, await self.seq_of(at), self.caller, self._ports)
        text = await self._ports.compute.run(text_of, data, target)
        shown = text if raw or context_type(target) is not ContextType.MEMORY else strip(text)
        return shown if (offset, limit) == (0, -1) else line_range(shown, offset, limit)

    async def diff(self, uri: str, *, since: str, to: str = "", raw: bool = False) -> past.Difference:
        """Compare a file at two points in time. ``to`` defaults to now.

        Raises ``NotFound``.
        """
        end = await self.seq_of(to) if to else await self._ports.history.past(self.caller).end()
        start = await self.seq_of(since)
        return await past.diff(self._file(uri), start, end, self.caller, self._ports, raw=raw)

    async def restore(self, uri: str, at: str, *, dry_run: bool = False) -> past.Changes:
        """Restore a file, or every file below a directory, as of ``at``. ``dry_run`` only returns the changes.

        Raises ``NotFound``, and ``Conflict`` under concurrent changes.
        """
        return await past.restore(self._file(uri), await self.seq_of(at), self.caller, self._ports, dry_run=dry_run)

    async def undo(self, *, seq: int = 0, cause: str = "", dry_run: bool = False) -> Undone:
        """Undo a commit: that of log entry ``seq``, or every one with a ``cause`` (a task, an archive); default: the caller's last.

        Raises ``NotFound``, and ``Conflict`` if a later change depends on it.
        """
        if seq and cause:
            raise Invalid("seq and cause exclude each other", remedy="give one of them", details={"field": "cause"})
        return await undoing.undo(undoing.Target(seq, cause), self.caller, self._ports, dry_run=dry_run)

    async def purge(self, older_than: str) -> Purged:
        """Erase for good, in every account, what was removed or replaced before ``older_than`` and is in no snapshot.

        It cannot be undone. It works on a full disk. Raises ``Denied`` without the role root.
        """
        check_root(self.caller)
        ports = self._ports
        now = ports.clock.now()
        keep_s = now - instant(older_than, now, "older_than")
        if keep_s < 0:
            raise Invalid(
                "older_than is in the future", remedy="give an age such as 7d", details={"field": "older_than"}
            )
        gone = await ports.maintenance.prune(keep_s=keep_s)
        if ports.compaction is not None:
            await ports.compaction.compact()
        space = await ports.disk.disk_space() if ports.disk is not None else None
        return Purged(gone, space.free_bytes if space is not None else None)

    async def seq_of(self, at: str) -> int:
        """Return the log position of a point in time.

        Raises ``Invalid``.
        """
        text = at.strip()
        if text.isascii() and text.isdigit() and len(text) <= 18:
            return int(text)
        moment = instant(text, self._ports.clock.now(), "at")
        return await self._ports.history.past(self.caller).seq_at(moment)

    def _file(self, text: str) -> Uri:
        """Return an address whose versions the caller may see. Raises ``Denied`` and ``NotFound``."""
        uri = place(text, self.caller, self._ports.clock.now())
        if not tracked(uri.parts, self.caller):
            raise past.no_history(uri)
        return uri
