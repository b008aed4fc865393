"""``python -m bench.soak --minutes 20``: many clients and permanent random faults, for any duration.

Every ``CHANGE_S`` seconds another fault is drawn (by seed) for the embedder, the reranker or the worker. At the end all is well
again: each message is there once, no job is dead, and memory, threads and open files are where they were.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import shutil
import signal
import sqlite3
import statistics
import sys
import time
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from rich.progress import Progress

from bench import corpus, load
from bench.server import Server, serving
from bench.table import Row, at_most, missed, quantile, show
from tests.fakes.provider import WIDTH, Provider, provider

CHANGE_S = 10.0
FILES = 500
FAULTS = ("ok", "ok", "hang", "trickle", "reset", "garbage", "dimensions", "huge", "401", "429", "500")
WORKER_FAULTS = ("frozen", "killed")
CLIENTS = (
    {"kind": "ask", "clients": 8, "think_s": 0.1},
    {"kind": "search", "clients": 4, "think_s": 0.2},
    {"kind": "append", "clients": 4, "think_s": 0.2},
    {"kind": "commit", "clients": 1, "think_s": 2.0},
    {"kind": "health", "clients": 1, "think_s": 0.05},
)
GROWTH_MAX = 1.25


@dataclass(frozen=True, slots=True)
class Size:
    """What the server's process holds. ``own_mb``: memory that is no file's: pages of the growing store, mapped once by each
    reader, come and go as the system likes."""

    own_mb: float
    threads: int
    files: int

    @classmethod
    def of(cls, server: Server) -> Size:
        process = psutil.Process(server.process.pid)
        status = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii")
        own_kb = int(status.split("RssAnon:")[1].split()[0])
        return cls(own_kb / 1e3, process.num_threads(), process.num_fds())


async def soak(folder: Path, minutes: float, seed: int) -> list[Row]:
    """Run it and judge it."""
    async with provider() as embedding, provider() as reranking:
        settings = {
            "RECALLD_EMBEDDER__PROVIDER": "openai",
            "RECALLD_EMBEDDER__BASE_URL": embedding.url,
            "RECALLD_EMBEDDER__MODEL": "m",
            "RECALLD_EMBEDDER__DIMENSIONS": str(WIDTH),
            "RECALLD_RERANKER__PROVIDER": "tei",
            "RECALLD_RERANKER__BASE_URL": reranking.url,
            "RECALLD_WORKER__HEARTBEAT_TIMEOUT_S": "5",
        }
        async with serving(folder / "store", **settings) as server:
            upload = await server.wire.upload("some.zip", corpus.archive(0, FILES))
            body = {"temp_file_id": upload, "to": "viking://resources/bench", "wait": True}
            await server.wire.call("POST", "/api/v1/resources", body)
            async with load.loading(server.port, FILES, *CLIENTS) as clients:
                sizes = await _spoil(server, embedding, reranking, minutes * 60, random.Random(seed))
                seen = await clients.end()
            _well(embedding), _well(reranking)
            await asyncio.wait_for(server.settle(), 600)
            return _judged(seen, sizes, await _lost(server), _dead(server), minutes)


async def _spoil(
    server: Server, embedding: Provider, reranking: Provider, seconds: float, chance: random.Random
) -> list[Size]:
    """Something else goes wrong every few seconds; sizes on the way."""
    sizes: list[Size] = []
    end = time.monotonic() + seconds
    with Progress(transient=True) as progress:
        bar = progress.add_task("soaking", total=seconds)
        while (left := end - time.monotonic()) > 0:
            _well(embedding), _well(reranking)
            victim = chance.choice(("embedder", "reranker", "both", "worker"))
            fault = chance.choice(WORKER_FAULTS if victim == "worker" else FAULTS)
            progress.update(bar, completed=seconds - left, description=f"{victim}: {fault}")
            if victim == "worker":
                _hurt(server, fault)
            for fake in ((embedding,) if victim in {"embedder", "both"} else ()) + (
                (reranking,) if victim in {"reranker", "both"} else ()
            ):
                fake.fault, fake.retry_after = fault, "1" if fault == "429" else ""
            await asyncio.sleep(min(CHANGE_S, left))
            sizes.append(Size.of(server))
    return sizes


def _well(fake: Provider) -> None:
    fake.fault = "ok"
    fake.let_go.set()
    fake.let_go = asyncio.Event()


def _hurt(server: Server, fault: str) -> None:
    """A frozen worker is killed by its supervisor in a few seconds; a killed one is replaced at once."""
    with suppress(psutil.NoSuchProcess):
        for child in psutil.Process(server.process.pid).children():
            child.send_signal(signal.SIGSTOP if fault == "frozen" else signal.SIGKILL)


async def _lost(server: Server) -> int:
    """Acknowledged messages that are not there in order, once each."""
    wrong = 0
    for talker in range(4):
        got = await server.wire.call("GET", f"/api/v1/sessions/bench-{talker}/context?token_budget=100000000")
        turns = [int(m["parts"][0]["text"].split(":")[0].removeprefix("turn ")) for m in got["messages"]]
        wrong += turns != list(range(turns[0], turns[0] + len(turns)))
    return wrong


def _dead(server: Server) -> int:
    with closing(sqlite3.connect(f"file:{server.data / 'recalld.db'}?mode=ro", uri=True)) as store:
        return int(store.execute("SELECT count(*) FROM job WHERE state = 'dead'").fetchone()[0])


def _judged(seen: dict[str, Any], sizes: Sequence[Size], lost: int, dead: int, minutes: float) -> list[Row]:
    quarter = max(1, len(sizes) // 4)
    early, late = sizes[quarter : 2 * quarter] or sizes[:1], sizes[-quarter:]

    def middle(part: Sequence[Size], what: str) -> float:
        return statistics.median(getattr(size, what) for size in part)

    rows = [
        Row(
            f"{kind}",
            f"{stream['count']} answered, p50 {quantile(stream['ms'], 0.5):.0f} p99 {quantile(stream['ms'], 0.99):.0f} ms",
        )
        for kind, stream in seen.items()
    ]
    growth = [
        at_most(
            f"{what}, last quarter against second",
            middle(late, what) / middle(early, what),
            GROWTH_MAX,
            "x",
            note=f"{middle(early, what):.0f} to {middle(late, what):.0f}",
        )
        for what in ("own_mb", "threads", "files")
    ]
    return [
        Row("soaked", f"{minutes:g} minutes"),
        *rows,
        at_most(
            "refused or failed",
            sum(stream["errors"] for stream in seen.values()),
            0,
            "requests",
            note=", ".join(f"{kind} {stream['statuses']}" for kind, stream in seen.items() if stream["errors"]),
        ),
        at_most("slowest recall", max(seen["ask"]["ms"] + seen["search"]["ms"]), 3_000, "ms"),
        *growth,
        at_most("talks with something lost or doubled", lost, 0, "of 4"),
        at_most("dead letters", dead, 0, "jobs"),
    ]


def main() -> int:
    """Soak, print, exit 1 if a promise was broken."""
    options = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    options.add_argument("--minutes", type=float, default=20.0)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--folder", default=".bench")
    chosen = options.parse_args()
    folder = Path(chosen.folder).resolve()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    print(f"seed {chosen.seed}", file=sys.stderr)
    rows = asyncio.run(soak(folder, chosen.minutes, chosen.seed))
    show(rows)
    if list(missed(rows)):
        print(f"the store and its log are kept in {folder}", file=sys.stderr)
        return 1
    shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
