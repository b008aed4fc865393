"""Operations on the tree: read, write, move, and search by name or line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from recalld.domain.commit import Receipt, WriteMode
from recalld.domain.errors import Denied, Invalid
from recalld.domain.node import Entry, Node
from recalld.domain.results import GrepReport, Operation, Written
from recalld.domain.uri import Uri, bad_uri
from recalld.rules.lines import Page
from recalld.usecases.pack.export import Fetched, fetch
from recalld.usecases.tree import edit, match, mkdir_rm_mv_cp, read, write

from .operations import Operations, check_min, wait_until_idle


class TreeOperations(Operations):
    """Files and directories. Every operation raises ``Invalid`` for a bad address and ``Denied`` for one the caller may not use."""

    def resolve(self, text: str) -> Uri:
        """Return the address that a text means to this caller.

        Raises ``Invalid`` and ``Denied``.
        """
        return self._uri(text)

    async def stat(self, uri: str) -> Node:
        """Return the metadata of one entry.

        An imported document is also found at its address in OpenViking, as for ``read``. Raises ``NotFound``.
        """
        return await read.read_with_alias(
            self._uri(uri), lambda at: read.stat(at, self.caller, self._ports), self.caller, self._ports
        )

    async def ls(
        self, uri: str, *, limit: int = 1000, hidden: bool = False, sort_by: str = "", descending: bool = False
    ) -> list[Node]:
        """Return the children of a directory, directories before files.

        ``sort_by`` is ``name`` (the default) or ``mtime``. Raises ``NotFound``, and ``Invalid`` for a file.
        """
        if sort_by not in {"", "name", "mtime"}:
            raise Invalid(f"sort_by {sort_by!r} is unknown", remedy="name or mtime", details={"field": "sort_by"})
        check_min(limit, 1, "limit")
        return await read.list_dir(
            self._uri(uri), self.caller, self._ports, limit=limit, hidden=hidden, sort_by=sort_by, descending=descending
        )

    async def tree(self, uri: str, *, depth: int = 3, limit: int = 1000, hidden: bool = False) -> list[Entry]:
        """Return everything below a directory, parents first.

        Raises ``NotFound``, and ``Invalid`` for a file.
        """
        check_min(limit, 1, "limit")
        check_min(depth, 1, "level_limit")
        return await read.walk(self._uri(uri), self.caller, self._ports, depth=depth, limit=limit, hidden=hidden)

    async def read(self, uri: str, *, offset: int = 0, limit: int = -1, raw: bool = False) -> str:
        """Return the text of a file: ``limit`` lines from line ``offset`` on, with their line ends (-1: all).

        Tiers and session files are read in the same way. ``docs/deploy/deploy.md`` stands for an imported ``docs/deploy.md``
        as long as no other file has that address. ``raw`` includes the trailer of a memory.
        Raises ``NotFound``, and ``Invalid`` for a directory or a file that is not text.
        """
        return await read.read_with_alias(
            self._uri(uri),
            lambda at: read.read(at, self.caller, self._ports, offset=offset, limit=limit, raw=raw),
            self.caller,
            self._ports,
        )

    async def read_page(self, uri: str, *, offset: int = 0, limit: int = -1, chars_max: int) -> Page:
        """Return as many whole lines from ``offset`` on as fit into ``chars_max`` characters, at most ``limit`` (-1: all).

        Raises as ``read`` does.
        """
        return await read.read_with_alias(
            self._uri(uri),
            lambda at: read.read_page(at, self.caller, self._ports, offset=offset, limit=limit, chars_max=chars_max),
            self.caller,
            self._ports,
        )

    async def read_bytes(self, uri: str) -> bytes:
        """Return a file as it is stored.

        Raises ``NotFound``, and ``Invalid`` for a directory.
        """
        return await read.read_with_alias(
            self._uri(uri), lambda at: read.read_bytes(at, self.caller, self._ports), self.caller, self._ports
        )

    async def download(self, uri: str) -> Fetched:
        """Return a file as it is stored, as an iterator of pieces, with its name and size.

        Raises ``NotFound``, and ``Invalid`` for a directory.
        """
        return await read.read_with_alias(
            self._uri(uri), lambda at: fetch(at, self.caller, self._ports), self.caller, self._ports
        )

    async def abstract(self, uri: str) -> str:
        """Return the abstract (L0) of a directory, or of the directory of a file.

        Until it exists, the answer is a sentence that says so. Raises ``NotFound``.
        """
        return await self._tier(uri, 0)

    async def overview(self, uri: str) -> str:
        """Return the overview (L1) of a directory.

        Until it exists, the answer is a sentence that says so. Raises ``NotFound``, and ``Invalid`` for a file.
        """
        return await self._tier(uri, 1)

    async def _tier(self, uri: str, level: int) -> str:
        caller, ports = self.caller, self._ports
        return await read.read_tier_with_alias(
            self._uri(uri), level, lambda at, of: read.tier(at, of, caller, ports), caller, ports
        )

    async def write(
        self,
        uri: str,
        content: str | bytes,
        *,
        mode: str = "replace",
        if_version: int | None = None,
        wait: bool = False,
        timeout_s: float | None = None,
    ) -> Written:
        """Write a file. It is durable and searchable on return.

        ``mode`` is ``replace`` (creates a missing file), ``append`` or ``create``. With ``if_version`` only this version of
        the file is replaced (0: only a missing file). ``wait`` also waits for its tiers and vectors.
        Raises ``Conflict`` for another version, or a file that exists already, and ``Upstream`` after ``timeout_s``.
        """
        data = content.encode("utf-8", "replace") if isinstance(content, str) else content
        try:
            target = self._uri(uri)
        except Denied as unsafe:
            raise bad_uri(uri, unsafe.message) from unsafe
        written = await write.write(target, data, mode, self.caller, self._ports, if_version=if_version)
        return await self._settled(written, wait, timeout_s)

    async def edit(
        self,
        uri: str,
        old: str,
        new: str,
        *,
        replace_all: bool = False,
        wait: bool = False,
        timeout_s: float | None = None,
    ) -> tuple[Written, int]:
        """Replace a text that occurs once in a file, or with ``replace_all`` every occurrence.

        Returns the result of the write and the number of replacements. Concurrent edits of one file are serialised.
        Raises ``NotFound``, and ``Conflict`` if the text does not occur, or occurs more often.
        """
        written, times = await edit.edit(
            self._uri(uri), old, new, every=replace_all, caller=self.caller, ports=self._ports
        )
        return await self._settled(written, wait, timeout_s), times

    async def write_many(
        self, root: str, operations: Sequence[Operation], *, wait: bool = True, timeout_s: float | None = None
    ) -> Written:
        """Write up to 256 files below ``root`` in one commit, all or none.

        ``operation`` creates the items. Raises ``Conflict`` for a file that ``create`` finds there.
        """
        return await self._settled(
            await write.write_many(self._uri(root), operations, self.caller, self._ports), wait, timeout_s
        )

    def operation(self, uri: str, data: bytes, mode: str) -> Operation:
        """Return one item of ``write_many``. ``mode`` is ``replace``, ``upsert``, ``create`` or ``append``.

        Raises ``Invalid`` for another mode.
        """
        target = self._uri(uri)
        if mode == "append":
            return Operation(target, data, append=True)
        try:
            return Operation(target, data, WriteMode(mode))
        except ValueError as bad:
            raise Invalid(
                f"mode {mode!r} is unknown", remedy="replace, upsert, create or append", details={"field": "mode"}
            ) from bad

    async def _settled(self, written: Written, wait: bool, timeout_s: float | None) -> Written:
        if not wait:
            return written
        await wait_until_idle(self._ports, self.caller, timeout_s=timeout_s)
        return replace(written, indexed=True, pending=0)

    async def mkdir(self, uri: str, *, description: str = "") -> Node:
        """Create a directory and its missing parents. ``description`` becomes its abstract.

        Raises ``Conflict`` if the directory exists.
        """
        return await mkdir_rm_mv_cp.mkdir(self._uri(uri), description, self.caller, self._ports)

    async def rm(self, uri: str, *, recursive: bool = False) -> Receipt:
        """Remove a file, or with ``recursive`` a directory. Removing what does not exist succeeds.

        Raises ``Invalid`` for a directory without ``recursive``.
        """
        return await mkdir_rm_mv_cp.remove(self._uri(uri), recursive, self.caller, self._ports)

    async def mv(self, source: str, to: str) -> Receipt:
        """Rename or move a file or a subtree of any size in one step. ``to`` is the new address itself.

        Raises ``NotFound``, ``Conflict`` if the target exists, and ``Invalid`` if ``to`` ends in ``/``.
        """
        target = self._uri(to)
        if to.endswith("/"):
            raise Invalid(f"{to} ends in /", remedy="name the target itself", details={"field": "to_uri"})
        return await mkdir_rm_mv_cp.move(self._uri(source), target, self.caller, self._ports)

    async def cp(self, source: str, to: str, *, recursive: bool = False) -> Receipt:
        """Copy a file, or with ``recursive`` a directory.

        Raises ``NotFound``, and ``Conflict`` if the target exists.
        """
        return await mkdir_rm_mv_cp.copy(self._uri(source), self._uri(to), recursive, self.caller, self._ports)

    async def grep(
        self, uri: str, pattern: str, *, exclude: str = "", ignore_case: bool = False, limit: int = 256, depth: int = 10
    ) -> GrepReport:
        """Return the lines below ``uri`` that match an RE2 pattern, at most ``limit``.

        ``exclude`` names a subtree to leave out. Raises ``NotFound``, and ``Invalid`` for a bad pattern.
        """
        check_min(limit, 1, "node_limit")
        without = self._uri(exclude) if exclude else None
        return await match.grep(
            self._uri(uri),
            pattern,
            self.caller,
            self._ports,
            exclude=without,
            ignore_case=ignore_case,
            limit=limit,
            depth=depth,
        )

    async def glob(self, pattern: str, uri: str = "viking://", *, limit: int = 256) -> list[str]:
        """Return the addresses whose path below ``uri`` matches a pattern. ``**`` spans directories.

        Raises ``NotFound``, and ``Invalid`` for a bad pattern.
        """
        check_min(limit, 1, "node_limit")
        return await match.glob(pattern, self._uri(uri), self.caller, self._ports, limit=limit)
