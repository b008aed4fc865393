"""The backlog: reads of what background jobs still have to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from recalld.domain.caller import Caller
from recalld.domain.document import Tiers
from recalld.domain.node import Node
from recalld.domain.results import Consistency, VectorCount
from recalld.domain.uri import Uri


@dataclass(frozen=True, slots=True)
class ChunkRow:
    """A chunk as stored, without its terms. ``text`` is its stretch of the node's text."""

    id: int
    node_id: int
    level: int
    text: str


@dataclass(frozen=True, slots=True)
class IndexableNode:
    """A living node that the index may hold. ``partition``: as whom it is indexed. ``bare``: it has no tiers, though it may."""

    partition: Caller
    node: Node
    bare: bool


@dataclass(frozen=True, slots=True)
class StaleDir:
    """A directory whose tiers are behind, with what its new tiers are made from.

    ``entries``: its children (directories and files, hidden and messages left out) in name order with their abstracts,
    at most ``entries_max`` of ``total``; ``own`` its present tiers (None = never made).
    """

    node: Node
    seq: int
    entries: tuple[Node, ...]
    total: int
    own: Tiers | None


class IndexCoverage(Protocol):
    """How complete the index of one caller is."""

    async def consistency(self, uri: Uri, *, first: int) -> Consistency:
        """Whether what lies at and below ``uri`` (200,000 nodes of it) is in the index, with the ``first`` records that
        are not. Raises ``NotFound``."""

    async def vectors(self) -> VectorCount:
        """How many pieces of the caller's own and the account's shared partition have a vector."""


class Backlog(Protocol):
    """What is left to do, of all callers."""

    async def partitions(self) -> list[Caller]:
        """Every partition: users' own (account, user) and shared ones (account, "")."""

    async def stale_dirs(self, caller: Caller, *, limit: int, entries_max: int) -> list[StaleDir]:
        """Stale directories of the caller's own tree (or of the account's shared tree for user ""), deepest first."""

    async def unwritten(self, caller: Caller, *, by: str, limit: int) -> list[int]:
        """Ids of resource files and directories of the caller's own tree (or of the account's shared tree for user "") whose
        tiers a language model should write: neither made by the writer whose mark is ``by`` nor by a caller. Deepest first."""

    async def tiered(self, caller: Caller, node_id: int, *, entries_max: int) -> StaleDir | None:
        """A directory or file as it is now with what its tiers are made from (a file has no entries); None if it has gone."""

    async def node_text(self, caller: Caller, node_id: int) -> tuple[Node, bytes] | None:
        """A node by id with its bytes, None if it has gone."""

    async def cached_tiers(self, key: str) -> Tiers | None:
        """What ``KeepMade`` kept under this key."""

    async def unembedded(self, caller: Caller, *, fingerprint: str, limit: int) -> list[ChunkRow]:
        """Chunks without a vector of this model, newest messages first, with their texts."""

    async def unindexed(self, caller: Caller, uri: Uri, *, after: int, limit: int) -> list[Node]:
        """Files and messages at and below ``uri`` without a chunk of their text, or with a part of them alone, with
        id > ``after``, in id order. Raises ``NotFound``."""

    async def indexable(self, *, after: int, limit: int) -> tuple[list[IndexableNode], int]:
        """Of the next ``limit`` nodes of all users with id > ``after``, in id order, those that the index may hold, and the id
        after which to go on (0 = that was the last)."""

    async def idle_sessions(self, *, now: float, limit: int) -> list[tuple[Caller, str]]:
        """Sessions of any user with live messages whose policy's ``idle_timeout_seconds`` have passed since the last one."""
