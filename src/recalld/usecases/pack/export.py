"""Writes a pack, entry by entry, to a file beside the store; the manifest comes last."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from recalld.domain.caller import Caller, Role
from recalld.domain.errors import Conflict, Denied
from recalld.domain.pack import DenseIndex, PackRoot
from recalld.domain.uri import Uri
from recalld.ports.bundle import Ports
from recalld.rules.pack_format import BACKUP, check_exportable

from .collect import Item, collect
from .pack_writer import PackWriter

ABSTRACTS_PER_CALL = 64


@dataclass(frozen=True, slots=True)
class Packed:
    """A finished pack: its temporary file, file name and size."""

    path: Path
    name: str
    size: int
    entries: int


async def export(root: Uri, caller: Caller, ports: Ports, *, vectors: bool = False) -> Packed:
    """Pack the directory ``root``. The caller deletes the file. Raises ``Invalid``, ``NotFound``, ``Denied``."""
    check_exportable(root)
    return await _pack(PackRoot(root.name, root), caller, ports, vectors)


async def backup(caller: Caller, ports: Ports, *, vectors: bool = False) -> Packed:
    """Pack the caller's whole account with all users. Raises ``Denied`` for plain users."""
    must_administer(caller)
    return await _pack(PackRoot(BACKUP, Uri()), replace(caller, role=Role.ROOT, peer=""), ports, vectors)


def must_administer(caller: Caller) -> None:
    """Check that the caller may read every user's tree. Raises ``Denied``."""
    if caller.role is Role.USER:
        raise Denied(
            "a backup of an account is for its administrators", remedy="export your own tree, or ask an administrator"
        )


async def _pack(root: PackRoot, caller: Caller, ports: Ports, vectors: bool) -> Packed:
    if vectors and ports.embedder is None:
        raise Conflict(
            "this store has no vectors",
            remedy="export without include_vectors",
            code="FAILED_PRECONDITION",
            details={"field": "include_vectors"},
        )
    path = ports.uploads / f"pack_{ports.clock.token()}.ovpack.part"
    writer = await ports.compute.run(ports.archives.create, path)
    try:
        maker, abstracts = PackWriter(root, writer), list[str]()
        async for item in collect(root.uri, caller, ports):
            await ports.compute.run(_take, maker, item)
            abstracts += item.abstracts
        rows, dense = await _vectors(abstracts, ports) if vectors else ([], None)
        size = await ports.compute.run(maker.close, rows, dense)
    except BaseException:
        await ports.compute.run(writer.abandon)  # also on cancellation: nothing would delete the file
        raise
    return Packed(path, f"{root.name}.ovpack", size, len(maker.entries))


def _take(maker: PackWriter, item: Item) -> None:
    if item.data is None:
        maker.directory(item.path)
    else:
        maker.file(item.path, item.data)
    for line in item.record.splitlines(keepends=True):
        maker.record(line)


async def _vectors(abstracts: list[str], ports: Ports) -> tuple[list[bytes], DenseIndex | None]:
    """Return one row per record, of its text."""
    embedder = ports.embedder
    if embedder is None:
        return [], None
    rows: list[bytes] = []
    step = min(embedder.batch_max, ABSTRACTS_PER_CALL)
    for start in range(0, len(abstracts), step):
        embedded = await embedder.embed(abstracts[start : start + step])
        rows.append(embedded.astype("<f4").tobytes())
    return rows, DenseIndex(len(abstracts), embedder.width, embedder.fingerprint)
