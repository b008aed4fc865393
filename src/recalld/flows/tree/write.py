"""Write files: one or many, each with everything the next search needs, in one commit."""

from __future__ import annotations

from collections.abc import Sequence

from recalld.domain.caller import Caller
from recalld.domain.commit import Commit, PutFile, Receipt, SetTiers, WriteMode
from recalld.domain.errors import Conflict, Invalid
from recalld.domain.job import Lane, NewJob
from recalld.domain.policy import (
    ABSTRACT_CHARS_MAX,
    BATCH_BYTES_MAX,
    BATCH_OPERATIONS_MAX,
    OVERVIEW_CHARS_MAX,
    WRITE_BYTES_MAX,
)
from recalld.domain.report import Operation, Written
from recalld.domain.uri import Uri
from recalld.ports.doors import Doors
from recalld.ports.ledger import Tenant
from recalld.rules.address import CREATABLE, SIDECARS, check_write
from recalld.rules.chunks import chunks_of_tiers
from recalld.rules.sidecar import body_of, pin

from .shape import put_file, shape

APPEND_TRIES = 5
FOLLOWING = (NewJob("tiers", "tiers", delay_s=0.2), NewJob("embed", "embed"))
"""What every change of content leaves to do: refresh tiers above it, embed new chunks. Folded by key."""


async def write(uri: Uri, data: bytes, mode: str, caller: Caller, doors: Doors) -> Written:
    """Write one file; ``mode`` replace (makes a missing file), append (refuses one), create (refuses an existing one)."""
    tenant = doors.ledger.tenant(caller)
    if uri.name in SIDECARS:
        return await _replace_sidecar(uri, data, mode, tenant)
    check_write(uri)
    _check_size(len(data), WRITE_BYTES_MAX, str(uri))
    _check_kind(uri, mode)
    if mode == "append":
        return await _append(uri, data, tenant, doors)
    operation = await _operation(uri, data, WriteMode.CREATE if mode == "create" else WriteMode.UPSERT, doors)
    return _written(await tenant.commit(Commit((operation,), jobs_after((operation,)))), (operation,))


async def write_many(root: Uri, operations: Sequence[Operation], caller: Caller, doors: Doors) -> Written:
    """Write up to 256 files below ``root`` in one commit: all or none."""
    _check_batch(root, operations)
    tenant = doors.ledger.tenant(caller)
    puts = []
    for each in operations:
        data, expect = each.data, ""
        if each.append:
            old = await tenant.read(each.uri)
            expect, data = (await tenant.stat(each.uri)).hash, old + each.data
        puts.append(await _operation(each.uri, data, each.mode, doors, expect=expect))
    return _written(await tenant.commit(Commit(tuple(puts), jobs_after(puts))), puts)


async def _append(uri: Uri, data: bytes, tenant: Tenant, doors: Doors) -> Written:
    for _ in range(APPEND_TRIES):
        before = await tenant.stat(uri)
        whole = await tenant.read(uri) + data
        _check_size(len(whole), WRITE_BYTES_MAX, str(uri))
        operation = await _operation(uri, whole, WriteMode.REPLACE, doors, expect=before.hash)
        try:
            return _written(await tenant.commit(Commit((operation,), jobs_after((operation,)))), (operation,))
        except Conflict as changed:
            if changed.code != "ABORTED":
                raise
    raise Conflict(
        f"{uri} kept changing",
        remedy="try the append again",
        code="CONFLICT",
        details={"uri": str(uri), "retryable": True},
    )


async def _replace_sidecar(uri: Uri, data: bytes, mode: str, tenant: Tenant) -> Written:
    """A caller's own abstract or overview: kept until the caller changes it, never made over by a refresh."""
    directory = await tenant.stat(uri.parent)
    old = await tenant.tiers(uri.parent)
    if mode != "replace" or old is None or not directory.is_dir:
        raise Invalid(
            f"{uri} can only be replaced, once it exists",
            remedy="wait until the directory is summarised, then write with mode replace",
            details={"uri": str(uri)},
        )
    level = SIDECARS[uri.name]
    body, most = body_of(data.decode("utf-8", "replace"), str(uri)), (ABSTRACT_CHARS_MAX, OVERVIEW_CHARS_MAX)[level]
    if len(body) > most:
        raise Invalid(
            f"{uri.name} is {len(body)} characters long", remedy=f"at most {most}", details={"field": "content"}
        )
    tiers = pin(level, body, old)
    change = SetTiers(directory.id, directory.version, tiers, chunks_of_tiers(uri.parent, tiers))
    await tenant.commit(Commit((change,), FOLLOWING))
    return Written((), (uri,), (), len(data), indexed=True, pending=0)


async def _operation(uri: Uri, data: bytes, mode: WriteMode, doors: Doors, *, expect: str = "") -> PutFile:
    return await put_file(uri, data, await shape(uri, data, doors), doors, mode=mode, expect=expect)


def jobs_after(puts: Sequence[PutFile]) -> tuple[NewJob, ...]:
    """What writing these files leaves to do."""
    later = tuple(
        NewJob("shape", f"shape:{p.uri}", {"uri": str(p.uri)}, lane=Lane.INTERACTIVE)
        for p in puts
        if p.chunks is None or p.tiers is None
    )
    return (*later, *FOLLOWING)


def _written(receipt: Receipt, puts: Sequence[PutFile]) -> Written:
    waiting = sum(1 for p in puts if p.chunks is None)
    return Written(
        receipt.created,
        receipt.updated,
        receipt.unchanged,
        sum(p.size for p in puts),
        indexed=waiting == 0,
        pending=waiting,
    )


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
