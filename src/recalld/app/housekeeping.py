"""Background work of an open engine: probes its parts, sweeps leftovers, keeps its health."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from recalld.domain.caller import Caller
from recalld.domain.commit import Commit
from recalld.domain.errors import Busy, Corrupt, RecalldError, Upstream
from recalld.domain.histogram import Histogram
from recalld.domain.job import QueueCount
from recalld.domain.results import Progress, Readiness
from recalld.infra.logs import get_logger
from recalld.infra.watchdog import LoopLag, Watchdog
from recalld.ports.bundle import PrimaryPorts
from recalld.ports.embedder import Embedder
from recalld.ports.maintenance import ProviderUsage, Usage
from recalld.rules.breaker import Circuit
from recalld.usecases.maintenance.embed import enqueue_missing
from recalld.usecases.maintenance.enrich import take_up
from recalld.usecases.maintenance.provider_budget import DAY, USED_UP
from recalld.usecases.maintenance.rederive import enqueue_rederivation
from recalld.usecases.session.commit import enqueue_idle

from .config import Config
from .resilient_client import METERED, ProviderState, ResilientEmbedder, ResilientModel, ResilientReranker
from .store_maintenance import StoreMaintenance
from .usage import NOT_CONFIGURED, OK, budget_today, day_of, embedding_today, usage_today


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


PROBE_EVERY_S = 10.0
PROBE_OLD_S = 60.0
COUNT_EVERY_S = 60.0
"""The store is counted more rarely than it is probed: counting reads whole indexes."""
SWEEP_EVERY_S = 3_600.0
UPLOAD_KEPT_S = 12 * 3_600.0
LOOP_LATE_S = 0.25
OLDEST_JOB_S = 3_600.0
WELL = frozenset({OK, NOT_CONFIGURED})
PATIENT = frozenset({"enrich", "rederive"})
"""Jobs that may wait for another day; the reason is reported as ``model``."""
NOBODY = Caller(account="", user="")
"""Queries of all callers are recorded together: the client of a provider does not know the caller."""
RESILIENT = (ResilientEmbedder, ResilientReranker, ResilientModel)
log = get_logger("recalld.housekeeping")


class Watched(Protocol):
    """A part with a health state. ``starts``: how often it was started."""

    starts: int

    def state(self) -> str:
        """Return ok, or the problem."""


class Housekeeping:
    """Holds the latest measurements; ``readiness`` only reads them."""

    def __init__(self, ports: PrimaryPorts, config: Config, watchdog: Watchdog) -> None:
        self._ports = ports
        self._config = config
        self._watchdog = watchdog
        self._worker: Watched | None = None
        self._maintenance = StoreMaintenance(ports)
        self._store = "initializing"
        self._embedding: dict[str, str] = {}
        self._queues: list[QueueCount] = []
        self._derived: Progress | None = None
        self._usage: Usage | None = None
        self._provider_usage: tuple[ProviderUsage, ...] = ()
        self._budget = OK
        self._documents = OK
        self._unwell: frozenset[str] = frozenset()
        self._probe_s = 0.0
        self._probed_at = -float("inf")
        self._counted_at = -float("inf")
        self._swept_at = -float("inf")
        self._scanned_at = -float("inf")

    def watch(self, worker: Watched) -> None:
        """Include a worker process in the probes."""
        self._worker = worker

    async def keep(self) -> None:
        """Probe every ten seconds and sweep every hour, until cancelled."""
        while True:
            await self.round()
            await self._ports.clock.sleep(PROBE_EVERY_S)

    async def round(self) -> None:
        """Probe once; sweep and commit idle sessions if due."""
        await self._probe()
        await self._maintenance.round()
        now = self._ports.clock.monotonic()
        if self._config.session.idle_commit and now - self._scanned_at >= self._config.session.idle_scan_interval_s:
            self._scanned_at = now
            await _postponable("idle commits", enqueue_idle(self._ports))
        if now - self._swept_at >= SWEEP_EVERY_S:
            self._swept_at = now
            try:
                await self._sweep()
            except RecalldError as failed:
                log.warning("sweep postponed", error=str(failed))
            await self._maintenance.verify()
            await _postponable("missing vectors", enqueue_missing(self._ports))
            await _postponable("texts of an earlier version", enqueue_rederivation(self._ports))
            await _postponable("language model work", take_up(self._ports))

    async def _probe(self) -> None:
        try:
            self._probe_s = await self._ports.maintenance.probe()
            self._store, self._probed_at = "ok", self._ports.clock.monotonic()
            self._queues = await self._ports.stats.queues()
            self._derived = await self._ports.stats.derivation()
            if self._probed_at - self._counted_at >= COUNT_EVERY_S:
                self._provider_usage = tuple(await self._ports.stats.provider_usage(since="", whole=True))
                self._usage, self._counted_at = await self._ports.stats.usage(), self._probed_at
            await self._count()
        except RecalldError as failed:
            self._store = str(failed)
        self._embedding = {each.name: await self._embedding_state(each) for each in self._ports.embedders}
        self._log_changes()

    def _log_changes(self) -> None:
        """Log one line when a part fails, with reason and remedy, and one when it recovers."""
        now = {part: state for part, state in self.readiness().checks.items() if state not in WELL and part != "loop"}
        for part, state in now.items():
            if part not in self._unwell:
                log.warning("check failed", check=part, error=state)
        for part in self._unwell - now.keys():
            log.info("check recovered", check=part)
        self._unwell = frozenset(now)

    async def _count(self) -> None:
        """Record the usage of queries, and read the day's usage of all processes."""
        meters = [part.meter for part in (*self._ports.embedders, self._ports.reranker) if isinstance(part, METERED)]
        for meter in meters:
            if costs := meter.unrecorded():
                await self._ports.ledger.tenant(NOBODY).commit(Commit(costs))
                meter.mark_recorded(costs)
        today = await usage_today(self._ports)
        for meter in meters:
            now = day_of(today, meter.provider, meter.policy)
            meter.sync(self._ports.clock.stamp(DAY), now.calls_today, now.tokens_today)
        self._budget = budget_today(today, self._ports).state
        self._documents = embedding_today(today, self._ports)

    async def _embedding_state(self, embedder: Embedder) -> str:
        if isinstance(embedder, ResilientEmbedder):
            return OK  # a provider is judged by its calls: a probe would cost
        try:
            await embedder.embed(["ready?"], query=True)
        except Busy:
            return OK
        except RecalldError as failed:
            return str(failed)
        return OK

    async def _sweep(self) -> None:
        await self._ports.maintenance.prune(keep_s=self._config.storage.history_retention_days * 86_400)
        if self._ports.compaction is not None:
            await self._ports.compaction.compact()
        # The upload of an accepted import stays until the import is done, however long the store was closed.
        if not any(q.kind == "import" and q.pending + q.running for q in await self._ports.stats.queues()):
            await self._ports.compute.run(self._sweep_uploads, self._ports.clock.now() - UPLOAD_KEPT_S)

    def _sweep_uploads(self, before: float) -> None:
        folder = self._ports.uploads
        for path in folder.iterdir() if folder.is_dir() else ():
            if path.is_file() and path.stat().st_mtime < before:
                path.unlink(missing_ok=True)

    def _embedding_now(self, embedder: Embedder) -> str:
        """Return an embedder's state for queries, which this process embeds."""
        return (
            state_of(embedder)
            if isinstance(embedder, ResilientEmbedder)
            else self._embedding.get(embedder.name, "initializing")
        )

    def _embedding_states(self) -> str:
        """Return the worst state: of queries, and of documents, which a worker may embed."""
        if not self._ports.embedders:
            return NOT_CONFIGURED
        states = map(self._embedding_now, self._ports.embedders)
        return next((state for state in states if state != OK), self._documents)

    def _writer_state(self) -> str:
        """Return the language model's state from recorded usage, since a worker process calls it: the budget first,
        which lasts until the next day."""
        return state_of(self._ports.writer) if self._budget in {OK, NOT_CONFIGURED} else self._budget

    def health_snapshot(self) -> HealthSnapshot:
        """Return the latest measurements."""
        ports = self._ports
        models = [ModelHealth("embedder", each.name, self._embedding_now(each)) for each in ports.embedders]
        models = models or [ModelHealth("embedder", "none", NOT_CONFIGURED)]
        models.append(
            ModelHealth("reranker", ports.reranker.name if ports.reranker else "none", state_of(ports.reranker))
        )
        models.append(ModelHealth("model", ports.model.name, "ok"))
        if ports.writer is not None:
            models.append(ModelHealth("writer", ports.writer.name, self._writer_state()))
        # A separate worker calls the language model itself.
        own = (*ports.embedders, ports.reranker, *(() if self._worker is not None else (ports.writer,)))
        return HealthSnapshot(
            readiness=self.readiness(),
            loop_lag=self._watchdog.lag(),
            queues=tuple(self._queues),
            usage=self._usage,
            probe_s=self._probe_s,
            measured_ago_s=ports.clock.monotonic() - self._probed_at,
            models=tuple(models),
            providers=tuple(part.client.state for part in own if isinstance(part, RESILIENT)),
            provider_usage=self._provider_usage,
            stages=ports.stages.so_far(),
            worker_starts=self._worker.starts if self._worker is not None else 0,
        )

    def readiness(self) -> Readiness:
        """Return ready, or degraded with every reason."""
        age = self._ports.clock.monotonic() - self._probed_at
        oldest = max((q.oldest_s for q in self._queues if q.kind not in PATIENT), default=0.0)
        late = self._watchdog.lag().p99_s
        checks = {
            "store": self._store if self._store != "ok" or age < PROBE_OLD_S else f"no answer for {age:.0f} s",
            "embedding": self._embedding_states(),
            "reranker": state_of(self._ports.reranker),
            **({"model": self._writer_state()} if self._ports.writer is not None else {}),
            "worker": self._worker.state() if self._worker is not None else "ok",
            "queue": "ok" if oldest < OLDEST_JOB_S else f"the oldest job waits for {oldest:.0f} s",
            **self._maintenance.states(),
            "loop": "ok" if late < LOOP_LATE_S else f"late by {late * 1000:.0f} ms",
        }
        reasons = tuple(f"{part}: {state}" for part, state in checks.items() if state not in WELL)
        vectors = self._usage.embedded if self._usage is not None else ()
        return Readiness("degraded" if reasons else "ready", reasons, checks, vectors, self._derived)


async def _postponable(what: str, work: Awaitable[object]) -> None:
    """Await work that a later round repeats if the store cannot do it now."""
    try:
        await work
    except (Busy, Upstream, Corrupt) as late:
        log.info(f"{what} postponed", error=str(late))


def state_of(part: object | None) -> str:
    """Return not_configured, ok, or why a provider is not called."""
    if part is None:
        return "not_configured"
    if not isinstance(part, RESILIENT):
        return "ok"
    if isinstance(part, METERED) and part.meter.exhausted:
        return USED_UP
    now = part.client.state
    return "ok" if now.circuit == Circuit.CLOSED else f"{now.circuit.replace('_', ' ')}: {now.reason}"
