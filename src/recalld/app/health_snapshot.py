"""An engine's health, read without calling any other part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from recalld.domain.histogram import Histogram
from recalld.domain.job import QueueCount
from recalld.domain.results import Readiness
from recalld.infra.watchdog import LoopLag
from recalld.ports.maintenance import ProviderUsage, Usage

from .resilient_client import ProviderState


@dataclass(frozen=True, slots=True)
class ModelHealth:
    """One model: its purpose, its name, and ok or the problem."""

    role: str
    name: str
    state: str


@dataclass(frozen=True, slots=True)
class HealthSnapshot:
    """The latest measurements.

    ``usage`` None and ``probe_s`` 0: not measured yet. ``measured_ago_s``: age of the last successful probe write and
    read, infinite before the first. ``queues``: jobs by kind over all users. ``providers``: providers behind a network.
    ``provider_usage``: calls and tokens by provider and purpose since the store was created. ``stages``: durations of
    search stages by name.
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
