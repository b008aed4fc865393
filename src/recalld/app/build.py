"""Configuration to ports; the only reader of ``Config`` below the engine."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import fields, replace
from functools import partial

from recalld.adapters.archive.zip import ZipArchives
from recalld.adapters.blobs.files import FileBlobs
from recalld.adapters.clock.system import SystemClock
from recalld.adapters.ipc.remote_writes import RemoteCleanup, RemoteCommits, RemoteJobs
from recalld.adapters.parser.registry import ParserSet
from recalld.adapters.source.opening import open_source
from recalld.adapters.sqlite.database.readers import Readers
from recalld.adapters.sqlite.history.history import SqliteHistory
from recalld.adapters.sqlite.ledger.ledger import FILE_NAME, SqliteLedger, open_ledger
from recalld.adapters.sqlite.registry.registry import SqliteRegistry
from recalld.adapters.sqlite.search.index import SqliteSearchIndex
from recalld.domain.histogram import Histogram
from recalld.domain.policy import CostPolicy, DayPolicy, Deadlines, SessionPolicy
from recalld.infra.ipc import Channel
from recalld.infra.thread_pool import Pool
from recalld.ports.blobs import Blobs
from recalld.ports.bundle import Ports, PrimaryPorts, no_linger
from recalld.ports.embedder import Embedder
from recalld.ports.jobs import JobQueue
from recalld.ports.maintenance import Cleanup
from recalld.ports.model import Model, Writer
from recalld.ports.reranker import Reranker

from .config import Config, EmbedderConfig, RerankerConfig
from .job_registry import POLICIES
from .plugins import load, load_all, make
from .query_slots import QuerySlots
from .resilient_client import METERED, ResilientClient, ResilientEmbedder, ResilientModel, ResilientReranker
from .usage import UsageMeter

COMPUTE_RUNNING_MAX = 2
BULK_DEADLINE_S = 120.0
"""A batch of documents may take this long to be embedded by a provider."""
STATIC = "static"
"""The embedder beside every other one: its vectors cost next to nothing."""
UPLOADS = "uploads"
"""Below the data folder: what was sent and not yet imported."""
COMPUTE_WAITING_MAX = 256
VECTORS_RUNNING_MAX = 2
VECTORS_WAITING_MAX = 256


@asynccontextmanager
async def open_ports(config: Config) -> AsyncIterator[PrimaryPorts]:
    """The ports of a store's primary process."""
    async with AsyncExitStack() as stack:
        blobs = _blobs(config, stack)
        ledger = await open_ledger(
            config.folder,
            blobs=blobs,
            clock=SystemClock(),
            readers=config.storage.reader_connections,
            reserve_bytes=config.storage.reserve_mib << 20,
            policies=POLICIES,
        )
        stack.push_async_callback(ledger.close)
        ports = _ports(config, stack, ledger, ledger.jobs, ledger.cleanup)
        await ledger.maintenance.configure_models(ports.embedders)
        await ledger.rebuilding.rebuild()  # completes what an earlier start did not finish, and names it
        yield _primary(replace(ports, derived=ledger.access.derived), ledger)


@asynccontextmanager
async def build_worker(config: Config, channel: Channel) -> AsyncIterator[Ports]:
    """The ports of a worker process: it reads the store itself and sends writes to the primary process."""
    async with AsyncExitStack() as stack:
        readers = Readers(config.folder / FILE_NAME, count=2)
        blobs = _blobs(config, stack)
        stack.callback(readers.close)
        ledger = SqliteLedger(readers, blobs, SystemClock(), POLICIES, commits=partial(RemoteCommits, channel))
        yield _ports(config, stack, ledger, RemoteJobs(channel), RemoteCleanup(channel))


def _blobs(config: Config, stack: AsyncExitStack) -> Blobs:
    pool = Pool("blobs", running_max=2, waiting_max=256)
    stack.callback(pool.close)
    return FileBlobs(config.folder / "blobs", pool)


def _primary(ports: Ports, ledger: SqliteLedger) -> PrimaryPorts:
    shared = {field.name: getattr(ports, field.name) for field in fields(Ports)}
    store = ledger.access.store
    return PrimaryPorts(
        **shared, maintenance=ledger.maintenance, rebuilding=ledger.rebuilding, compaction=store, disk=store
    )


