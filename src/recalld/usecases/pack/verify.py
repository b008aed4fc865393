"""Verify a whole pack before anything is imported: contents, hashes, sessions. Nothing is written here."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recalld.domain.caller import Caller, identifier
from recalld.domain.errors import Conflict, Denied, Invalid
from recalld.domain.pack import Manifest, PackRecord, VectorMode
from recalld.domain.uri import Uri
from recalld.ports.archive import ArchiveReader
from recalld.ports.bundle import Ports
from recalld.rules.address import resolve
from recalld.rules.ids import check_session_id
from recalld.rules.openviking_json import message_from
from recalld.rules.pack_format import (
    FILES,
    MANIFEST,
    MANIFEST_BYTES_MAX,
    META,
    RECORDS,
    check_names,
    check_place,
    read_manifest,
    refused,
    root_folder,
)
from recalld.rules.pack_mapping import PackLayout, SessionFiles, filled, lines_of, read_record

FILES_PER_CALL = 64
BYTES_PER_CALL = 8 * 1024 * 1024
"""What one call on a computing thread hashes at most, a single larger file apart: others want their turn."""


@dataclass(frozen=True, slots=True)
class Verified:
    """A verified pack. ``records``: by path, the one of its highest level."""

    reader: ArchiveReader
    manifest: Manifest
    records: dict[str, PackRecord]

    def read(self, path: str) -> bytes:
        """One file of it. Computes: run it where that may happen. Raises ``Invalid``."""
        return b"".join(self.reader.slices(f"{self.manifest.root.name}/{FILES}/{path}"))


async def open_pack(path: Path, ports: Ports) -> Verified:
    """Open a pack and check every byte of it against its manifest; the caller closes ``reader``. Raises ``Invalid``."""
    reader = await ports.compute.run(ports.archives.open, path)
    try:
        return await _verified(reader, ports)
    except BaseException:
        await ports.compute.run(reader.close)
        raise


async def _verified(reader: ArchiveReader, ports: Ports) -> Verified:
    manifest = await ports.compute.run(_manifest, reader)
    for some in _shares(manifest):
        await ports.compute.run(_check_hashes, reader, some)
    records = await ports.compute.run(_records, reader, manifest)
    return Verified(reader, manifest, records)


def _manifest(reader: ArchiveReader) -> Manifest:
    sizes = reader.sizes()
    folder = root_folder(sizes)
    name = f"{folder}/{META}/{MANIFEST}"
    if sizes[name] > MANIFEST_BYTES_MAX:
        raise refused("its manifest is too large")
    manifest = read_manifest(b"".join(reader.slices(name)), folder)
    check_names(manifest, sizes)
    return manifest


def _shares(manifest: Manifest) -> Iterable[list[tuple[str, str]]]:
    """Names in the archive with the hashes they must have, in shares of a bounded size."""
    held: list[tuple[str, str]] = []
    size = 0
    for entry in manifest.entries:
        if entry.is_dir:
            continue
        held.append((f"{manifest.root.name}/{FILES}/{entry.path}", entry.sha256))
        size += entry.size
        if len(held) == FILES_PER_CALL or size >= BYTES_PER_CALL:
            yield held
            held, size = [], 0
    if held:
        yield held


def _check_hashes(reader: ArchiveReader, some: Sequence[tuple[str, str]]) -> None:
    for name, wanted in some:
        digest = hashlib.sha256()
        for piece in reader.slices(name):
            digest.update(piece)
        if digest.hexdigest() != wanted:
            raise refused(f"{name[:120]!r} is not what its sha256 says")


def _records(reader: ArchiveReader, manifest: Manifest) -> dict[str, PackRecord]:
    name = f"{manifest.root.name}/{META}/{RECORDS}"
    if name not in reader.sizes():
        if manifest.records:
            raise refused("its index records are missing")
        return {}
    data = b"".join(reader.slices(name))
    if manifest.records_sha256 and hashlib.sha256(data).hexdigest() != manifest.records_sha256:
        raise refused("its index records are not what their sha256 says")
    lines = [line for line in data.split(b"\n") if line.strip()]
    if len(lines) != manifest.records:
        raise refused(f"it has {len(lines)} index records where the manifest says {manifest.records}")
    found = [record for line in lines if (record := read_record(line, manifest.root.uri)) is not None]
    return {record.path: record for record in sorted(found, key=lambda r: r.level)}


def check_vectors(manifest: Manifest, mode: VectorMode, ports: Ports) -> None:
    """Vectors are always recomputed; the same model gives the same ones. ``require`` refuses a pack whose vectors are not of
    this store's model. Raises ``Conflict``."""
    if mode is not VectorMode.REQUIRE:
        return
    ours = ports.embedder.fingerprint if ports.embedder is not None else ""
    if manifest.dense is None or not ours or manifest.dense.fingerprint != ours:
        raise Conflict(
            "the pack has no vectors of this store's model",
            remedy="import it with vector_mode recompute",
            code="FAILED_PRECONDITION",
            details={"field": "vector_mode"},
        )


def pack_layout(manifest: Manifest, target: Uri) -> PackLayout:
    """Every entry's address below ``target`` and what becomes of it. Raises ``Invalid`` for what can be none."""
    found = PackLayout(restoring=manifest.is_backup)
    for entry in manifest.entries:
        uri = Uri((*target.parts, *entry.path.split("/")))
        if len(uri.parts) == 1 and entry.is_dir:
            continue  # a scope: it is there
        try:
            check_place(uri)
            if uri.parts[0] == "user":
                identifier(uri.parts[1], "user")
        except Denied as closed:
            found.left_out.append(f"{entry.path}: {closed.message}")
            continue
        # Addresses are longer than paths: what was stored could not be read again beyond an address's own limits.
        found.take(entry.path, Uri.parse(str(uri)), entry.is_dir)
    return found


async def check_sessions(sessions: Iterable[SessionFiles], pack: Verified, caller: Caller, ports: Ports) -> None:
    """Every message must be one that an append would take. Raises ``Invalid``."""
    now = ports.clock.now()
    for session_files in sessions:
        check_session_id(session_files.uri.name)
        for path in (
            session_files.live,
            *(files.get("messages.jsonl", "") for files in session_files.archives.values()),
        ):
            if path:
                await ports.compute.run(_check_messages, pack, path, caller, now)


def _check_messages(pack: Verified, path: str, caller: Caller, now: float) -> None:
    for message in messages_of(pack, path, caller, now):
        try:
            message_from(dict(message), "msg_unnamed", now)
            if message.get("peer_id"):
                identifier(str(message["peer_id"]), "peer_id")
        except Invalid as bad:
            raise refused(f"{path[:120]!r}: {bad.message}") from bad


def messages_of(pack: Verified, path: str, caller: Caller, now: float) -> list[dict[str, Any]]:
    """A ``messages.jsonl`` as an append takes it: a context part that names no address here names none."""
    return [_with_known_uris(filled(message), caller, now) for message in lines_of(pack.read(path))]


def _with_known_uris(message: dict[str, Any], caller: Caller, now: float) -> dict[str, Any]:
    parts = message.get("parts")
    if not isinstance(parts, list):
        return message
    return {**message, "parts": [p if _resolves(p, caller, now) else {**p, "uri": ""} for p in parts]}


def _resolves(part: object, caller: Caller, now: float) -> bool:
    if not isinstance(part, dict) or part.get("type") != "context" or not part.get("uri"):
        return True
    try:
        resolve(str(part["uri"]), caller, now)
    except (Invalid, Denied):
        return False
    return True
