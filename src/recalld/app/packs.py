"""Operations on packs: export and import of subtrees, backup and restore of an account."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from recalld.domain.errors import Invalid
from recalld.domain.pack import ImportedPack, OnConflict, VectorMode
from recalld.usecases.pack import export as exporting
from recalld.usecases.pack import import_ as importing
from recalld.usecases.pack.export import Packed

from .operations import Operations

Choice = TypeVar("Choice", bound=StrEnum)


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


def _choice(kind: type[Choice], text: str, field: str) -> Choice:
    try:
        return kind(text)
    except ValueError as bad:
        known = ", ".join(kind)
        raise Invalid(f"{field} {text[:40]!r} is unknown", remedy=f"one of {known}", details={"field": field}) from bad
