"""``python -m bench.liveness``: how long recall, capture and health take while a provider takes its time.

The embedder answers after 200 ms, the reranker after 300: what a find costs beyond that is ours. Measured with 1, 8, 32 and 64
clients that search without pause, beside eight that append and two that commit. Prints the table and draws it (``--svg``).
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import corpus, load
from bench.picture import Series, draw
from bench.server import Server, serving
from bench.table import Row, at_most, missed, quantile, show
from tests.fakes.provider import WIDTH, provider

LOOPS = (1, 8, 32, 64)
BUDGETED = 32
EMBED_S, RERANK_S = 0.2, 0.3
FILES = 1_000
TALK = ({"kind": "append", "clients": 8, "think_s": 0.1}, {"kind": "commit", "clients": 2, "think_s": 0.25})
HEALTH = {"kind": "health", "clients": 1, "think_s": 0.02}


@dataclass(frozen=True, slots=True)
class Point:
    """One number of clients; quantiles in ms."""

    loops: int
    find_p50: float
    find_p99: float
    finds_s: float
    append_p99: float
    commit_p99: float
    health_p99: float
    errors: int


async def measure(folder: Path, seconds: float) -> list[Point]:
    """Every number of clients, one after the other, against one server."""
    async with provider(delay_s=EMBED_S) as embedding, provider(delay_s=RERANK_S) as reranking:
        settings = {
            "RECALLD_EMBEDDER__PROVIDER": "openai",
            "RECALLD_EMBEDDER__BASE_URL": embedding.url,
            "RECALLD_EMBEDDER__MODEL": "m",
            "RECALLD_EMBEDDER__DIMENSIONS": str(WIDTH),
            "RECALLD_EMBEDDER__TIMEOUT_S": "1.5",
            "RECALLD_RERANKER__PROVIDER": "tei",
            "RECALLD_RERANKER__BASE_URL": reranking.url,
        }
        async with serving(folder / "store", **settings) as server:
            await _fill(server)
            return [await _run_clients(server, loops, seconds) for loops in LOOPS]


async def _fill(server: Server) -> None:
    upload = await server.wire.upload("some.zip", corpus.archive(0, FILES))
    body = {"temp_file_id": upload, "to": "viking://resources/bench", "wait": True}
    await server.wire.call("POST", "/api/v1/resources", body)
    await server.settle()


async def _run_clients(server: Server, loops: int, seconds: float) -> Point:
    ask: dict[str, Any] = {"kind": "ask", "clients": loops}
    async with (
        load.loading(server.port, FILES, ask, *TALK) as crowding,
        load.loading(server.port, FILES, HEALTH) as asking,
    ):
        await asyncio.sleep(seconds)
        seen = await asking.end() | await crowding.end()
    ms = {kind: stream["ms"] for kind, stream in seen.items()}
    point = Point(
        loops,
        quantile(ms["ask"], 0.5),
        quantile(ms["ask"], 0.99),
        len(ms["ask"]) / seen["ask"]["seconds"],
        quantile(ms["append"], 0.99),
        quantile(ms["commit"], 0.99),
        quantile(ms["health"], 0.99),
        sum(stream["errors"] for stream in seen.values()),
    )
    print(f"  {point}", file=sys.stderr, flush=True)
    return point


def rows_of(points: Sequence[Point]) -> list[Row]:
    """The table: budgets where they were set, figures elsewhere."""
    rows = [
        Row(
            f"{p.loops} searching, 8 appending",
            f"find {p.find_p50:.0f} / {p.find_p99:.0f} ms, {p.finds_s:.0f}/s; append p99 {p.append_p99:.0f} ms; "
            f"commit p99 {p.commit_p99:.0f} ms; health p99 {p.health_p99:.1f} ms; {p.errors} errors",
        )
        for p in points
    ]
    at = next(p for p in points if p.loops == BUDGETED)
    return [
        *rows,
        at_most(
            f"find p50 at {at.loops} + 8",
            at.find_p50,
            1_000 * EMBED_S + 25,
            "ms",
            f"{1_000 * EMBED_S:.0f} ms the provider",
        ),
        at_most(f"append p99 at {at.loops} + 8", at.append_p99, 50, "ms"),
        at_most(f"commit acknowledged p99 at {at.loops} + 8", at.commit_p99, 100, "ms"),
        at_most("errors at every size", sum(p.errors for p in points), 0, ""),
    ]


def picture(points: Sequence[Point]) -> str:
    """The table drawn."""
    return draw(
        "Milliseconds while the embedder takes 200 ms for every question",
        [str(p.loops) for p in points],
        "clients that search without pause, beside 8 that append",
        [
            Series("find, median", [p.find_p50 for p in points]),
            Series("find, slowest of 100", [p.find_p99 for p in points]),
            Series("message recorded, slowest of 100", [p.append_p99 for p in points]),
            Series("/health, slowest of 100", [p.health_p99 for p in points]),
        ],
    )


def main() -> int:
    """Measure, print, draw; exit 1 if a budget was missed."""
    options = argparse.ArgumentParser(prog="python -m bench.liveness", description=__doc__)
    options.add_argument("--seconds", type=float, default=8.0, help="how long each number of clients runs (8)")
    options.add_argument("--svg", default="", help="draw the table into this file")
    options.add_argument("--folder", default=".bench", help="where the store lies meanwhile")
    chosen = options.parse_args()
    folder = Path(chosen.folder).resolve()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    points = asyncio.run(measure(folder, chosen.seconds))
    rows = rows_of(points)
    show(rows)
    if chosen.svg:
        Path(chosen.svg).write_text(picture(points), encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    return 1 if list(missed(rows)) else 0


if __name__ == "__main__":
    raise SystemExit(main())
