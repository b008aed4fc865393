"""A dependency fails under load while clients search, append and commit: searches answer in time and name what they
lack, no servable request is refused, no message is lost or doubled, and nothing grows. On a real server."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sqlite3
import subprocess
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from bench import corpus, load
from bench.server import Server, serving
from bench.table import quantile
from tests.fakes.provider import WIDTH, Provider, ReceivedRequest, provider
from tests.live import Line
from tests.load.test_live_budgets import HEALTH, Size

pytestmark = [pytest.mark.slow, pytest.mark.faults]
FILES = 300
FINDERS, TALKERS, COMMITTERS = 32, 6, 2
SECONDS = 6.0
DEADLINE_MS = 2_000
SPARE_MS = 10
CONNECTIONS_MAX = 2 * 64
"""To each of two providers, opened as they are needed."""
JOB_S_MAX = 60
FAULTS = ["late", "hang", "trickle", "reset", "garbage", "dimensions", "huge", "401", "403", "429", "500"]
NAMES = [*(("bench", n) for n in range(TALKERS)), *(("commit", n) for n in range(COMMITTERS))]
_TASK = re.compile(r"task T(\d+) of team (\d+)")


@dataclass(frozen=True, slots=True)
class Run:
    """One crowd: what each kind of request saw, health of a server at rest meanwhile, and sizes at both ends.

    ``unharmed_ms``: p99 of health under the same crowd where nothing is at fault.
    """

    seen: dict[str, Any]
    control_ms: list[float]
    early: Size
    late: Size
    unharmed_ms: float

    def hold(self, kind: str, *, writes: bool = True) -> None:
        """What holds whatever happens. ``writes``: the store can be written to, so nobody may be refused."""
        ms = {name: stream["ms"] for name, stream in self.seen.items()}
        errors = {name: stream["statuses"] for name, stream in self.seen.items() if stream["errors"]}
        shown = {name: f"{quantile(values, 0.5):.0f}/{quantile(values, 0.99):.0f}" for name, values in ms.items()}
        control = quantile(self.control_ms, 0.99)
        print(f"\np50/p99 ms {shown}, health p99 idle {control:.1f} ms, unharmed {self.unharmed_ms:.1f} ms")
        print(f"{self.early} -> {self.late}, {errors}")
        assert set(errors) <= (set() if writes else {"append", "commit"})
        assert {status for statuses in errors.values() for status in statuses} <= {"503"}
        assert max(ms[kind]) <= DEADLINE_MS + 500  # as the client's own, busy, process sees it
        assert quantile(ms[kind], 0.99) <= DEADLINE_MS
        assert quantile(ms["health"], 0.99) <= max(2 * self.unharmed_ms, 3 * control) + SPARE_MS
        assert self.late.threads <= self.early.threads + 2
        assert self.late.files <= self.early.files + CONNECTIONS_MAX
        assert self.late.rss_mb <= 1.3 * self.early.rss_mb + 30

    @property
    def acknowledged(self) -> set[tuple[str, int, int]]:
        """(session, client, turn) of every acknowledged message."""
        kinds = {"append": "bench", "commit": "commit"}
        return {(name, n, turn) for kind, name in kinds.items() for n, turn in self.seen[kind]["said"]}


@asynccontextmanager
async def server_with(folder: Path, **providers: Provider) -> AsyncIterator[Server]:
    """A server whose ``embedder``, ``reranker`` and ``model`` are fakes, with some files in it. One that is not given is
    not configured."""
    settings = {"RECALLD_MODEL__CALLS_PER_DAY_MAX": "100000", "RECALLD_MODEL__TOKENS_PER_DAY_MAX": "100000000"}
    kinds = {"embedder": "openai", "reranker": "tei", "model": "openai"}
    for part, fake in providers.items():
        settings |= {f"RECALLD_{part.upper()}__PROVIDER": kinds[part], f"RECALLD_{part.upper()}__BASE_URL": fake.url}
    if "model" in providers:
        settings["RECALLD_MODEL__MODEL"] = "m"
    if "embedder" in providers:
        settings |= {"RECALLD_EMBEDDER__MODEL": "m", "RECALLD_EMBEDDER__DIMENSIONS": str(WIDTH)}
    else:
        settings["RECALLD_EMBEDDER__PROVIDER"] = "none"
    async with serving(folder / "store", **settings) as server:
        upload = await server.wire.upload("some.zip", corpus.archive(0, FILES))
        await server.wire.call(
            "POST", "/api/v1/resources", {"temp_file_id": upload, "to": "viking://resources/bench", "wait": True}
        )
        await server.settle()
        yield server


async def run_load(server: Server, idle: Server, kind: str, unharmed_ms: float = 0.0) -> Run:
    """``FINDERS`` ask, ``TALKERS`` talk and ``COMMITTERS`` commit every turn, as fast as they are answered."""
    streams = (
        {"kind": kind, "clients": FINDERS},
        {"kind": "append", "clients": TALKERS, "think_s": 0.05},
        {"kind": "commit", "clients": COMMITTERS, "think_s": 0.25},
    )
    async with (
        load.loading(server.port, FILES, *streams) as busy,
        load.loading(server.port, FILES, HEALTH) as asking,
        load.loading(idle.port, FILES, HEALTH) as comparing,
    ):
        await asyncio.sleep(SECONDS / 3)
        early = Size.of(server)
        await asyncio.sleep(SECONDS)
        late = Size.of(server)
        control = await comparing.end()
        seen = await asking.end() | await busy.end()
    return Run(seen, control["health"]["ms"], early, late, unharmed_ms)


@asynccontextmanager
async def resting(folder: Path) -> AsyncIterator[Server]:
    """A server nobody asks for anything but its health."""
    async with serving(folder / "idle", RECALLD_EMBEDDER__PROVIDER="none") as server:
        yield server


@pytest.fixture(scope="module")
def unharmed_ms(tmp_path_factory: pytest.TempPathFactory) -> float:
    """p99 of health, in milliseconds, under the crowd on a server that depends on no provider: what two busy cores make
    of it."""

    async def measure(folder: Path) -> float:
        async with server_with(folder) as server, resting(folder) as idle:
            run = await run_load(server, idle, "find")
        return quantile(run.seen["health"]["ms"], 0.99)

    return asyncio.run(measure(tmp_path_factory.mktemp("unharmed")))


def do(fake: Provider, fault: str) -> None:
    """Have the provider do its worst from now on."""
    if fault == "late":
        fake.delay_s = 5.0
    else:
        fake.fault, fake.retry_after = fault, "1" if fault == "429" else ""


def heal(fake: Provider) -> None:
    """Have it be well again, for those who wait as well."""
    fake.fault, fake.delay_s = "ok", 0.0
    fake.let_go.set()


async def all_is_there(server: Server, run: Run) -> None:
    """Well again: what was acknowledged is there once and found, each commit's memory too, and no job is dead or old."""
    for name, client in NAMES:
        await server.wire.call("POST", f"/api/v1/sessions/{name}-{client}/commit", {})
    assert await oldest_job_s(server) <= JOB_S_MAX
    await server.settle()
    there: Counter[tuple[str, int, int]] = Counter()
    for name, client in NAMES:
        turns = await turns_of(server, f"{name}-{client}")
        there.update((name, client, turn) for turn in turns)
        for turn in turns[:: max(1, len(turns) // 4)]:
            await found(server, f"{name}-{client}", turn)
    assert run.acknowledged <= set(there)
    assert max(there.values()) == 1
    counts = Counter(await remembered_tasks(server))
    assert counts == {(client, turn): 1 for name, client, turn in there if name == "commit"}
    assert dead(server) == 0


async def turns_of(server: Server, session: str) -> list[int]:
    """Numbers of a session's turns, archived ones too."""
    raw = await asyncio.to_thread(_messages, server.data, session)
    return [int(text.split(":")[0].removeprefix("turn ")) for text in raw]


def _messages(data: Path, session: str) -> list[str]:
    with closing(sqlite3.connect(f"file:{data / 'recalld.db'}?mode=ro", uri=True)) as store:
        return [
            str(row[0])
            for row in store.execute(
                "SELECT m.text FROM message m JOIN session s ON s.node = m.session WHERE s.name = ? ORDER BY m.ordinal",
                (session,),
            )
        ]


def message(session: str, turn: int) -> dict[str, Any]:
    """What the crowd says in a session at a turn."""
    if session.startswith("commit"):
        return dict(json.loads(load.decided(int(session.removeprefix("commit-")), turn)))
    return {"role": "user", "content": f"turn {turn}: we talked about {corpus.note(turn)[:200]}"}


async def everybody_says(server: Server, turn: int) -> None:
    """One message in every session; all are acknowledged."""
    for name, client in NAMES:
        session = f"{name}-{client}"
        await server.wire.call("POST", f"/api/v1/sessions/{session}/messages", message(session, turn))


async def found(server: Server, session: str, turn: int) -> None:
    """A message comes back by its own words."""
    question = {
        "query": message(session, turn)["content"],
        "target_uri": f"viking://~/sessions/{session}",
        "limit": 5,
        "score_threshold": 0,
    }
    answer = await server.wire.call("POST", "/api/v1/search/find", question)
    assert any(hit["abstract"].startswith(f"turn {turn}:") for hit in answer["memories"]), (session, turn)


async def remembered_tasks(server: Server) -> list[tuple[int, int]]:
    """(team, task) as many times as some memory tells of it."""
    line = Line(server.port)
    files = await asyncio.to_thread(line.files, "viking://~/memories")
    line.close()
    found = [set(_TASK.findall(text)) for text in files.values()]
    return [(int(team), int(task)) for tasks in found for task, team in tasks]


def dead(server: Server) -> int:
    with closing(sqlite3.connect(f"file:{server.data / 'recalld.db'}?mode=ro", uri=True)) as store:
        return int(store.execute("SELECT count(*) FROM job WHERE state = 'dead'").fetchone()[0])


async def oldest_job_s(server: Server) -> float:
    """Age of the oldest job that has begun and not ended."""
    _, text, _ = await server.wire.send("GET", "/metrics")
    ages = re.findall(r"^recalld_job_queue_age_seconds(?:\{[^}]*\})? ([0-9.e+-]+)", text.decode(), re.MULTILINE)
    assert b"recalld_job_queue_age_seconds" in text
    return max(map(float, ages), default=0.0)


async def lacks(server: Server, route: str, question: str) -> str:
    """What an answer says it had to do without."""
    line = Line(server.port)
    answer = await asyncio.to_thread(line.ask, "POST", f"/search/{route}", {"query": question, "limit": 5})
    line.close()
    assert answer.status == 200
    return answer.headers.get("x-recalld-degraded", "")


@pytest.mark.parametrize("fault", FAULTS)
async def test_find_answers_in_time_while_the_embedder_fails(tmp_path: Path, fault: str, unharmed_ms: float) -> None:
    async with (
        provider() as fake,
        provider() as other,
        server_with(tmp_path, embedder=fake, reranker=other) as server,
        resting(tmp_path) as idle,
    ):
        do(fake, fault)
        run = await run_load(server, idle, "find", unharmed_ms)
        assert await lacks(server, "find", "a question nobody has asked before") == "embedder"
        heal(fake)
        run.hold("find")
        await all_is_there(server, run)


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault != "dimensions"])
async def test_search_answers_in_time_while_the_reranker_fails(tmp_path: Path, fault: str, unharmed_ms: float) -> None:
    async with (
        provider() as fake,
        provider() as other,
        server_with(tmp_path, embedder=other, reranker=fake) as server,
        resting(tmp_path) as idle,
    ):
        do(fake, fault)
        run = await run_load(server, idle, "search", unharmed_ms)
        assert await lacks(server, "search", "note") == "reranker"
        heal(fake)
        run.hold("search")
        await all_is_there(server, run)


