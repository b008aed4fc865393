"""A provider does its worst while a crowd searches and talks: recall answers in time and says what it lacks, nobody is refused,
nothing said is lost, and nothing grows. Against a real server, each dependency of a find in turn."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from bench import corpus, load
from bench.server import Server, serving
from bench.table import quantile
from tests.doubles.provider import WIDTH, Provider, provider
from tests.live import Line
from tests.load.test_live_budgets import HEALTH, Size, bare_server, said_and_found

pytestmark = [pytest.mark.slow, pytest.mark.faults]
FILES = 300
FINDERS = 32
TALKERS = 8
SECONDS = 6.0
DEADLINE_MS = 2_000
CONNECTIONS_MAX = 32
"""Sixteen to each of two providers, opened as they are needed."""
FAULTS = ["late", "hang", "trickle", "reset", "garbage", "dimensions", "huge", "401", "403", "429", "500"]


@dataclass(frozen=True, slots=True)
class Run:
    """One crowd: what each kind of request saw, health of a server that does nothing, and sizes at both ends."""

    seen: dict[str, Any]
    idle_ms: list[float]
    bare_ms: list[float]
    early: Size
    late: Size

    def hold(self, kind: str) -> None:
        """What holds whatever happens to a provider."""
        ms = {name: stream["ms"] for name, stream in self.seen.items()}
        shown = {name: f"{quantile(values, 0.5):.0f}/{quantile(values, 0.99):.0f}" for name, values in ms.items()}
        print(
            f"\np50/p99 ms {shown}, bare health p99 {quantile(self.bare_ms, 0.99):.1f} ms, {self.early} -> {self.late}"
        )
        assert {name: stream["errors"] for name, stream in self.seen.items()} == {kind: 0, "append": 0, "health": 0}
        assert quantile(ms[kind], 0.99) <= DEADLINE_MS
        calm = max(quantile(self.idle_ms, 0.99), quantile(self.bare_ms, 0.99))
        assert quantile(ms["health"], 0.99) <= 3 * calm + 50
        assert self.late.threads <= self.early.threads + 2
        assert self.late.files <= self.early.files + CONNECTIONS_MAX
        assert self.late.rss_mb <= 1.3 * self.early.rss_mb + 30


@asynccontextmanager
async def house(tmp_path: Path, embedding: Provider, reranking: Provider) -> AsyncIterator[Server]:
    """A server whose embedder and reranker are doubles, with some files in it."""
    settings = {
        "RECALLD_EMBEDDER__KIND": "openai",
        "RECALLD_EMBEDDER__BASE_URL": embedding.url,
        "RECALLD_EMBEDDER__MODEL": "m",
        "RECALLD_EMBEDDER__DIMENSIONS": str(WIDTH),
        "RECALLD_RERANKER__KIND": "tei",
        "RECALLD_RERANKER__BASE_URL": reranking.url,
    }
    async with serving(tmp_path / "store", **settings) as server:
        upload = await server.wire.upload("some.zip", corpus.archive(0, FILES))
        await server.wire.call(
            "POST", "/api/v1/resources", {"temp_file_id": upload, "to": "viking://resources/bench", "wait": True}
        )
        await server.settle()
        yield server


async def crowd(server: Server, kind: str) -> Run:
    """``FINDERS`` ask and ``TALKERS`` talk as fast as they are answered."""
    idle = await load.run_for(server.port, FILES, 1.0, HEALTH)
    streams = ({"kind": kind, "clients": FINDERS}, {"kind": "append", "clients": TALKERS, "think_s": 0.05})
    async with (
        bare_server() as bare_port,
        load.loading(server.port, FILES, *streams) as busy,
        load.loading(server.port, FILES, HEALTH) as asking,
        load.loading(bare_port, FILES, HEALTH) as comparing,
    ):
        await asyncio.sleep(SECONDS / 3)
        early = Size.of(server)
        await asyncio.sleep(SECONDS)
        late = Size.of(server)
        bare = await comparing.end()
        seen = await asking.end() | await busy.end()
    return Run(seen, idle["health"]["ms"], bare["health"]["ms"], early, late)


def do(double: Provider, fault: str) -> None:
    """Have the provider do its worst from now on."""
    if fault == "late":
        double.delay_s = 5.0
    else:
        double.fault, double.retry_after = fault, "1" if fault == "429" else ""


async def heal(double: Provider, server: Server) -> None:
    """Well again: all that was said is there once, embedded, and no job is dead or old."""
    double.fault, double.delay_s = "ok", 0.0
    double.let_go.set()
    await said_and_found(server)
    for talker in range(TALKERS):
        await server.wire.call("POST", f"/api/v1/sessions/bench-{talker}/commit", {})
    await server.settle()
    for talker in range(TALKERS):
        session = await server.wire.call("GET", f"/api/v1/sessions/bench-{talker}")
        assert (session["message_count"], session["commit_count"]) == (0, 1)


async def lacks(server: Server, route: str, question: str) -> str:
    """What an answer says it had to do without."""
    line = Line(server.port)
    answer = await asyncio.to_thread(line.ask, "POST", f"/search/{route}", {"query": question, "limit": 5})
    line.close()
    assert answer.status == 200
    return answer.headers.get("x-recalld-degraded", "")


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_crowd_that_finds_does_not_notice_the_embedder(tmp_path: Path, fault: str) -> None:
    async with provider() as double, provider() as other, house(tmp_path, double, other) as server:
        do(double, fault)
        (await crowd(server, "find")).hold("find")
        assert await lacks(server, "find", "a question nobody has asked before") == "embedder"
        await heal(double, server)


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault != "dimensions"])
async def test_a_crowd_that_searches_does_not_notice_the_reranker(tmp_path: Path, fault: str) -> None:
    async with provider() as double, provider() as other, house(tmp_path, other, double) as server:
        do(double, fault)
        (await crowd(server, "search")).hold("search")
        assert await lacks(server, "search", "note") == "reranker"
        await heal(double, server)


async def test_a_crowd_does_not_notice_a_frozen_worker(tmp_path: Path) -> None:
    async with provider() as double, provider() as other, house(tmp_path, double, other) as server:
        (worker,) = psutil.Process(server.process.pid).children()
        worker.send_signal(signal.SIGSTOP)
        (await crowd(server, "find")).hold("find")
        worker.send_signal(signal.SIGCONT)
        await heal(double, server)
