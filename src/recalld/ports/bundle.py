"""All ports of one store in one object, built once by ``app/build``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from recalld.domain.policy import CostPolicy, DayPolicy, Deadlines, SessionPolicy

from .archive import Archives
from .blobs import Blobs
from .clock import Clock
from .compute import Compute
from .embedder import Embedder
from .history import History
from .index import SearchIndex
from .jobs import JobQueue
from .ledger import Ledger
from .maintenance import Backlog, Cleanup, Compactable, DerivedState, DiskUsage, Maintenance, Rebuildable, Stats
from .model import DailyUsage, Model, Writer
from .parser import Parser
from .registry import Registry
from .reranker import Reranker
from .source import OpenSource
from .stages import Stages
from .turns import Turns


def no_linger(text: str) -> float:
    """Return 0: a local embedder needs no lingering."""
    return 0.0


@dataclass(frozen=True, slots=True)
class Ports:
    """What use cases may use. ``embedders``: each has a vote in a search, the first one's vectors come first; (): recall is
    lexical by choice. ``reranker`` None: fused order by choice.

    ``linger_s(query)``: how long index lookups may wait to be batched while the query is being embedded.

    ``model`` answers at once and costs nothing; ``writer``: the language model that betters its words later (None: there is
    none), within ``costs``. ``days``: what embedders and reranker may cost, by name, where they answer over a
    network and what they are sent is counted.

    ``turns``: whose turn it is to change a thing that several want to change at once.

    ``derived``: what is known of full text and vectors.

    ``strict_filters``: a filter by what is not known here is refused instead of named.

    ``uploads``: where uploads lie. Jobs name those of this folder relative to it, so that the store can be moved.
    """

    ledger: Ledger
    jobs: JobQueue
    backlog: Backlog
    cleanup: Cleanup
    stats: Stats
    registry: Registry
    history: History
    blobs: Blobs
    index: SearchIndex
    embedders: tuple[Embedder, ...]
    reranker: Reranker | None
    model: Model
    parser: Parser
    open_source: OpenSource
    archives: Archives
    compute: Compute
    clock: Clock
    stages: Stages
    uploads: Path = Path("uploads")
    linger_s: Callable[[str], float] = no_linger
    deadlines: Deadlines = Deadlines()
    strict_filters: bool = False
    session_policy: SessionPolicy = SessionPolicy()
    writer: Writer | None = None
    costs: CostPolicy = CostPolicy()
    days: Mapping[str, DayPolicy] = field(default_factory=dict)
    daily_usage: DailyUsage = field(default_factory=DailyUsage)
    derived: DerivedState = field(default_factory=DerivedState)
    turns: Turns = field(default_factory=Turns)


@dataclass(frozen=True, slots=True, kw_only=True)
class PrimaryPorts(Ports):
    """The ports of the process that opened the store. ``rebuilding``, ``compaction``, ``disk``: capabilities; None: this store
    has none."""

    maintenance: Maintenance
    rebuilding: Rebuildable | None = None
    compaction: Compactable | None = None
    disk: DiskUsage | None = None
