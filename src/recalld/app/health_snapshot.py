"""What an engine knows of itself without asking anybody."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from recalld.domain.histogram import Histogram
from recalld.domain.job import QueueCount
from recalld.domain.results import Readiness
from recalld.infra.watchdog import LoopLag
from recalld.ports.ledger import ProviderUsage, Usage

from .resilient_client import ProviderState


@dataclass(frozen=True, slots=True)
class ModelHealth:
    """One model: what it is for, its name, and the word ok or what is wrong with it."""

    role: str
    name: str
    state: str


@dataclass(frozen=True, slots=True)
class HealthSnapshot:
    """The last measurements, all at hand.

    ``usage`` None and ``probe_s`` 0: nothing was measured yet. ``measured_ago_s``: the age of the last good write and
    read, infinite before the first. ``queues``: jobs by kind, of all users together. ``providers``: what answers over a network.
    ``provider_usage``: calls and tokens by provider and purpose since
    the store was made. ``stages``: durations of the steps of a search, by name.
    """

    readiness: Readiness
    loop_lag: LoopLag
    queues: tuple[QueueCount, ...]
    usage: Usage | None
    probe_s: float
    measured_ago_s: float
    models: tuple[ModelHealth, ...]
    worker_starts: int
    providers: tuple[ProviderState, ...] = ()
    provider_usage: tuple[ProviderUsage, ...] = ()
    stages: Mapping[str, Histogram] = field(default_factory=dict)
