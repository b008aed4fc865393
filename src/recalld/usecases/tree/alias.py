"""Reads documents at OpenViking's address for them. Such addresses are never listed, written or removed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from recalld.domain.caller import Caller
from recalld.domain.document import Tiers
from recalld.domain.errors import NotFound
from recalld.domain.node import Kind, Node
from recalld.domain.uri import Uri
from recalld.ports.bundle import Ports
from recalld.rules.address import document_at
from recalld.rules.sidecar import not_ready

T = TypeVar("T")


async def read_with_alias(uri: Uri, read: Callable[[Uri], Awaitable[T]], caller: Caller, ports: Ports) -> T:
    """Return ``read(uri)``; if nothing is there, the same for the imported document that OpenViking stores at that
    address. Raises ``NotFound`` for ``uri`` if there is none either."""
    try:
        return await read(uri)
    except NotFound as missing:
        found = await _document(uri, caller, ports) if uri.name.endswith(".md") else None
        if found is None:
            raise
        try:
            return await read(found.uri)
        except NotFound:  # removed meanwhile
            raise missing from None


async def read_tier_with_alias(
    uri: Uri, level: int, read: Callable[[Uri, int], Awaitable[str]], caller: Caller, ports: Ports
) -> str:
    """Return a directory's abstract (0) or overview (1); without such a directory, those of the imported document that
    OpenViking stores in it."""
    try:
        return await read(uri, level)
    except NotFound as missing:
        found = await _document(uri, caller, ports)
        if found is None:
            raise
        try:
            tiers = await ports.ledger.tenant(caller).tiers(found.uri)
        except NotFound:
            raise missing from None
    return _text(tiers, level) or not_ready(found.uri, level)


def _text(tiers: Tiers | None, level: int) -> str:
    if tiers is None:
        return ""
    return tiers.overview or tiers.abstract if level else tiers.abstract


async def _document(uri: Uri, caller: Caller, ports: Ports) -> Node | None:
    other = document_at(uri)
    if other is None:
        return None
    try:
        node = await ports.ledger.tenant(caller).stat(other)
    except NotFound:
        return None
    return node if node.kind is Kind.FILE and node.source.get("path") else None
