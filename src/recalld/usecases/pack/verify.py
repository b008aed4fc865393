"""Verifies a whole pack before the import: contents, hashes, sessions. It writes nothing."""

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
"""Bytes hashed per call on a compute thread (except a single larger file), so that other calls get their turn."""


@dataclass(frozen=True, slots=True)
class Verified:
    """A verified pack. ``records``: by path, the one of its highest level."""

    reader: ArchiveReader
    manifest: Manifest
    records: dict[str, PackRecord]

    def read(self, path: str) -> bytes:
        """Return a file of the pack. CPU-bound: run it on a compute pool. Raises ``Invalid``."""
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
    return Verified(reader, manifest, await ports.compute.run(_records, reader, manifest))


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
    """Yield names in the archive with their expected hashes, in batches of bounded size."""
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
    """Check the vector mode. Vectors are always recomputed; the same model gives the same ones. ``require`` refuses a
    pack whose vectors are of another model. Raises ``Conflict``."""
    if mode is not VectorMode.REQUIRE:
        return
    ours = {embedder.fingerprint for embedder in ports.embedders}
    if manifest.dense is None or manifest.dense.fingerprint not in ours:
        raise Conflict(
            "the pack has no vectors of this store's model",
            remedy="import it with vector_mode recompute",
            code="FAILED_PRECONDITION",
            details={"field": "vector_mode"},
        )


def pack_layout(manifest: Manifest, target: Uri) -> PackLayout:
    """Return every entry's address below ``target``, grouped by how it is imported. Raises ``Invalid`` for invalid
    addresses."""
    found = PackLayout(restoring=manifest.is_backup)
    for entry in manifest.entries:
        uri = Uri((*target.parts, *entry.path.split("/")))
        if len(uri.parts) == 1 and entry.is_dir:
            continue  # a scope always exists
        try:
            check_place(uri)
            if uri.parts[0] == "user":
                identifier(uri.parts[1], "user")
        except Denied as closed:
            found.left_out.append(f"{entry.path}: {closed.message}")
            continue
        # Addresses are longer than paths: a stored node must stay within an address's limits to be readable.
        found.take(entry.path, Uri.parse(str(uri)), entry.is_dir)
    return found


async def check_sessions(sessions: Iterable[SessionFiles], pack: Verified, caller: Caller, ports: Ports) -> None:
    """Check that an append would accept every message. Raises ``Invalid``."""
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
    """Return the messages of a ``messages.jsonl`` for an append; context parts without a valid address lose it."""
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
