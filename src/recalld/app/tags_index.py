"""Operations on the index: tags, reindexing, and consistency."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from recalld.domain.errors import Invalid
from recalld.domain.results import Attributes, Consistency, Reindexing, Tagged
from recalld.usecases.maintenance import reindex
from recalld.usecases.tree import tags as tagging

from .operations import Operations

MISSING_SHOWN_MAX = 100


class IndexOperations(Operations):
    """The index of what a caller may see."""

    async def attributes(self, uri: str) -> Attributes:
        """Return the tags of an entry, and of a memory also its fields.

        Raises ``NotFound``.
        """
        return await tagging.attributes(self._uri(uri), self.caller, self._ports)

    async def set_tags(
        self, uri: str, tags: Sequence[str], *, mode: str = "replace", recursive: bool = False
    ) -> Tagged:
        """Set ``key=value`` tags of an entry, or with ``recursive`` of everything at and below it.

        ``mode`` is ``replace`` (all tags) or ``append`` (a later value of a key wins). Raises ``NotFound``, and ``Invalid`` for an
        unknown mode or too many entries.
        """
        return await tagging.set_tags(
            self._uri(uri), tags, append=_appends(mode), recursive=recursive, caller=self.caller, ports=self._ports
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
        """Start to rebuild the index of a subtree. The task of the result has the outcome.

        ``mode`` is ``vectors_only``, ``semantic_and_vectors`` or ``prune_orphans``. Raises ``NotFound``, ``Denied``, and
        ``Conflict`` while another reindex of the address runs.
        """
        return await reindex.begin(
            self._uri(uri),
            mode,
            recursive=recursive,
            tags=tags,
            append=_appends(tag_mode),
            caller=self.caller,
            ports=self._ports,
        )

    async def would_prune(self, uri: str) -> dict[str, Any]:
        """Return what a reindex with the mode ``prune_orphans`` would delete.

        Raises ``NotFound``.
        """
        return await reindex.would_prune(self._uri(uri), self.caller, self._ports)

    async def consistency(self, uri: str) -> Consistency:
        """Return whether everything at and below an address is in the index.

        Raises ``NotFound``.
        """
        return await self._ports.ledger.tenant(self.caller).consistency(self._uri(uri), first=MISSING_SHOWN_MAX)


def _appends(mode: str) -> bool:
    if mode not in {"replace", "append"}:
        raise Invalid(f"mode {mode!r} is unknown", remedy="use replace or append", details={"field": "mode"})
    return mode == "append"
