"""The store as a whole: what it holds and still has to do, what keeps it sound, and what of it can be built again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from recalld.domain.caller import Caller
from recalld.domain.document import Tiers
from recalld.domain.job import QueueCount
from recalld.domain.node import Node
from recalld.domain.results import Consistency, DiskSpace, Progress, VectorCount
from recalld.domain.uri import Uri

LEXICON, VECTORS = "lexicon", "vectors"
INDEXES, CHUNKS, TIERS = "indexes", "chunks", "tiers"
"""Indexes of tables, and the tables of chunks and of tiers: without them the catalog is not complete."""
CATALOG = (INDEXES, CHUNKS, TIERS)
STORE = "store"
"""Suspected until the damaged part is known."""


@dataclass(slots=True)
class DerivedState:
    """What is known of derived data, shared by searches and by what rebuilds it. On one loop.

    ``suspects``: parts that failed with damage since they were last examined. ``rebuilding``: parts that are not complete.
    ``lost``: damaged tables that cannot be built again, since nothing else holds what they hold.
    """

    suspects: set[str] = field(default_factory=set)
    rebuilding: set[str] = field(default_factory=set)
    lost: frozenset[str] = frozenset()


class Rebuildable(Protocol):
    """A capability: the store finds damage in its derived parts and builds them again. A database server does this itself."""

    async def examine(self) -> frozenset[str]:
        """Read the whole store; returns the derived parts that are damaged, and names in ``DerivedState`` the tables that
        are lost. Takes as long as the store is large."""

    async def recreate(self, part: str) -> None:
        """Replace a damaged part by an empty one, to be filled by ``rebuild``; indexes are built again at once. A job compares
        the index with contents once chunks or tiers have kept what could be read of them."""

    async def rebuild(self) -> bool:
        """Do a slice of some milliseconds of what is to be filled again; False: nothing is left to do."""


@dataclass(frozen=True, slots=True)
class ProviderUsage:
    """Calls to a provider in a UTC day. ``day`` and ``account`` "": of all of them together. ``error``: what was wrong with the
    last call, made at ``at`` ("" = nothing)."""

    day: str
    account: str
    provider: str
    operation: str
    calls: int
    tokens_in: int
    tokens_out: int
    refused: int
    at: float
    error: str


@dataclass(frozen=True, slots=True)
class FileSizes:
    """Sizes of a store that is a file in the data folder. ``schema``: the version of its tables."""

    file_bytes: int
    wal_bytes: int
    schema: int


@dataclass(frozen=True, slots=True)
class Usage:
    """What the store holds, for status, doctor and metrics. ``files``: None where the store is no file in the data folder."""

    nodes: int
    chunks: int
    vectors: int
    messages: int
    sessions: int
    log_seq: int
    blob_bytes: int
    store_id: str
    files: FileSizes | None = None
    partitions: dict[str, int] = field(default_factory=dict)
    embedded: tuple[VectorCount, ...] = ()


class Stats(Protocol):
    """Counts of the whole store."""

    async def usage(self) -> Usage:
        """Counts and sizes. Indexes are counted, beside what is answered at once: call it seldom."""

    async def outdated_count(self) -> int:
        """How many nodes have tiers of an earlier derivation, removed ones included."""

    async def derivation(self) -> Progress | None:
        """How far texts of an earlier derivation are derived again; None: all are."""

    async def queues(self) -> list[QueueCount]:
        """Jobs by kind. ``done`` counts since the store was made."""

    async def provider_usage(self, *, since: str, account: str = "", whole: bool = False) -> list[ProviderUsage]:
        """Calls to providers since that day ("" = ever), of one account ("" = of all); ``whole``: days and accounts together."""


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

    async def vectors(self) -> tuple[VectorCount, ...]:
        """How many chunks of the caller's own and the account's shared partition have a vector, by configured model."""


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

    async def unembedded_partitions(self) -> list[Caller]:
        """The partitions with a chunk that lacks the vector of a configured model."""

    async def has_other_work(self) -> bool:
        """Return True if a job that goes before background work runs or is due, of any caller."""

    async def unindexed(self, caller: Caller, uri: Uri, *, after: int, limit: int) -> list[Node]:
        """Files and messages at and below ``uri`` without a chunk of their text, or with a part of them alone, with
        id > ``after``, in id order. Raises ``NotFound``."""

    async def indexable(self, *, after: int, limit: int) -> tuple[list[IndexableNode], int]:
        """Of the next ``limit`` nodes of all users with id > ``after``, in id order, those that the index may hold, and the id
        after which to go on (0 = that was the last)."""

    async def outdated(self, *, directories: bool, after: int, limit: int) -> tuple[list[IndexableNode], int]:
        """Of the next ``limit`` files (or ``directories``) of all users with tiers of an earlier derivation and id > ``after``, in
        id order, the living ones that are not private, and the id after which to go on (0 = those were the last)."""

    async def idle_sessions(self, *, now: float, limit: int) -> list[tuple[Caller, str]]:
        """Sessions of any user with live messages whose policy's ``idle_timeout_seconds`` have passed since the last one."""


