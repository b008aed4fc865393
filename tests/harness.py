"""An engine on a folder of its own, with a clock and a worker that the test drives: no test of it sleeps."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from recalld.adapters.sqlite.ledger.ledger import SqliteLedger
from recalld.app.build import open_ports
from recalld.app.config import load_config
from recalld.app.engine import Engine
from recalld.app.housekeeping import Housekeeping
from recalld.app.worker_loop import run_job
from recalld.domain.caller import Caller
from recalld.domain.job import Job, QueueCount, Task
from recalld.domain.results import Added, Appended, Committed
from recalld.infra.watchdog import Watchdog
from recalld.ports.bundle import Ports
from tests.fakes.clock import MemoryClock
from tests.tripwire import Tripwire

ROUNDS_MAX = 400
STEP_S = 5.0
LEASE_S = 60.0


@dataclass(slots=True)
class Harness:
    """``ports`` are those of ``engine``. Time passes only when jobs wait for it."""

    engine: Engine
    ports: Ports
    clock: MemoryClock
    folder: Path

    async def append(self, session: str, *texts: str | Mapping[str, Any], **more: Any) -> Appended:
        """Append messages of a user; a mapping is a complete message."""
        messages = [dict(t) if isinstance(t, Mapping) else {"role": "user", "content": t} for t in texts]
        return await self.engine.sessions.append(session, messages, **more)

    async def commit(self, session: str, **options: Any) -> Committed:
        """Archive the live messages."""
        return await self.engine.sessions.commit(session, **options)

    async def write(self, uri: str, text: str | bytes, mode: str = "replace") -> None:
        """Write one file."""
        await self.engine.write(uri, text, mode=mode)

    async def add(self, upload: Path, **options: Any) -> Task:
        """Import and do all that follows; the task as it ended."""
        added: Added = await self.engine.add(upload, **options)
        await self.settle()
        return await self.engine.tasks.get(added.task_id)

    async def found(self, query: str, **options: Any) -> list[str]:
        """Addresses in descending score."""
        return [str(h.uri) for h in (await self.engine.find(query, **options)).hits]

    async def lease(self, jobs_max: int = 1) -> list[Job]:
        """Take jobs as a worker does."""
        return await self.ports.jobs.lease(worker="harness", jobs_max=jobs_max, lease_s=LEASE_S)

    async def lease_of(self, kind: str) -> Job:
        """Take the one job of a kind, and with it whatever stands before it."""
        return next(j for j in await self.lease(20) if j.kind == kind)

    async def settle(self) -> int:
        """Run every job, whatever it waits for, until none is left; returns how many were run."""
        ran = 0
        for _ in range(ROUNDS_MAX):
            for job in await self.lease(8):
                await run_job(job, self.ports)
                ran += 1
            if not any(q.pending + q.running for q in await self.engine.queues()):
                return ran
            self.clock.advance(STEP_S)
        raise AssertionError(f"still not settled: {await self.engine.queues()}")

    async def queue(self, kind: str) -> QueueCount:
        """How the jobs of a kind stand."""
        empty = QueueCount(kind, 0, 0, 0, 0, 0.0)
        return next((q for q in await self.engine.queues() if q.kind == kind), empty)

    async def seq(self) -> int:
        """The log's end: the same before and after means that nothing was changed."""
        return (await self.engine.usage()).log_seq

    async def state(self) -> tuple[int, int, int, int]:
        """Log end, nodes, messages and blobs' bytes: what a refusal must leave as it was."""
        usage = await self.engine.usage()
        return usage.log_seq, usage.nodes, usage.messages, usage.blob_bytes

    async def texts_below(self, uri: str) -> dict[str, str]:
        """Every file below, by its path there."""
        entries = await self.engine.tree(uri, depth=20)
        return {e.rel_path: await self.engine.read(str(e.node.uri)) for e in entries if not e.node.is_dir}


@asynccontextmanager
async def harness_at(folder: Path, tripwire: Tripwire | None = None, **settings: Any) -> AsyncIterator[Harness]:
    """Open an engine on ``folder``. ``settings`` are configuration keys; without an embedder unless one is named."""
    config = load_config(None, data=folder, **{"embedder": {"provider": "none"}, **settings})
    async with open_ports(config) as opened:
        clock = MemoryClock()
        assert isinstance(opened.ledger, SqliteLedger)
        opened.ledger.access.clock = clock
        ports = replace(opened, clock=clock)
        watchdog = Watchdog()
        engine = Engine(ports, config, Caller(), Housekeeping(ports, config, watchdog))
        if tripwire is not None:
            tripwire.trips.clear()  # the wire is stretched for verbs, not for making the folder
        yield Harness(engine, ports, clock, folder)


@pytest.fixture
async def harness(tmp_path: Path, tripwire: Tripwire | None) -> AsyncIterator[Harness]:
    """Lexical search only: fast and deterministic."""
    async with harness_at(tmp_path / "data", tripwire) as harness:
        yield harness


@pytest.fixture
async def dense_harness(tmp_path: Path, tripwire: Tripwire | None) -> AsyncIterator[Harness]:
    """With vectors, made from hashes of words."""
    async with harness_at(tmp_path / "data", tripwire, embedder={"provider": "hash"}) as harness:
        yield harness


def plant(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    """Make a folder of files; returns it."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def words(count: int, of: Sequence[str] = ("amber", "birch", "cedar", "delta", "ember", "fjord")) -> str:
    """A text of so many words."""
    return " ".join(of[i % len(of)] for i in range(count))
