"""Packs for one caller: export and import of subtrees, backup and restore of an account."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from recalld.domain.caller import Caller
from recalld.domain.errors import Invalid
from recalld.domain.pack import ImportedPack, OnConflict, VectorMode
from recalld.domain.uri import Uri
from recalld.ports.bundle import Ports
from recalld.rules.address import resolve
from recalld.usecases.pack import export as exporting
from recalld.usecases.pack import import_ as importing
from recalld.usecases.pack.export import Packed
from recalld.usecases.pack.fetch import Fetched, fetch
from recalld.usecases.tree.alias import read_with_alias

Word = TypeVar("Word", bound=StrEnum)


class PackOperations:
    """Operations bound to a caller, created by ``workspace.facade(PackOperations)``."""

    def __init__(self, ports: Ports, caller: Caller) -> None:
        self._ports = ports
        self._caller = caller

    async def export(self, uri: str, *, include_vectors: bool = False) -> Packed:
        """Export a directory as a pack; the caller deletes the file. Raises ``Invalid``, ``NotFound`` and
        ``Denied``."""
        return await exporting.export(self._uri(uri), self._caller, self._ports, vectors=include_vectors)

    async def backup(self, *, include_vectors: bool = False) -> Packed:
        """Export the whole account. Raises ``Denied`` for plain users."""
        return await exporting.backup(self._caller, self._ports, vectors=include_vectors)

    async def import_pack(
        self, pack: Path, parent: str, *, on_conflict: str = "fail", vector_mode: str = "auto"
    ) -> ImportedPack:
        """Import a pack below ``parent`` under its root's name. Raises ``Invalid`` for packs that do not verify and
        ``Conflict``, both before any change."""
        request = self._request(pack, on_conflict, vector_mode)
        return await importing.import_pack(request, self._uri(parent), self._caller, self._ports)

    async def restore(self, pack: Path, *, on_conflict: str = "fail", vector_mode: str = "auto") -> ImportedPack:
        """Restore a backup. Raises the same errors as ``import_pack``, and ``Denied`` for plain users."""
        return await importing.restore(self._request(pack, on_conflict, vector_mode), self._caller, self._ports)

    async def fetch(self, uri: str) -> Fetched:
        """Stream a stored file. Raises ``NotFound``, ``Invalid`` for a directory, and ``Denied``."""
        return await read_with_alias(
            self._uri(uri), lambda at: fetch(at, self._caller, self._ports), self._caller, self._ports
        )

    def _uri(self, text: str) -> Uri:
        return resolve(text, self._caller, self._ports.clock.now())

    def _request(self, pack: Path, on_conflict: str, vector_mode: str) -> importing.PackImportRequest:
        return importing.PackImportRequest(
            pack, _word(OnConflict, on_conflict, "on_conflict"), _word(VectorMode, vector_mode, "vector_mode")
        )


def _word(kind: type[Word], value: str, field: str) -> Word:
    try:
        return kind(value)
    except ValueError as bad:
        known = ", ".join(kind)
        raise Invalid(f"{field} {value[:40]!r} is unknown", remedy=f"one of {known}", details={"field": field}) from bad
