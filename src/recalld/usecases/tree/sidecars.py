"""Writes a directory's abstract or overview. It stays until the caller changes it; a refresh never replaces it."""

from __future__ import annotations

from collections.abc import Callable

from recalld.domain.caller import Caller
from recalld.domain.commit import Commit, SetTiers
from recalld.domain.errors import Conflict, Invalid
from recalld.domain.policy import ABSTRACT_CHARS_MAX, OVERVIEW_CHARS_MAX
from recalld.domain.results import Written
from recalld.domain.uri import Uri
from recalld.ports.bundle import Ports
from recalld.ports.ledger import Tenant
from recalld.rules.address import SIDECARS
from recalld.rules.chunks import chunks_of_tiers
from recalld.rules.sidecar import body_of, pin
from recalld.usecases.retrying import key_of, retrying

from .follow_up import FOLLOW_UP_JOBS


async def replace_sidecar(uri: Uri, change: Callable[[str], str], caller: Caller, ports: Ports) -> Written:
    """Replace a sidecar by ``change`` of its present body. The other sidecar is unchanged, even by a concurrent writer.
    Raises ``NotFound`` and ``Invalid``."""
    tenant = ports.ledger.tenant(caller)

    async def attempt() -> Written:
        return await _replace(uri, change, tenant)

    return await retrying(attempt, key_of(caller.account, uri.parent), ports=ports)


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
