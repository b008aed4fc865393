"""Operations on snapshots of an account's tree."""

from __future__ import annotations

from collections.abc import Sequence

from recalld.domain.errors import Invalid
from recalld.domain.snapshot import Author, Change, Recorded, Restored, Snapshot
from recalld.domain.uri import Uri
from recalld.rules.snapshots import (
    MESSAGE_CHARS_MAX,
    PATHS_MAX,
    WORD_CHARS_MAX,
    check_branch,
    check_words,
    place,
)
from recalld.usecases.snapshot import compare, create, ignore, queries, restore

from .operations import Operations, check_range

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
        return snapshot, data if raw else await self._ports.compute.run(compare.without_trailer, data)

    async def versions(
        self, path: str, *, branch: str = "main", limit: int = 20, before: str = ""
    ) -> list[tuple[Snapshot, Change]]:
        """Return the snapshots in which a file changed, newest first.

        ``before``: only those before this oid. Raises ``NotFound``.
        """
        check_range(limit, 1, LOG_MAX, "limit")
        return await queries.versions(self._place(path), branch, limit, before, self.caller, self._ports)

    async def diff(self, path: str, *, to: str, since: str = "", raw: bool = True) -> compare.Compared:
        """Compare a file in two snapshots. ``since`` defaults to the snapshot before ``to``.

        Raises ``NotFound``.
        """
        return await compare.diff(since, to, self._place(path), self.caller, self._ports, raw=raw)

    async def diff_paths(self, *, to: str, since: str = "", paths: Sequence[str] = ()) -> compare.Compared:
        """Return which files differ between two snapshots.

        Raises ``NotFound``.
        """
        return await compare.diff_paths(since, to, self._places(paths, "paths"), self.caller, self._ports)

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
        return await ignore.ignore_of(self.caller, self._ports)

    async def write_ignore(self, text: str) -> None:
        """Write the account's ``.ovgitignore``; an empty text removes it.

        Raises ``Denied`` without the role admin, and ``Invalid`` naming a line that is not a pattern.
        """
        await ignore.set_ignore(text, self.caller, self._ports)

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
