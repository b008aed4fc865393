"""Tags and attributes, reindexing, and the consistency of the index."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from recalld.domain.caller import Caller
from recalld.domain.errors import Invalid
from recalld.domain.results import Attributes, Consistency, Reindexing, Tagged
from recalld.domain.uri import Uri
from recalld.ports.bundle import Ports
from recalld.rules.address import resolve
from recalld.usecases.maintenance import reindex
from recalld.usecases.tree import tags as tagging

MISSING_SHOWN_MAX = 100


class IndexOperations:
    """Operations on the tree of one caller. Addresses are texts."""

    def __init__(self, ports: Ports, caller: Caller) -> None:
        self._ports = ports
        self._caller = caller

    def _uri(self, text: str) -> Uri:
        return resolve(text, self._caller, self._ports.clock.now())

    async def attributes(self, uri: str) -> Attributes:
        """Return tags and, for a memory, its fields. Raises ``NotFound``."""
        return await tagging.attributes(self._uri(uri), self._caller, self._ports)

    async def set_tags(
        self, uri: str, tags: Sequence[str], *, mode: str = "replace", recursive: bool = False
    ) -> Tagged:
        """Set tags; ``mode``: replace, or append (the last value of a key wins)."""
        return await tagging.set_tags(
            self._uri(uri), tags, append=_appends(mode), recursive=recursive, caller=self._caller, ports=self._ports
        )

    async def reindex(
        self,
        uri: str,
        *,
        mode: str = "vectors_only",
        recursive: bool = True,
        tags: Sequence[str] = (),
        tag_mode: str = "replace",
    ) -> Reindexing:
        """Start rebuilding the index of a subtree; the task has the result. Raises ``Conflict`` while one runs
        there."""
        return await reindex.begin(
            self._uri(uri),
            mode,
            recursive=recursive,
            tags=tags,
            append=_appends(tag_mode),
            caller=self._caller,
            ports=self._ports,
        )

    async def would_prune(self, uri: str) -> dict[str, Any]:
        """Return what a reindex with mode prune_orphans would delete."""
        return await reindex.would_prune(self._uri(uri), self._caller, self._ports)

    async def consistency(self, uri: str) -> Consistency:
        """Return whether everything at and below an address is indexed. Raises ``NotFound``."""
        return await self._ports.ledger.tenant(self._caller).consistency(self._uri(uri), first=MISSING_SHOWN_MAX)


def _appends(mode: str) -> bool:
    if mode not in {"replace", "append"}:
        raise Invalid(f"mode {mode!r} is unknown", remedy="use replace or append", details={"field": "mode"})
    return mode == "append"
