"""How fast an import is, and what everybody else notices of it."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from bench import corpus, load
from bench.floors import Floors
from bench.server import Server
from bench.table import Row, at_least, at_most, quantile

# Sixteen people who search all the time, with a breath between two questions.
SEARCHERS = {"kind": "find", "clients": 16, "think_s": 0.15}


async def run_import(server: Server, start: int, end: int, *, settle: bool = True) -> float:
    """Import files ``start`` to ``end``; seconds until all of them are searchable.

    ``settle``: until their vectors are there too. While others keep writing that never comes; without it the import's own
    task is what is waited for.
    """
    packed = corpus.archive(start, end)
    begun = time.perf_counter()
    file_id = await server.wire.upload(f"bench-{start}.zip", packed)
    got = await server.wire.call(
        "POST",
        "/api/v1/resources",
        {
            "temp_file_id": file_id,
            "to": "viking://resources/bench" if start == 0 else f"viking://resources/bench{start}",
        },
    )
    while (task := await server.wire.call("GET", f"/api/v1/tasks/{got['task_id']}"))["status"] in {
        "pending",
        "running",
    }:
        await asyncio.sleep(0.05)
    if task["status"] != "completed":
        raise RuntimeError(f"import ended {task['status']}: {task.get('error')}")
    if settle:
        await server.settle()
    return time.perf_counter() - begun


async def quiet(server: Server, start: int, end: int, floors: Floors) -> list[Row]:
    """An import with nothing beside it."""
    rate = (end - start) / await run_import(server, start, end)
    return [
        at_least(
            "import until searchable",
            rate,
            100,
            "files/s",
            f"{floors.store_rate:.0f} fts, {floors.embed_rate:.0f} model",
        )
    ]


async def talked(server: Server, start: int, end: int, floors: Floors) -> list[Row]:
    """An import while somebody talks."""
    async with load.loading(server.port, end, {"kind": "append", "clients": 1, "think_s": 0.02}) as running:
        rate = (end - start) / await run_import(server, start, end, settle=False)
        append = (await running.end())["append"]
    _check(append)
    await server.settle()
    return [
        at_most(
            "append p50, durable, during import",
            quantile(append["ms"], 0.5),
            5,
            "ms",
            f"{floors.append_p50:.2f} ms sqlite",
            f"{rate:.0f} files/s meanwhile",
        ),
        at_most(
            "append p99, durable, during import",
            quantile(append["ms"], 0.99),
            50,
            "ms",
            f"{floors.append_p99:.2f} ms sqlite",
        ),
    ]


async def idle_health(server: Server, files: int) -> float:
    """p99 in ms with nothing else to do."""
    seen = await load.run_for(server.port, files, 5, {"kind": "health", "clients": 1, "think_s": 0.01})
    return quantile(seen["health"]["ms"], 0.99)


async def crowded(server: Server, start: int, end: int, idle_p99: float) -> list[Row]:
    """An import during searches, appends and health checks."""
    streams: tuple[dict[str, Any], ...] = (
        SEARCHERS,
        {"kind": "append", "clients": 1, "think_s": 0.05},
        {"kind": "health", "clients": 1, "think_s": 0.02},
    )
    async with load.loading(server.port, end, *streams) as running:
        rate = (end - start) / await run_import(server, start, end, settle=False)
        seen = await running.end()
    await server.settle()
    errors = sum(kind["errors"] for kind in seen.values())
    find, append, health = seen["find"]["ms"], seen["append"]["ms"], seen["health"]["ms"]
    beside = f"{rate:.0f} files/s and {len(find) / seen['find']['seconds']:.0f} finds/s meanwhile"
    return [
        at_most(
            f"/health p99 during import of {end - start} files and search",
            quantile(health, 0.99),
            3 * idle_p99 + 10,
            "ms",
            f"{idle_p99:.2f} ms idle",
            beside,
        ),
        at_most("loop stall p99.9, as /health sees it", quantile(health, 0.999), 50, "ms"),
        Row("append p50 / p99 under that load", f"{quantile(append, 0.5):.1f} / {quantile(append, 0.99):.1f} ms"),
        Row("find p50 / p99 under that load", f"{quantile(find, 0.5):.1f} / {quantile(find, 0.99):.1f} ms"),
        at_most("refusals and errors meanwhile", errors, 0, "of " + str(sum(kind["count"] for kind in seen.values()))),
    ]


def _check(seen: dict[str, Any]) -> None:
    if seen["errors"] or not seen["count"]:
        raise RuntimeError(f"requests failed: {seen['errors']} of {seen['count']}")
