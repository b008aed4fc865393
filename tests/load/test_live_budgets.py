"""A bulk import, searches and appends at once: health stays fast, no request is refused, nothing grows. Compared with
the same server at rest, in the same run."""

from __future__ import annotations

import asyncio
import sys
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

pytestmark = [pytest.mark.load, pytest.mark.live]
TALKERS = 4
IDLE_S = 2.0
KB_PER_FILE = 40
"""What recall may keep in memory of each file, its vectors and the pages of the store included."""
HEALTH = {"kind": "health", "clients": 1, "think_s": 0.01}
BARE = Path(__file__).with_name("bare.py")


@dataclass(frozen=True, slots=True)
class Size:
    """What the server's own process holds."""

    rss_mb: float
    threads: int
    files: int

    @classmethod
    def of(cls, server: Server) -> Size:
        process = psutil.Process(server.process.pid)
        with process.oneshot():
            return cls(process.memory_info().rss / 1e6, process.num_threads(), process.num_fds())


@dataclass(frozen=True, slots=True)
class Seen:
    """One run: health at rest, everything under load, sizes a while after its start and at its end.

    ``bare_ms``: what a server that does nothing took meanwhile, which is what two busy cores make of any server.
    """

    idle_ms: list[float]
    bare_ms: list[float]
    busy: dict[str, Any]
    early: Size
    late: Size
    message_count: int

    def health_ms(self, share: float) -> tuple[float, float]:
        """(at rest, under load)."""
        return quantile(self.idle_ms, share), quantile(self.busy["health"]["ms"], share)

    def machine_ms(self, share: float) -> float:
        return quantile(self.bare_ms, share)

    def __str__(self) -> str:
        parts = [f"{kind} {s['count']} in {s['seconds']:.0f} s" for kind, s in self.busy.items()]
        find, append = self.busy["find"]["ms"], self.busy["append"]["ms"]
        return (
            f"health p99 {self.health_ms(0.99)[0]:.1f} ms at rest, {self.health_ms(0.99)[1]:.1f} ms loaded, p99.9 "
            f"{self.health_ms(0.999)[1]:.1f} ms; bare server p99 {self.machine_ms(0.99):.1f} ms, p99.9 "
            f"{self.machine_ms(0.999):.1f} ms; "
            f"find p50 {quantile(find, 0.5):.0f} p99 {quantile(find, 0.99):.0f} ms; append p50 "
            f"{quantile(append, 0.5):.0f} p99 {quantile(append, 0.99):.0f} ms; {', '.join(parts)}; {self.early} -> {self.late}"
        )


@asynccontextmanager
async def bare_server() -> AsyncIterator[int]:
    """A process that answers every request at once; its port."""
    process = await asyncio.create_subprocess_exec(sys.executable, str(BARE), stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    try:
        yield int(await process.stdout.readline())
    finally:
        process.kill()
        await process.wait()


async def saturate(
    server: Server, files: int, finders: int, warm_s: float, at_least_s: float, think_s: float = 0.1
) -> Seen:
    """Import ``files`` under a crowd until they are in; health is asked for by a process that does nothing else."""
    idle = await load.run_for(server.port, files, IDLE_S, HEALTH)
    upload = await server.wire.upload("many.zip", corpus.archive(0, files))
    body = {"temp_file_id": upload, "to": "viking://resources/bench"}
    task = await server.wire.call("POST", "/api/v1/resources", body)
    clients = (
        {"kind": "find", "clients": finders, "think_s": think_s},
        {"kind": "append", "clients": TALKERS, "think_s": think_s},
    )
    async with (
        bare_server() as bare_port,
        load.loading(server.port, files, *clients) as crowding,
        load.loading(server.port, files, HEALTH) as asking,
        load.loading(bare_port, files, HEALTH) as comparing,
    ):
        await asyncio.sleep(warm_s)
        early = Size.of(server)
        await asyncio.sleep(at_least_s)
        late = Size.of(server)
        while (now := await status(server, task["task_id"])) in {"pending", "running"}:
            late = Size.of(server)
            await asyncio.sleep(0.2)
        bare = await comparing.end()
        busy = await asking.end() | await crowding.end()
    assert now == "completed"
    sessions = [await server.wire.call("GET", f"/api/v1/sessions/bench-{n}") for n in range(TALKERS)]
    message_count = sum(s["total_message_count"] for s in sessions)
    return Seen(idle["health"]["ms"], bare["health"]["ms"], busy, early, late, message_count)


async def status(server: Server, task_id: str) -> str:
    return str((await server.wire.call("GET", f"/api/v1/tasks/{task_id}"))["status"])


async def append_and_find(server: Server) -> None:
    """Every message of each talker is there once; a sample of them comes back by its own words."""
    for talker in range(TALKERS):
        got = await server.wire.call("GET", f"/api/v1/sessions/bench-{talker}/context?token_budget=10000000")
        messages = got["messages"]
        turns = [int(message["parts"][0]["text"].split(":")[0].removeprefix("turn ")) for message in messages]
        assert turns == list(range(turns[0], turns[0] + len(turns)))  # none lost, none twice, in order
        for message in messages[:: max(1, len(messages) // 4)]:
            question = {"query": message["parts"][0]["text"][:200], "target_uri": "viking://~/sessions", "limit": 20}
            answer = await server.wire.call("POST", "/api/v1/search/find", question | {"score_threshold": 0})
            uris = [hit["uri"] for hit in answer["memories"]]
            assert f"viking://user/default/sessions/bench-{talker}/messages/{message['id']}.md" in uris


def hold(seen: Seen, files: int, spare_ms: float) -> None:
    """The promises every size keeps."""
    print(f"\n{seen}")
    assert {kind: stream["errors"] for kind, stream in seen.busy.items()} == {"find": 0, "append": 0, "health": 0}
    assert seen.message_count >= seen.busy["append"]["count"]
    idle, busy = seen.health_ms(0.99)
    assert busy <= 3 * max(idle, seen.machine_ms(0.99)) + spare_ms
    assert seen.late.threads <= seen.early.threads + 2
    assert seen.late.files <= seen.early.files + 4
    assert seen.late.rss_mb <= 1.5 * seen.early.rss_mb + KB_PER_FILE * files / 1_000


async def test_health_stays_fast_under_import_search_and_append(tmp_path: Path) -> None:
    async with serving(tmp_path / "store", RECALLD_EMBEDDER__PROVIDER="none") as server:
        seen = await saturate(server, 500, finders=8, warm_s=1, at_least_s=2)
        hold(seen, 500, spare_ms=50)
        await append_and_find(server)


@pytest.mark.slow
async def test_health_keeps_its_budget_under_ten_thousand_files_and_sixteen_clients(tmp_path: Path) -> None:
    async with serving(tmp_path / "store") as server:
        seen = await saturate(server, 10_000, finders=16, warm_s=10, at_least_s=10, think_s=0.2)
        hold(seen, 10_000, spare_ms=10)
        assert seen.health_ms(0.999)[1] <= 50 + seen.machine_ms(0.999)
        await append_and_find(server)