class Cleanup(Protocol):
    """Writes to what all callers have."""

    async def purge(self, *, nodes_max: int) -> int:
        """Delete what was derived from up to ``nodes_max`` removed nodes, then the nodes of what is to be erased; returns how
        many it looked at (0 = clean). What was removed can be restored until ``prune`` has erased it."""

    async def repartition(self, *, account: str, node_id: int, chunks_max: int) -> int:
        """Bring up to ``chunks_max`` chunks of a subtree that moved to another partition over to it; 0 = all are there."""


@dataclass(frozen=True, slots=True)
class Verified:
    """A slice of contents and messages that were read and compared with their hashes: how many, their bytes, a sentence for each
    that is damaged or missing, and what to pass as ``after`` to go on ("" = that was the last)."""

    contents: int
    bytes: int
    damaged: tuple[str, ...]
    after: str


class VectorModel(Protocol):
    """What identifies the vectors of a model: see ``ports.embedder.Embedder``."""

    name: str
    width: int
    fingerprint: str


class Maintenance(Protocol):
    """What keeps a store sound."""

    async def configure_models(self, models: Sequence[VectorModel]) -> None:
        """Name the models whose vectors every chunk needs, in order (() = none). For a model that was not named before, all
        chunks are listed as unembedded, but for those that have its vector already."""

    async def probe(self) -> float:
        """One real write and read; returns seconds taken. Raises ``Upstream`` or ``Busy``."""

    async def check(self, *, repair: bool = False) -> list[str]:
        """Integrity check: what is wrong, one sentence each (repaired where ``repair``)."""

    async def prune(self, *, keep_s: float) -> int:
        """Erase what was removed more than ``keep_s`` seconds ago. Drop contents that no node has any more and no log entry of
        the last ``keep_s`` seconds names, tasks that ended long ago, vectors of models out of use, and blobs that nothing
        names; returns how many contents went. The log itself stays."""

    async def verify(self, *, after: str, bytes_max: int) -> Verified:
        """Compare the next contents with their hashes: at most ``bytes_max``, but at least one. What is damaged or missing is
        remembered until it verifies again."""

    async def verify_today(self, *, bytes_max: int) -> Verified:
        """The same behind the last slice, wherever a restart came between. A pass over all contents begins at most once a
        day: until then nothing is verified."""

    async def damaged(self) -> int:
        """How many contents did not verify when they were last looked at."""


class Compactable(Protocol):
    """A capability: removed data stays in the store's own files until they are compacted."""

    async def compact(self) -> None:
        """Make the store's file complete, without what was overwritten."""

    async def rewrite(self) -> None:
        """Rewrite the store without free and lost space. Writes wait meanwhile."""


class DiskUsage(Protocol):
    """A capability: the store lies on a disk of ours, with space set aside for removals."""

    async def disk_space(self) -> DiskSpace:
        """How the disk stands. Allocates the reserve for removals where it is missing and the disk has space for it."""