def remember(request: ReceivedRequest) -> str:
    """A language model that makes one memory of every task it is told of."""
    system, prompt = request.body["messages"][0]["content"], request.body["messages"][-1]["content"]
    if "worth remembering" not in system:
        return json.dumps({"abstract": "Tasks of teams.", "overview": "Who takes which task."})
    found = re.findall(r"\[(m\d+)\][^\n]*?task T(\d+) of team (\d+)", prompt)
    memories = [
        {
            "type": "events",
            "title": f"T{task} of {team}",
            "text": f"Alice takes task T{task} of team {team}.",
            "messages": [m],
        }
        for m, task, team in found
    ]
    return json.dumps({"memories": memories})


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault != "dimensions"])
async def test_find_answers_in_time_while_the_language_model_fails(
    tmp_path: Path, fault: str, unharmed_ms: float
) -> None:
    async with (
        provider() as other,
        provider(says=remember) as fake,
        server_with(tmp_path, embedder=other, model=fake) as server,
        resting(tmp_path) as idle,
    ):
        do(fake, fault)
        run = await run_load(server, idle, "find", unharmed_ms)
        heal(fake)
        run.hold("find")
        assert fake.seen  # it was asked
        await all_is_there(server, run)


async def test_find_answers_in_time_while_the_worker_is_frozen(tmp_path: Path, unharmed_ms: float) -> None:
    async with provider() as fake, server_with(tmp_path, embedder=fake) as server, resting(tmp_path) as idle:
        (worker,) = psutil.Process(server.process.pid).children()
        worker.send_signal(signal.SIGSTOP)
        run = await run_load(server, idle, "find", unharmed_ms)
        worker.send_signal(signal.SIGCONT)
        run.hold("find")
        await all_is_there(server, run)


