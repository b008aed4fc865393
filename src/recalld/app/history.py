"""Operations on the past: the log of changes, versions, restore and undo; and snapshots of an account's tree."""

from __future__ import annotations

from collections.abc import Sequence

from recalld.domain.errors import Invalid
from recalld.domain.history import FileVersion, LogFilter, LogPage, Purged, Undone
from recalld.domain.node import ContextType
from recalld.domain.snapshot import Author, Change, Recorded, Restored, Snapshot
from recalld.domain.uri import Uri
from recalld.rules.address import context_type
from recalld.rules.lines import line_range
from recalld.rules.memory_footer import strip
from recalld.rules.roles import check_root
from recalld.rules.search_request import instant
from recalld.rules.snapshots import (
    MESSAGE_CHARS_MAX,
    PATHS_MAX,
    WORD_CHARS_MAX,
    check_branch,
    check_words,
    place,
    tracked,
)
from recalld.usecases.history import undo as undoing
from recalld.usecases.history import versions as past
from recalld.usecases.snapshot import create, queries, restore
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
        return await past.diff(self._file(uri), await self.seq_of(since), end, self.caller, self._ports, raw=raw)

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
        return await self._ports.history.past(self.caller).seq_at(instant(text, self._ports.clock.now(), "at"))

    def _file(self, text: str) -> Uri:
        """Return an address whose versions the caller may see. Raises ``Denied`` and ``NotFound``."""
        uri = place(text, self.caller, self._ports.clock.now())
        if not tracked(uri.parts, self.caller):
            raise past.no_history(uri)
        return uri


LOG_MAX = 1_000
AUTHOR_NAME, AUTHOR_EMAIL = "viking-bot", "bot@viking.local"


class SnapshotOperations(Operations):
    """Snapshots of the account's tree. A path is an address, or a path from the account's root. A reference is a branch, an oid
    or its beginning.
    """

    async def commit(
        self,
        message: str,
        *,
        paths: Sequence[str] = (),
        branch: str = "main",
        author_name: str = "",
        author_email: str = "",
    ) -> Recorded:
        """Record the tree, or only what lies below ``paths``.

        Nothing is recorded if nothing has changed there. Raises ``Invalid`` for the parameters, and ``Conflict`` under
        concurrent commits.
        """
        note = self._note(message, branch, author_name, author_email)
        return await create.record(note, self._places(paths, "paths"), self.caller, self._ports)

    async def log(
        self, *, branch: str = "main", paths: Sequence[str] = (), limit: int = 20, before: str = ""
    ) -> list[Snapshot]:
        """Return snapshots, newest first.

        ``paths``: only snapshots that changed something there; ``before``: only those before this oid. Raises ``NotFound``.
        """
        check_range(limit, 1, LOG_MAX, "limit")
        return await queries.log(branch, self._places(paths, "paths"), limit, before, self.caller, self._ports)

    async def show(self, ref: str) -> Snapshot:
        """Return one snapshot.

        Raises ``NotFound``.
        """
        return await queries.show(ref, self.caller, self._ports)

    async def show_file(self, ref: str, path: str, *, raw: bool = True) -> tuple[Snapshot, bytes]:
        """Return a snapshot and a file in it. ``raw`` false omits the trailer of a memory.

        Raises ``NotFound``.
        """
        snapshot, data = await queries.show_file(ref, self._place(path), self.caller, self._ports)
        return snapshot, data if raw else await self._ports.compute.run(queries.without_trailer, data)

    async def versions(
        self, path: str, *, branch: str = "main", limit: int = 20, before: str = ""
    ) -> list[tuple[Snapshot, Change]]:
        """Return the snapshots in which a file changed, newest first.

        ``before``: only those before this oid. Raises ``NotFound``.
        """
        check_range(limit, 1, LOG_MAX, "limit")
        return await queries.versions(self._place(path), branch, limit, before, self.caller, self._ports)

    async def diff(self, path: str, *, to: str, since: str = "", raw: bool = True) -> queries.Compared:
        """Compare a file in two snapshots. ``since`` defaults to the snapshot before ``to``.

        Raises ``NotFound``.
        """
        return await queries.diff(since, to, self._place(path), self.caller, self._ports, raw=raw)

    async def diff_paths(self, *, to: str, since: str = "", paths: Sequence[str] = ()) -> queries.Compared:
        """Return which files differ between two snapshots.

        Raises ``NotFound``.
        """
        return await queries.diff_paths(since, to, self._places(paths, "paths"), self.caller, self._ports)

    async def restore(
        self,
        ref: str,
        *,
        project_dir: str = "",
        branch: str = "main",
        dry_run: bool = False,
        message: str = "",
        author_name: str = "",
        author_email: str = "",
    ) -> Restored:
        """Restore everything below ``project_dir`` (default: all) from a snapshot, and record the result on the branch.

        Raises ``NotFound``, and ``Conflict`` under concurrent changes.
        """
        source = await self.show(ref)
        note = self._note(message or f"Restore {source.oid[:12]}", branch, author_name, author_email)
        project = self._place(project_dir) if project_dir.strip() else Uri()
        return await restore.restore(source.oid, project, note, self.caller, self._ports, dry_run=dry_run)

    async def read_ignore(self) -> str:
        """Return the account's ``.ovgitignore``."""
        return await queries.ignore_of(self.caller, self._ports)

    async def write_ignore(self, text: str) -> None:
        """Write the account's ``.ovgitignore``; an empty text removes it.

        Raises ``Denied`` without the role admin, and ``Invalid`` naming a line that is not a pattern.
        """
        await queries.set_ignore(text, self.caller, self._ports)

    def _note(self, message: str, branch: str, name: str, email: str) -> create.Note:
        author = Author(
            check_words(name or AUTHOR_NAME, "author_name", WORD_CHARS_MAX),
            check_words(email or AUTHOR_EMAIL, "author_email", WORD_CHARS_MAX),
        )
        return create.Note(check_branch(branch), check_words(message, "message", MESSAGE_CHARS_MAX, lines=True), author)

    def _place(self, path: str) -> Uri:
        return place(path, self.caller, self._ports.clock.now())

    def _places(self, paths: Sequence[str], field: str) -> tuple[Uri, ...]:
        if len(paths) > PATHS_MAX:
            raise Invalid(f"{len(paths)} paths", remedy=f"at most {PATHS_MAX}", details={"field": field})
        found = tuple(dict.fromkeys(self._place(path) for path in paths))
        return () if Uri() in found else found
