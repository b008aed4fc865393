"""Writes of files and of a directory's abstract or overview."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

from recalld.domain.caller import Caller
from recalld.domain.commit import Commit, PutFile, SetTiers, WriteMode
from recalld.domain.errors import Conflict, Invalid
from recalld.domain.policy import (
    ABSTRACT_CHARS_MAX,
    BATCH_BYTES_MAX,
    BATCH_OPERATIONS_MAX,
    OVERVIEW_CHARS_MAX,
    WRITE_BYTES_MAX,
)
from recalld.domain.results import Operation, Written
from recalld.domain.uri import Uri
from recalld.ports.bundle import Ports
from recalld.ports.ledger import Commits, Tenant, Tree
from recalld.rules.address import CREATABLE, SIDECARS, check_write
from recalld.rules.chunks import chunks_of_tiers
from recalld.rules.sidecar import body_of, pin
from recalld.usecases.retrying import WITHIN_S, key_of, retrying

from .prepare import FOLLOW_UP_JOBS, append_file, jobs_after, prepare, put_file


async def write(
    uri: Uri, data: bytes, mode: str, caller: Caller, ports: Ports, *, if_version: int | None = None
) -> Written:
    """Write one file; ``mode``: replace (creates a missing file), append (requires the file), create (requires that it
    is missing). ``if_version``: replace only this version (0: only if it is missing). Appends and edits of one file
    wait their turn and never refuse each other."""
    tenant = ports.ledger.tenant(caller)
    if if_version is not None and (mode != "replace" or uri.name in SIDECARS):
        raise Invalid(
            "if_version goes with mode replace of a file", remedy="leave it out", details={"field": "if_version"}
        )
    if uri.name in SIDECARS:
        if mode != "replace":
            raise only_replaced(uri)
        return await replace_sidecar(uri, lambda _: data.decode("utf-8", "replace"), caller, ports)
    check_write(uri)
    _check_size(len(data), WRITE_BYTES_MAX, str(uri))
    _check_kind(uri, mode)
    if mode == "append":
        return await _append(uri, data, caller, ports)
    operation = await _operation(uri, data, WriteMode.CREATE if mode == "create" else WriteMode.UPSERT, ports)
    if if_version is not None:
        operation = operation.replace(expect_version=if_version)
    async with ports.turns.of(key_of(caller.account, uri), within_s=WITHIN_S):
        return await _commit((operation,), tenant)


async def write_many(root: Uri, operations: Sequence[Operation], caller: Caller, ports: Ports) -> Written:
    """Write up to 256 files below ``root`` in one commit: all or none."""
    _check_batch(root, operations)
    tenant = ports.ledger.tenant(caller)
    whole = {
        each.uri: await _operation(each.uri, each.data, each.mode, ports) for each in operations if not each.append
    }

    async def attempt() -> Written:
        puts = [whole.get(each.uri) or await _appended(each.uri, each.data, tenant, ports) for each in operations]
        return await _commit(puts, tenant)

    return await retrying(attempt, *(key_of(caller.account, each.uri) for each in operations), ports=ports)


async def change_file(uri: Uri, change: Callable[[bytes], bytes], caller: Caller, ports: Ports) -> Written:
    """Replace a file's bytes by ``change`` of them. ``change`` runs off the loop, and again with fresh bytes if another
    commit came first. Raises ``NotFound`` and the exceptions of ``change``."""
    tenant = ports.ledger.tenant(caller)

    async def attempt() -> Written:
        """Conditional on the bytes that the change was computed from."""
        old = await tenant.read(uri)
        seen, data = await ports.compute.run(lambda: (hashlib.sha256(old).hexdigest(), change(old)))
        _check_size(len(data), WRITE_BYTES_MAX, str(uri))
        return await _commit((await _operation(uri, data, WriteMode.REPLACE, ports, expect=seen),), tenant)

    return await retrying(attempt, key_of(caller.account, uri), ports=ports)


async def _append(uri: Uri, more: bytes, caller: Caller, ports: Ports) -> Written:
    tenant = ports.ledger.tenant(caller)

    async def attempt() -> Written:
        return await _commit((await _appended(uri, more, tenant, ports),), tenant)

    return await retrying(attempt, key_of(caller.account, uri), ports=ports)


async def _appended(uri: Uri, more: bytes, tree: Tree, ports: Ports) -> PutFile:
    """Return the operation that appends ``more``; it stores and indexes only the new text."""
    old = await tree.read(uri)
    _check_size(len(old) + len(more), WRITE_BYTES_MAX, str(uri))
    return await append_file(uri, old, more, ports)


async def _commit(puts: Sequence[PutFile], commits: Commits) -> Written:
    receipt = await commits.commit(Commit(tuple(puts), jobs_after(puts)))
    waiting = sum(1 for p in puts if p.chunks is None)
    return Written(
        receipt.created,
        receipt.updated,
        receipt.unchanged,
        sum(p.size for p in puts),
        indexed=waiting == 0,
        pending=waiting,
    )


async def _operation(uri: Uri, data: bytes, mode: WriteMode, ports: Ports, *, expect: str = "") -> PutFile:
    return await put_file(uri, data, await prepare(uri, data, ports), ports, mode=mode, expect=expect)


def _check_kind(uri: Uri, mode: str) -> None:
    if mode not in {"replace", "append", "create"}:
        raise Invalid(f"mode {mode!r} is unknown", remedy="use replace, append or create", details={"field": "mode"})
    suffix = f".{uri.name.rsplit('.', 1)[-1].lower()}" if "." in uri.name else ""
    if mode == "create" and suffix not in CREATABLE:
        raise Invalid(
            f"a file ending in {suffix or 'nothing'} cannot be created as text",
            remedy=f"use one of {' '.join(sorted(CREATABLE))}, or upload it",
            details={"uri": str(uri)},
        )


def _check_batch(root: Uri, operations: Sequence[Operation]) -> None:
    if not operations or len(operations) > BATCH_OPERATIONS_MAX:
        raise Invalid(
            f"{len(operations)} operations in one batch",
            remedy=f"send 1 to {BATCH_OPERATIONS_MAX}",
            code="INVALID_ARGUMENT" if not operations else "RESOURCE_EXHAUSTED",
        )
    seen: set[Uri] = set()
    for each in operations:
        check_write(each.uri)
        _check_size(len(each.data), WRITE_BYTES_MAX, str(each.uri))
        if each.uri in seen or not each.uri.under(root) or each.uri == root:
            raise Invalid(
                f"{each.uri} is {'named twice' if each.uri in seen else f'not below {root}'}",
                remedy="name every file once, below root_uri",
                details={"uri": str(each.uri)},
            )
        seen.add(each.uri)
    _check_size(sum(len(o.data) for o in operations), BATCH_BYTES_MAX, "the batch")


def _check_size(size: int, most: int, what: str) -> None:
    if size > most:
        raise Invalid(
            f"{what} is {size} bytes",
            remedy=f"at most {most} bytes; upload larger files with temp_upload and add them as resources",
            code="RESOURCE_EXHAUSTED",
        )


async def replace_sidecar(uri: Uri, change: Callable[[str], str], caller: Caller, ports: Ports) -> Written:
    """Replace a sidecar by ``change`` of its present body. The other sidecar is unchanged, even by a concurrent writer.
    Raises ``NotFound`` and ``Invalid``."""
    tenant = ports.ledger.tenant(caller)

    return await retrying(lambda: _replace(uri, change, tenant), key_of(caller.account, uri.parent), ports=ports)


async def _replace(uri: Uri, change: Callable[[str], str], tenant: Tenant) -> Written:
    directory = await tenant.stat(uri.parent)
    old = await tenant.tiers(uri.parent)
    if old is None or not directory.is_dir:
        raise only_replaced(uri)
    level = SIDECARS[uri.name]
    text = change((old.abstract, old.overview)[level])
    body, most = body_of(text, str(uri)), (ABSTRACT_CHARS_MAX, OVERVIEW_CHARS_MAX)[level]
    if len(body) > most:
        raise Invalid(
            f"{uri.name} is {len(body)} characters long", remedy=f"at most {most}", details={"field": "content"}
        )
    tiers = pin(level, body, old)
    put = SetTiers(directory.id, directory.version, tiers, chunks_of_tiers(uri.parent, tiers), checked=True, own=old)
    receipt = await tenant.commit(Commit((put,), FOLLOW_UP_JOBS))
    if receipt.stale:
        raise Conflict(f"{uri} has changed meanwhile", remedy="read it again", code="ABORTED")
    return Written((), (uri,), (), len(text.encode("utf-8", "replace")), indexed=True, pending=0)


def only_replaced(uri: Uri) -> Invalid:
    """Return the error for every other way to write a sidecar."""
    return Invalid(
        f"{uri} can only be replaced, once it exists",
        remedy="wait until the directory is summarised, then write with mode replace",
        details={"uri": str(uri)},
    )