async def test_find_answers_while_the_write_lock_is_held(tmp_path: Path, unharmed_ms: float) -> None:
    async with provider() as fake, server_with(tmp_path, embedder=fake) as server, resting(tmp_path) as idle:
        await everybody_says(server, 0)
        with closing(sqlite3.connect(server.data / "recalld.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            run = await run_load(server, idle, "find", unharmed_ms)
            other.execute("ROLLBACK")
        await everybody_says(server, 10_000)
        run.hold("find", writes=False)
        await all_is_there(server, run)


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A disk of 64 MB; only root may make one."""
    if (
        os.geteuid() != 0
        or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "t", folder], check=False).returncode
    ):
        pytest.skip("a small disk can only be mounted by root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


async def test_find_answers_while_the_disk_is_full(tmp_path: Path, unharmed_ms: float) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    with small_disk(disk):
        async with provider() as fake, server_with(disk, embedder=fake) as server, resting(tmp_path) as idle:
            await everybody_says(server, 0)
            ballast = disk / "ballast"
            with ballast.open("wb", buffering=0) as file, suppress(OSError):
                while True:  # until there is no room left
                    file.write(bytes(1 << 16))
            run = await run_load(server, idle, "find", unharmed_ms)
            ballast.unlink()
            await everybody_says(server, 10_000)
            run.hold("find", writes=False)
            await all_is_there(server, run)
