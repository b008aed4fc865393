"""Stores private values: plain files below ``viking://user/{me}/privacy``, never indexed, each change one commit."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from recalld.domain.caller import Caller
from recalld.domain.commit import Commit, PutFile, WriteMode
from recalld.domain.document import Tiers
from recalld.domain.errors import Conflict, Invalid, NotFound
from recalld.domain.node import Node
from recalld.domain.privacy import PrivacyConfig, PrivacyMeta, PrivacyVersion
from recalld.domain.uri import Uri
from recalld.ports.bundle import Ports
from recalld.ports.ledger import Tenant, Tree
from recalld.rules.openviking_json import iso
from recalld.rules.privacy import (
    META_FILE,
    VERSIONS_MAX,
    privacy_name,
    read_meta,
    read_version,
    version_file,
    version_of,
    written,
)
from recalld.usecases.retrying import key_of, retrying
from recalld.usecases.tree.prepare import inline

OVERTAKEN = frozenset({"ABORTED", "ALREADY_EXISTS"})
ENTRIES_MAX = 10_000


@dataclass(frozen=True, slots=True)
class PrivacyUpdate:
    """New values. ``labels`` None: unchanged. ``merge``: other values of the active version stay; ``without``: the
    field to remove."""

    values: Mapping[str, Any]
    change_reason: str = ""
    labels: Any = None
    merge: bool = False
    without: str = ""


def place_of(caller: Caller, category: str | None = None, key: str | None = None) -> Uri:
    """Return the address of a caller's private values. Raises ``Invalid`` for an invalid name."""
    uri = Uri(("user", caller.user, "privacy"))
    if category is not None:
        uri = uri / privacy_name(category, "category")
    return uri if key is None else uri / privacy_name(key, "key")


async def names_below(uri: Uri, caller: Caller, ports: Ports) -> list[str]:
    """Return categories, or the keys of one, by name. Raises ``NotFound``."""
    return [node.uri.name for node in await _entries(uri, caller, ports) if node.is_dir]


async def versions_of(uri: Uri, caller: Caller, ports: Ports) -> list[int]:
    """Return a document's versions, oldest first. Raises ``NotFound``."""
    return sorted(n for node in await _entries(uri, caller, ports) if (n := version_of(node.uri.name)))


async def _entries(uri: Uri, caller: Caller, ports: Ports) -> list[Node]:
    try:
        return await ports.ledger.tenant(caller).list(uri, limit=ENTRIES_MAX)
    except NotFound as gone:
        raise _missing(uri) from gone


async def config_of(uri: Uri, caller: Caller, ports: Ports) -> PrivacyConfig:
    """Return a document with its active version. Raises ``NotFound``."""
    tenant = ports.ledger.tenant(caller)
    meta = read_meta(await _read(uri / META_FILE, uri, tenant))
    return PrivacyConfig(meta, await _version(uri, meta.active, tenant))


async def version(uri: Uri, number: int, caller: Caller, ports: Ports) -> PrivacyVersion:
    """Return one version. Raises ``NotFound``."""
    return await _version(uri, number, ports.ledger.tenant(caller))


async def upsert(uri: Uri, update: PrivacyUpdate, caller: Caller, ports: Ports) -> PrivacyConfig:
    """Add a version and activate it; a new document is created. Raises ``Invalid``."""
    tenant = ports.ledger.tenant(caller)
    return await retrying(
        lambda: _upsert(uri, update, tenant, ports), key_of(caller.account, uri), ports=ports, codes=OVERTAKEN
    )


async def _upsert(uri: Uri, update: PrivacyUpdate, tenant: Tenant, ports: Ports) -> PrivacyConfig:
    now = iso(ports.clock.now())
    old, expect = await _meta(uri, tenant)
    latest = old.latest + 1 if old is not None else 1
    if latest > VERSIONS_MAX:
        raise Invalid(f"{uri} has {VERSIONS_MAX} versions", remedy="use another key", code="RESOURCE_EXHAUSTED")
    labels = update.labels if update.labels is not None or old is None else old.labels
    new_version = PrivacyVersion(latest, await _values(uri, update, old, tenant), update.change_reason, labels, now)
    began = old.created_at if old is not None else now
    meta = PrivacyMeta(uri.parent.name, uri.name, latest, latest, labels, began, now)
    puts = (
        await _file(uri / version_file(latest), written(new_version), WriteMode.CREATE, "", ports),
        await _meta_file(uri, meta, expect, ports),
    )
    try:
        await tenant.commit(Commit(puts))
    except NotFound as removed:
        raise Conflict(f"{uri} was removed meanwhile", remedy="try again", code="ABORTED") from removed
    return PrivacyConfig(meta, new_version)


async def _values(uri: Uri, update: PrivacyUpdate, old: PrivacyMeta | None, tree: Tree) -> dict[str, Any]:
    if update.without and old is None:
        raise _missing(uri)
    if old is None or not (update.merge or update.without):
        return dict(update.values)
    former = (await _version(uri, old.active, tree)).values
    if update.without and update.without not in former:
        raise _missing(uri)
    return {name: value for name, value in {**former, **update.values}.items() if name != update.without}


async def activate(uri: Uri, number: int, caller: Caller, ports: Ports) -> PrivacyConfig:
    """Activate a version. Raises ``NotFound``."""
    tenant = ports.ledger.tenant(caller)

    async def attempt() -> PrivacyConfig:
        meta, expect = await _meta(uri, tenant)
        if meta is None:
            raise _missing(uri)
        chosen = await _version(uri, number, tenant)
        changed = replace(meta, active=number, updated_at=iso(ports.clock.now()))
        await tenant.commit(Commit((await _meta_file(uri, changed, expect, ports),)))
        return PrivacyConfig(changed, chosen)

    return await retrying(attempt, key_of(caller.account, uri), ports=ports, codes=OVERTAKEN)


async def _meta(uri: Uri, tree: Tree) -> tuple[PrivacyMeta | None, str]:
    """Return a document's metadata and the hash of its file; None, "" if it does not exist."""
    try:
        data = await tree.read(uri / META_FILE)
    except NotFound:
        return None, ""
    return read_meta(data), hashlib.sha256(data).hexdigest()


async def _meta_file(uri: Uri, meta: PrivacyMeta, expect: str, ports: Ports) -> PutFile:
    return await _file(uri / META_FILE, written(meta), WriteMode.REPLACE if expect else WriteMode.CREATE, expect, ports)


async def _file(uri: Uri, data: bytes, mode: WriteMode, expect: str, ports: Ports) -> PutFile:
    return PutFile(
        uri,
        mode,
        hashlib.sha256(data).hexdigest(),
        len(data),
        "application/json",
        data=await inline(data, ports),
        # No chunks and no tiers: private values are only read by address.
        chunks=(),
        tiers=Tiers(""),
        expect=expect,
    )


async def _version(uri: Uri, number: int, tree: Tree) -> PrivacyVersion:
    return read_version(await _read(uri / version_file(number), uri, tree))


async def _read(file: Uri, uri: Uri, tree: Tree) -> bytes:
    try:
        return await tree.read(file)
    except NotFound as gone:
        raise _missing(uri if file.name == META_FILE else file) from gone


def _missing(uri: Uri) -> NotFound:
    return NotFound(
        f"Privacy config not found: {'/'.join(uri.parts[3:]).removesuffix('.json')}",
        remedy="list the categories and their keys to see those there are",
        details={"type": "privacy_config", "resource": str(uri)},
    )
