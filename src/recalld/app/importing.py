"""Imports of folders, files and zips; packs: export and import of subtrees, backup and restore of an account."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from recalld.domain.choice import Choice
from recalld.domain.errors import Invalid
from recalld.domain.job import TaskStatus
from recalld.domain.pack import ImportedPack, OnConflict, VectorMode
from recalld.domain.results import Added
from recalld.rules.search_request import tag
from recalld.usecases.add import accept as adding
from recalld.usecases.pack import export as exporting
from recalld.usecases.pack import import_ as importing
from recalld.usecases.pack.export import Packed

from .operations import Operations, wait_until_idle


class ImportOperations(Operations):
    """Imports into the caller's tree."""

    async def add(
        self,
        upload: Path,
        *,
        name: str = "",
        to: str = "",
        parent: str = "",
        create_parent: bool = False,
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
        ignore_dirs: Sequence[str] = (),
        strict: bool = False,
        split: bool = True,
        tags: Sequence[str] = (),
        origin: str = "",
        wait: bool = False,
        timeout_s: float | None = None,
        keep_source: bool = True,
        unwrap: bool = True,
        tag_mode: str = "replace",
        keep_removed: bool = False,
        confirm_removals: bool = False,
        left_out: Sequence[str] = (),
        incomplete: str = "",
        as_file: bool = False,
    ) -> Added:
        """Import a folder, a file or a zip that lies at ``upload``. The task ``task_id`` of the result does the work.

        ``name``: its name in the tree (a zip loses its ending). ``to``: its address; ``parent``: the directory for it, created
        if ``create_parent``. ``include``, ``exclude``: patterns as in a ``.gitignore``; ``ignore_dirs``: directories to skip.
        ``strict``: fail if a file cannot be read. ``split``: split long documents. ``tags``: ``key=value``, with ``tag_mode``
        ``replace`` or ``append``. ``as_file``: a single file keeps its own name. ``unwrap``: skip a zip's only folder if it has
        the zip's name. ``keep_source`` false: delete ``upload`` afterwards.
        ``origin`` names the source: its next import updates this one in place and removes what the source no longer has, unless
        ``keep_removed``. If that is most of it, ``confirm_removals`` is required. ``left_out``: what the source has but did not
        send; ``incomplete``: what could not be read there. ``wait``: return after the import, with its result.

        Raises ``Invalid``, ``NotFound``, ``Conflict`` for a taken target or removals to confirm, and ``Upstream`` (time).
        """
        choice = Choice(name or upload.name, tuple(include), tuple(exclude), tuple(ignore_dirs), unwrap)
        request = adding.ImportRequest(
            upload,
            choice,
            to,
            parent,
            create_parent,
            strict,
            split,
            tuple(tag(t) for t in tags),
            tag_mode,
            origin,
            not keep_source,
            keep_removed,
            confirm_removals,
            tuple(left_out),
            incomplete,
            as_file,
        )
        added = await adding.accept(request, self.caller, self._ports)
        return await self._ended(added, timeout_s) if wait else added

    async def _ended(self, added: Added, timeout_s: float | None) -> Added:
        await wait_until_idle(self._ports, self.caller, timeout_s=timeout_s, task_id=added.task_id)
        task = await self._ports.ledger.tenant(self.caller).task(added.task_id)
        if task.status is TaskStatus.COMPLETED:
            await wait_until_idle(self._ports, self.caller, timeout_s=timeout_s)
        ended = {"status": str(task.status), "error": task.error}
        return replace(added, result=task.result if task.status is TaskStatus.COMPLETED else ended)


PackChoice = TypeVar("PackChoice", bound=StrEnum)


class PackOperations(Operations):
    """Packs of a caller."""

    async def export(self, uri: str, *, include_vectors: bool = False) -> Packed:
        """Export a directory as a pack. The caller deletes the file of the result.

        Raises ``NotFound``, and ``Invalid`` for a file.
        """
        return await exporting.export(self._uri(uri), self.caller, self._ports, vectors=include_vectors)

    async def import_(
        self, pack: Path, parent: str, *, on_conflict: str = "fail", vector_mode: str = "auto"
    ) -> ImportedPack:
        """Import a pack below ``parent`` under the name of its root.

        ``on_conflict``: ``fail``, ``overwrite`` or ``skip``. ``vector_mode``: ``auto``, ``require`` or ``recompute``.
        Raises ``Invalid`` for a damaged pack and ``Conflict`` before anything is changed.
        """
        request = _request(pack, on_conflict, vector_mode)
        return await importing.import_pack(request, self._uri(parent), self.caller, self._ports)

    async def backup(self, *, include_vectors: bool = False) -> Packed:
        """Export the whole account. The caller deletes the file of the result.

        Raises ``Denied`` without the role admin.
        """
        return await exporting.backup(self.caller, self._ports, vectors=include_vectors)

    async def restore(self, pack: Path, *, on_conflict: str = "fail", vector_mode: str = "auto") -> ImportedPack:
        """Import a backup of the whole account.

        Raises as ``import_`` does, and ``Denied`` without the role admin.
        """
        return await importing.restore(_request(pack, on_conflict, vector_mode), self.caller, self._ports)


def _request(pack: Path, on_conflict: str, vector_mode: str) -> importing.PackImportRequest:
    return importing.PackImportRequest(
        pack, _choice(OnConflict, on_conflict, "on_conflict"), _choice(VectorMode, vector_mode, "vector_mode")
    )


def _choice(kind: type[PackChoice], text: str, field: str) -> PackChoice:
    try:
        return kind(text)
    except ValueError as bad:
        known = ", ".join(kind)
        raise Invalid(f"{field} {text[:40]!r} is unknown", remedy=f"one of {known}", details={"field": field}) from bad
