"""How long searches lack vectors during outages of an embedder, and how soon a commit's memories exist. On a real server
and the system clock, because durations are measured."""

from __future__ import annotations

import asyncio
import random
import statistics
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from bench.server import Server
from tests.fakes.provider import Provider, ReceivedRequest, provider
from tests.faults.test_live_providers import heal, message, remember, remembered_tasks, server_with

pytestmark = [pytest.mark.slow, pytest.mark.faults]
RATE, TAKES_S = 20, 0.2
WARM_S = 2.0
AGENTS, COMMITS = 8, 4
MODEL_TAKES_S = 1.0


class Limiting(Provider):
    """Refuses one call in twenty, as a provider does whose quota is just too small."""

    refusing = False
    chance = random.Random(7)

    def _answer(self, request: ReceivedRequest) -> tuple[bytes, int]:
        if self.refusing and self.chance.random() < 0.05:
            return b'{"error": {"code": "rate_limit_exceeded"}}', 429
        return super()._answer(request)


@dataclass
class Asking:
    """When each find began, seconds from the start, and whether it had its vector."""

    seen: list[tuple[float, bool]] = field(default_factory=list)
    slowest_s: float = 0.0

    def without(self, begin: float = WARM_S, end: float = float("inf")) -> float:
        """The share of finds that began in that time and had none."""
        there = [well for at, well in self.seen if begin <= at < end]
        assert len(there) >= RATE / 2
        return 1 - sum(there) / len(there)


async def steadily(server: Server, seconds: float) -> Asking:
    """Twenty finds a second, none asked before, whatever becomes of them."""
    asking, begun = Asking(), time.perf_counter()
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}", timeout=10) as http:

        async def ask(number: int, at: float) -> None:
            answer = await http.post("/api/v1/search/find", json={"query": f"question {number} of the day", "limit": 5})
            assert answer.status_code == 200
            asking.seen.append((at, "embedder" not in answer.headers.get("x-recalld-degraded", "")))
            asking.slowest_s = max(asking.slowest_s, time.perf_counter() - begun - at)

        async with asyncio.TaskGroup() as group:
            for number in range(int(seconds * RATE)):
                await asyncio.sleep(max(0.0, begun + number / RATE - time.perf_counter()))
                group.create_task(ask(number, time.perf_counter() - begun))
    return asking


async def test_few_finds_lack_vectors_where_one_answer_in_twenty_is_a_429(tmp_path: Path) -> None:
    async with provider() as fake, server_with(tmp_path, embedder=fake) as server:
        fake.__class__ = Limiting
        assert isinstance(fake, Limiting)
        fake.delay_s, fake.retry_after, fake.refusing = TAKES_S, "1", True
        before = len(fake.seen)
        asking = await steadily(server, 22.0)
    calls = len(fake.seen) - before
    print(f"\n429s: {asking.without():.1%} without vectors, {calls} calls for {len(asking.seen)} finds")
    assert asking.without() <= 0.10
    assert calls <= 1.1 * len(asking.seen)
    assert asking.slowest_s < 2.5


async def test_finds_have_vectors_again_two_seconds_after_a_hang(tmp_path: Path) -> None:
    hangs, heals, ends = 3.0, 13.0, 28.0
    async with provider() as fake, server_with(tmp_path, embedder=fake) as server:
        fake.delay_s = TAKES_S
        before = len(fake.seen)
        run = asyncio.create_task(steadily(server, ends))
        await asyncio.sleep(hangs)
        fake.fault, begun = "hang", len(fake.seen)
        await asyncio.sleep(heals - hangs)
        hung = len(fake.seen) - begun
        heal(fake)
        fake.delay_s = TAKES_S
        asking = await run
    calls = len(fake.seen) - before
    late = asking.without(heals + 2.0)
    print(
        f"\nhang: {asking.without(WARM_S, hangs):.1%} without before it, {asking.without(hangs + 1, heals):.1%} meanwhile, "
        f"{asking.without(heals, heals + 2):.1%} in the two seconds after, {late:.1%} from then on; {hung} calls meanwhile, "
        f"{calls} in all for {len(asking.seen)} finds"
    )
    assert late <= 0.05
    assert hung <= 0.25 * RATE * (heals - hangs)
    assert calls <= 1.1 * len(asking.seen)
    assert asking.slowest_s < 2.5


async def test_a_commits_memories_are_there_soon_beside_those_of_seven_others(tmp_path: Path) -> None:
    took: list[float] = []
    async with (
        provider() as other,
        provider(says=remember) as fake,
        server_with(tmp_path, embedder=other, model=fake) as server,
    ):
        fake.delay_s = MODEL_TAKES_S
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}/api/v1", timeout=60) as http:

            async def agent(number: int) -> None:
                session = f"commit-{number}"
                for turn in range(COMMITS):
                    response = await http.post(f"/sessions/{session}/messages", json=message(session, turn))
                    assert response.status_code == 200
                    begun = time.perf_counter()
                    done = (await http.post(f"/sessions/{session}/commit", json={})).json()["result"]
                    await completed(http, done["task_id"])
                    took.append(time.perf_counter() - begun)

            async with asyncio.TaskGroup() as group:
                for number in range(AGENTS):
                    group.create_task(agent(number))
        await server.settle()
        tasks = await remembered_tasks(server)
    median = statistics.median(took)
    print(f"\nmemories of {len(took)} commits by {AGENTS} agents: median {median:.2f} s, slowest {max(took):.2f} s")
    assert len(tasks) == len(set(tasks)) == AGENTS * COMMITS
    assert median <= 4.0


async def completed(http: httpx.AsyncClient, task: str) -> None:
    """Until a commit's task has ended well."""
    while True:
        task_status: dict[str, Any] = (await http.get(f"/tasks/{task}")).json()["result"]
        if task_status["status"] == "completed":
            return
        assert task_status["status"] in {"pending", "running"}, task_status
        await asyncio.sleep(0.05)
