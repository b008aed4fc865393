"""Imports a verified pack, in commits small enough not to delay others. A second run with overwrite does what is
left."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from recalld.domain.caller import Caller, Role
from recalld.domain.commit import Commit, MakeDir, Op, PutFile, SetTags, SetTiers
from recalld.domain.errors import Conflict, NotFound
from recalld.domain.job import Lane, NewJob
from recalld.domain.node import Node
from recalld.domain.pack import ImportedPack, OnConflict, VectorMode
from recalld.domain.uri import DEPTH_MAX, Uri
from recalld.ports.bundle import Ports
from recalld.ports.ledger import Tenant
from recalld.rules.chunks import chunks_of_tiers
from recalld.rules.pack_format import refused, taken, target_of
from recalld.rules.pack_mapping import PackLayout, moved_source, tiers_of
from recalld.usecases.tree.prepare import EMBED, FOLLOW_UP_JOBS

from .export import must_administer
from .import_file import PackedFile, job_after, put_of
from .sessions import import_session
from .verify import Verified, check_sessions, check_vectors, open_pack, pack_layout

NODES_MAX = 1_000_000
WEIGHT_PER_COMMIT = 2 * 1024 * 1024
WEIGHT_OF_CHUNK = WEIGHT_PER_COMMIT // 48
"""Bytes, or nodes and chunks, per commit, so that appends are not delayed."""
AT_ONCE_FILES_MAX = 64
AT_ONCE_BYTES_MAX = 1024 * 1024
"""A pack up to this size is searchable when its import returns; the worker indexes larger ones."""
OPS_PER_COMMIT = 32
LEFT_OUT_SHOWN = 100


@dataclass(frozen=True, slots=True)
class PackImportRequest:
    """Options of a pack import."""

    path: Path
    on_conflict: OnConflict = OnConflict.FAIL
    vector_mode: VectorMode = VectorMode.AUTO


async def import_pack(request: PackImportRequest, parent: Uri, caller: Caller, ports: Ports) -> ImportedPack:
    """Import a pack below ``parent``. Raises ``Invalid`` if it does not verify, ``Conflict`` for existing files, both
    before any change."""
    pack = await open_pack(request.path, ports)
    try:
        return await _import(pack, target_of(pack.manifest, parent), request, caller, ports)
    finally:
        await ports.compute.run(pack.reader.close)


async def restore(request: PackImportRequest, caller: Caller, ports: Ports) -> ImportedPack:
    """Restore a backup into the caller's account, every user's tree to that user. Raises ``Denied`` for plain users."""
    must_administer(caller)
    pack = await open_pack(request.path, ports)
    try:
        if not pack.manifest.is_backup:
            raise refused(f"it is not a backup but a pack of {pack.manifest.root.uri}", "import it")
        return await _import(pack, Uri(), request, replace(caller, role=Role.ROOT, peer=""), ports)
    finally:
        await ports.compute.run(pack.reader.close)


async def _import(
    pack: Verified, target: Uri, request: PackImportRequest, caller: Caller, ports: Ports
) -> ImportedPack:
    check_vectors(pack.manifest, request.vector_mode, ports)
    layout = await ports.compute.run(pack_layout, pack.manifest, target)
    await check_sessions(layout.sessions.values(), pack, caller, ports)
    present = await _present(target, caller, ports)
    _check_conflicts(layout, present, target, request.on_conflict)
    return await _PackImport(pack, layout, present, target, request.on_conflict, caller, ports).all()


async def _present(target: Uri, caller: Caller, ports: Ports) -> dict[Uri, Node]:
    """Return existing nodes at the target and below, except implicit namespace roots."""
    tenant = ports.ledger.tenant(caller)
    try:
        top = await tenant.stat(target)
    except NotFound:
        return {}
    if not top.is_dir:
        raise Conflict(f"{target} is a file", remedy="choose another place", code="ALREADY_EXISTS")
    entries = await tenant.walk(target, depth_max=DEPTH_MAX, nodes_max=NODES_MAX, hidden=True)
    return {node.uri: node for node in (top, *(e.node for e in entries)) if node.id}


def _check_conflicts(layout: PackLayout, present: Mapping[Uri, Node], target: Uri, on_conflict: OnConflict) -> None:
    """Raise ``Conflict`` before any change: always if a file would replace a directory or vice versa, and with ``fail``
    if anything exists already."""
    if on_conflict is OnConflict.FAIL:
        if target in present and len(target.parts) > (3 if target.parts[:1] == ("user",) else 1):
            raise taken(target)
        for uri in (*layout.files.values(), *layout.private.values(), *layout.sessions):
            if uri in present:
                raise taken(uri)
    files = (*layout.files.values(), *layout.outputs.values(), *layout.private.values())
    for uris, is_dir in ((files, False), (layout.directories.values(), True)):
        for uri in uris:
            there = present.get(uri)
            if there is not None and there.is_dir is not is_dir:
                raise Conflict(
                    f"{uri} is a {'directory' if there.is_dir else 'file'} here",
                    remedy="remove it first, or choose another place; nothing was changed",
                    code="ALREADY_EXISTS",
                    details={"resource": str(uri)},
                )


@dataclass(slots=True)
class _PackImport:
    """A running import. ``seq``: log entry of the last commit."""

    pack: Verified
    sorted: PackLayout
    present: dict[Uri, Node]
    target: Uri
    on_conflict: OnConflict
    caller: Caller
    ports: Ports
    files: int = 0
    skipped: int = 0
    seq: int = 0
    owners: dict[str, Tenant] = field(default_factory=dict)
    hashes: dict[str, str] = field(default_factory=dict)

    async def all(self) -> ImportedPack:
        """Import directories, sessions, files, then the tiers of directories from the deepest up."""
        self.hashes = {e.path: e.sha256 for e in self.pack.manifest.entries}
        uris = [self.target] if self.target.parts else []
        uris += [uri for uri in self.sorted.directories.values() if uri not in self.present]
        for some in _slices(uris):
            await self._commit([(uri, MakeDir(uri, exist_ok=True)) for uri in some], ())
        sessions = messages = 0
        for session_files in self.sorted.sessions.values():
            messages += await import_session(
                session_files, self.pack, replace(self.caller, user=session_files.uri.parts[1]), self.ports
            )
            sessions += 1
        await self._write(self.sorted.outputs)
        await self._write(self.sorted.private)
        await self._write(self.sorted.files)
        await self._set_tiers()
        for tenant in self.owners.values():
            await tenant.commit(Commit(jobs=FOLLOW_UP_JOBS), lane=Lane.BULK)
        left_out = self.sorted.left_out
        return ImportedPack(
            self.target,
            self.files,
            self.skipped,
            len(self.sorted.directories),
            sessions,
            messages,
            tuple(left_out[:LEFT_OUT_SHOWN]),
            len(left_out),
        )

    def _tenant(self, uri: Uri) -> Tenant:
        """Return the tenant of the user whose tree this is: follow-up jobs belong to that user."""
        user = uri.parts[1] if len(uri.parts) > 1 and uri.parts[0] == "user" else self.caller.user
        if user not in self.owners:
            self.owners[user] = self.ports.ledger.tenant(replace(self.caller, user=user))
        return self.owners[user]

    async def _commit(self, ops: Iterable[tuple[Uri, Op]], jobs: tuple[NewJob, ...]) -> None:
        """Make one commit per user's tree among the addresses."""
        owners: dict[int, tuple[Tenant, list[Op]]] = {}
        for uri, op in ops:
            tenant = self._tenant(uri)
            owners.setdefault(id(tenant), (tenant, []))[1].append(op)
        for tenant, mine in owners.values():
            receipt = await tenant.commit(Commit(tuple(mine), jobs, cause="pack"), lane=Lane.BULK)
            self.seq = max(self.seq, receipt.seq)

    async def _write(self, files: Mapping[str, Uri]) -> None:
        """Write in commits of bounded size, each of one user's tree."""
        sizes = {e.path: e.size for e in self.pack.manifest.entries}
        at_once = len(files) <= AT_ONCE_FILES_MAX and sum(sizes[path] for path in files) <= AT_ONCE_BYTES_MAX
        held: list[PutFile] = []
        weight = 0
        for path, uri in files.items():
            if uri in self.present and self.on_conflict is OnConflict.SKIP:
                self.skipped += 1
                continue
            if held and (
                weight + sizes[path] > WEIGHT_PER_COMMIT or self._tenant(uri) is not self._tenant(held[0].uri)
            ):
                await self._store(held)
                held, weight = [], 0
            put = await put_of(await self._file(path, uri, at_once), self.ports)
            held.append(put)
            weight += put.size + (len(put.chunks or ()) + 1) * WEIGHT_OF_CHUNK
        if held:
            await self._store(held)

    async def _file(self, path: str, uri: Uri, at_once: bool) -> PackedFile:
        data = await self.ports.compute.run(self.pack.read, path)
        record, quiet = self.pack.records.get(path), uri.parent in self.sorted.sidecars
        return PackedFile(uri, data, self.hashes[path], record, self._source(path), at_once, quiet)

    async def _store(self, puts: list[PutFile]) -> None:
        jobs = [job_after(put, quiet=put.uri.parent in self.sorted.sidecars) for put in puts]
        await self._commit([(put.uri, put) for put in puts], (*(job for job in jobs if job is not None), EMBED))
        self.files += len(puts)

    def _source(self, path: str) -> dict[str, Any]:
        record = self.pack.records.get(path)
        if record is None:
            return {}
        return moved_source(record.source, _owner(self.pack.manifest.root.uri), _owner(self.target))

    async def _set_tiers(self) -> None:
        """Set tiers, deepest first; a directory imported with tiers keeps them until its contents change."""
        deepest_first = sorted(self._with_tiers(), key=lambda uri: -len(uri.parts))
        for depth in sorted({len(uri.parts) for uri in deepest_first}, reverse=True):
            for some in _slices([uri for uri in deepest_first if len(uri.parts) == depth]):
                await self._set_some(some)
        tagged = {
            uri: self.pack.records[path]
            for path, uri in self.sorted.directories.items()
            if path in self.pack.records and self.pack.records[path].tags
        }
        for some in _slices(list(tagged)):
            await self._commit([(uri, SetTags(uri, tagged[uri].tags)) for uri in some], ())

    def _with_tiers(self) -> list[Uri]:
        skip = self.on_conflict is not OnConflict.OVERWRITE
        return [
            uri for uri in self.sorted.sidecars if not (skip and uri in self.present and self.present[uri].abstract)
        ]

    async def _set_some(self, uris: Sequence[Uri]) -> None:
        ops = [(uri, await self._tiers(uri)) for uri in uris]
        await self._commit([(uri, op) for uri, op in ops if op is not None], (EMBED,))

    async def _tiers(self, uri: Uri) -> SetTiers | None:
        paths = self.sorted.sidecars[uri]
        texts = [await self.ports.compute.run(self.pack.read, paths[n]) if n in paths else b"" for n in (0, 1)]
        tiers = tiers_of(*(text.decode("utf-8", "replace") for text in texts))
        node = await self._tenant(uri).stat(uri)
        if not node.id or not (tiers.abstract or tiers.overview):
            return None
        return SetTiers(node.id, node.version, tiers, chunks_of_tiers(uri, tiers), self.seq)


def _owner(uri: Uri) -> Uri:
    """Return the tree of the user that contains an address; the root for shared addresses."""
    return Uri(uri.parts[:2]) if uri.parts[:1] == ("user",) else Uri()


def _slices(uris: list[Uri]) -> Iterator[list[Uri]]:
    for start in range(0, len(uris), OPS_PER_COMMIT):
        yield uris[start : start + OPS_PER_COMMIT]
