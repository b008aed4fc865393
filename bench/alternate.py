"""``python -m bench.alternate NAME=SRC[,SETTING=VALUE...] ...``: what a mechanism is worth, on a machine that others use too.

Starts one server per source tree, then loads one after the other in short rounds, with an embedder that takes 200 ms. The
first is the baseline. CPU time per find, not wall time: it counts what the server's threads ran, whatever else runs.

A source tree is a copy of ``src`` without the mechanism. Give the baseline a second time to see the noise.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import shutil
import statistics
import subprocess
import sys
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from bench import corpus, load
from bench.server import Server, serving
from bench.table import quantile
from tests.fakes.provider import WIDTH, provider

STREAMS = ({"kind": "append", "clients": 8, "think_s": 0.1}, {"kind": "commit", "clients": 2, "think_s": 0.25})
EMBED_S = 0.2


@dataclass(frozen=True, slots=True)
class Round:
    """One round: CPU ms per find, the median find and the 99th percentile of an append in ms."""

    cpu_ms: float
    find_p50: float
    append_p99: float


def _cpu_s(pid: int) -> float:
    """CPU time of all living threads, in nanosecond resolution (Linux)."""
    stats = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(stat.read_text().split()[0]) for stat in stats) / 1e9


async def _round(server: Server, files: int, clients: int, seconds: float) -> Round:
    """One round; repeated if it was suspended meanwhile."""
    async with load.loading(
        server.port, files, {"kind": "ask", "clients": clients, "think_s": 0.05}, *STREAMS
    ) as running:
        before, begun = _cpu_s(server.process.pid), time.monotonic()
        await asyncio.sleep(seconds)
        spent, took_s = _cpu_s(server.process.pid) - before, time.monotonic() - begun
        seen = await running.end()
    if max(took_s, seen["ask"]["seconds"]) > 1.5 * seconds:
        return await _round(server, files, clients, seconds)
    ms = seen["ask"]["ms"]
    finds = len(ms) * seconds / seen["ask"]["seconds"]
    return Round(spent / finds * 1e3, quantile(ms, 0.5), quantile(seen["append"]["ms"], 0.99))


async def measure(variants: dict[str, dict[str, str]], folder: Path, options: argparse.Namespace) -> None:
    """Start all servers, fill them, load them in turns, print the table."""
    rounds: dict[str, list[Round]] = {name: [] for name in variants}
    async with AsyncExitStack() as stack:
        servers: dict[str, Server] = {}
        for name, environment in variants.items():
            server = servers[name] = await stack.enter_async_context(serving(folder / name, **environment))
            upload = await server.wire.upload("some.zip", corpus.archive(0, options.files))
            body = {"temp_file_id": upload, "to": "viking://resources/bench", "wait": True}
            await server.wire.call("POST", "/api/v1/resources", body)
            await server.settle()
        for turn in range(options.rounds + 1):
            for name in random.sample(list(variants), len(variants)):
                one = await _round(servers[name], options.files, options.clients, options.seconds)
                if turn:  # the first round warms up
                    rounds[name].append(one)
    base = rounds[next(iter(variants))]
    print(f"{'variant':14}  CPU/find  find p50  append p99  CPU against the first")
    for name, ours in rounds.items():
        cpu, p50, p99 = (
            statistics.median(getattr(one, field) for one in ours) for field in ("cpu_ms", "find_p50", "append_p99")
        )
        ratio = cpu / statistics.median(one.cpu_ms for one in base)
        print(f"{name:14} {cpu:6.2f} ms {p50:6.0f} ms {p99:8.0f} ms  {(ratio - 1) * 100:+6.1f} %")


async def _slow_embedder() -> None:
    async with provider(delay_s=EMBED_S) as embedding:
        print(embedding.url, flush=True)
        await asyncio.Event().wait()


def main() -> None:
    """Parse, start the embedder as a process of its own, measure."""
    if sys.argv[1:] == ["embedder"]:
        asyncio.run(_slow_embedder())
    options = argparse.ArgumentParser(prog="python -m bench.alternate", description=__doc__)
    options.add_argument("variants", nargs="+", metavar="NAME=SRC[,SETTING=VALUE...]")
    options.add_argument("--rounds", type=int, default=16)
    options.add_argument("--seconds", type=float, default=3.0, help="of one round (3)")
    options.add_argument("--files", type=int, default=1_000, help="in each store (1,000)")
    options.add_argument("--clients", type=int, default=32, help="that search, beside 8 that append (32)")
    chosen = options.parse_args()
    folder = Path(".bench").resolve()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    embedder = subprocess.Popen(
        [sys.executable, "-m", "bench.alternate", "embedder"], stdout=subprocess.PIPE, text=True
    )
    assert embedder.stdout is not None
    common = {
        "RECALLD_EMBEDDER__KIND": "openai",
        "RECALLD_EMBEDDER__BASE_URL": embedder.stdout.readline().strip(),
        "RECALLD_EMBEDDER__MODEL": "m",
        "RECALLD_EMBEDDER__DIMENSIONS": str(WIDTH),
        "RECALLD_EMBEDDER__DEADLINE_S": "1.5",
    }
    variants = {}
    for text in chosen.variants:
        name, _, rest = text.partition("=")
        src, *settings = rest.split(",")
        variants[name] = common | {"PYTHONPATH": src} | dict(each.split("=", 1) for each in settings)
    try:
        asyncio.run(measure(variants, folder, chosen))
    finally:
        embedder.terminate()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