def _ports(config: Config, stack: AsyncExitStack, ledger: SqliteLedger, jobs: JobQueue, cleanup: Cleanup) -> Ports:
    readers, blobs = ledger.access.readers, ledger.access.blobs
    compute = Pool("compute", running_max=COMPUTE_RUNNING_MAX, waiting_max=COMPUTE_WAITING_MAX)
    stack.callback(compute.close)
    # Of its own: what an import computes is no neighbour for a search.
    looking = Pool("vectors", running_max=VECTORS_RUNNING_MAX, waiting_max=VECTORS_WAITING_MAX, allow_all_cpus=True)
    stack.callback(looking.close)
    embedders, reranker = _embedders(config), _reranker(config)
    model, writer = _model(config)
    for closing in (*embedders, reranker, model, writer):
        if closing is not None:
            stack.push_async_callback(closing.close)
    registry = SqliteRegistry(readers, SystemClock())
    stack.push_async_callback(registry.close)
    return Ports(
        ledger=ledger,
        jobs=jobs,
        backlog=ledger.backlog,
        cleanup=cleanup,
        stats=ledger.stats,
        registry=registry,
        history=SqliteHistory(readers, blobs),
        blobs=blobs,
        index=SqliteSearchIndex(readers, looking),
        embedders=embedders,
        reranker=reranker,
        model=model,
        parser=ParserSet(p.make(p.settings()) for p in load_all("parser")),
        open_source=open_source,
        archives=ZipArchives(),
        compute=compute,
        clock=SystemClock(),
        stages=StageTimes(),
        uploads=config.folder / UPLOADS,
        linger_s=next((each.linger_s for each in embedders if isinstance(each, ResilientEmbedder)), no_linger),
        session_policy=_session_policy(config),
        deadlines=Deadlines(config.embedder.timeout_s, config.reranker.timeout_s),
        strict_filters=config.search.strict_filters,
        writer=writer,
        costs=CostPolicy(
            config.model.tokens_per_day_max,
            config.model.calls_per_day_max,
            config.model.tokens_per_import_max,
            config.model.calls_per_import_max,
        ),
        days={part.name: part.meter.policy for part in (*embedders, reranker) if isinstance(part, METERED)},
    )


def _session_policy(config: Config) -> SessionPolicy:
    chosen, usual = config.session, SessionPolicy()
    return SessionPolicy(
        chosen.tool_output_inline_chars_max,
        chosen.tool_output_preview_chars,
        chosen.tool_output_inline_chars_per_turn_max,
        preview_chars_min=min(usual.preview_chars_min, chosen.tool_output_preview_chars),
        auto_commit=chosen.auto_commit,
    )


def _embedders(config: Config) -> tuple[Embedder, ...]:
    """The static model, whose vectors come first, and the configured one beside it."""
    section = config.embedder
    plugin = load("embedder", section.provider)
    embedder: Embedder | None = make("embedder", section.provider, section.options())
    if embedder is None:
        return ()
    if plugin.remote:
        client, meter = _around("embedder", embedder.name, "question", section)
        embedder = ResilientEmbedder(
            embedder, client, meter, SystemClock(), deadline_s=section.timeout_s, bulk_deadline_s=BULK_DEADLINE_S
        )
    elif not plugin.instant:
        embedder = QuerySlots(embedder)
    return (embedder,) if plugin.instant or not section.static else (make("embedder", STATIC, {}), embedder)


def _reranker(config: Config) -> Reranker | None:
    section = config.reranker
    reranker: Reranker | None = make("reranker", section.provider, section.options())
    if reranker is None or not load("reranker", section.provider).remote:
        return reranker
    client, meter = _around("reranker", reranker.name, "rerank", section)
    return ResilientReranker(reranker, client, meter, deadline_s=section.timeout_s)


def _around(
    part: str, name: str, operation: str, section: EmbedderConfig | RerankerConfig
) -> tuple[ResilientClient, UsageMeter]:
    """What stands around a provider of vectors or second looks."""
    policy = DayPolicy(section.tokens_per_day_max, section.calls_per_day_max)
    return ResilientClient(f"{part} {name}", SystemClock()), UsageMeter(name, operation, policy, SystemClock())


def _model(config: Config) -> tuple[Model, Writer | None]:
    """What writes at once, and the language model that improves it later."""
    section = config.model
    if not load("model", section.provider).remote:
        return make("model", section.provider, section.options()), None
    inner: Writer = make("model", section.provider, section.options())
    resilient = ResilientModel(
        inner,
        ResilientClient(f"model {inner.name}", SystemClock()),
        deadline_s=section.timeout_s,
        calls_max=config.worker.concurrent_model_calls_max,
    )
    return make("model", "extractive", {}), resilient


class StageTimes:
    """See ``ports.stages.Stages``."""

    def __init__(self) -> None:
        self._seen: dict[str, Histogram] = {}

    def took(self, stage: str, seconds: float) -> None:
        """See ``ports.stages.Stages``."""
        self._seen.setdefault(stage, Histogram()).add(seconds)

    def so_far(self) -> dict[str, Histogram]:
        """See ``ports.stages.Stages``."""
        return self._seen
