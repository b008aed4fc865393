"""How fast the tree is looked at and moved about."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from contextlib import closing

from bench import corpus, load
from bench.floors import Floors
from bench.server import Server
from bench.table import Row, at_most, quantile

TIMES = 40
FLAT = "viking://resources/flat"


async def flat_folder(server: Server, files: int = 1000) -> None:
    """A folder of 1,000 entries."""
    for start in range(0, files, 200):
        operations = [
            {"uri": f"{FLAT}/e{number:04}.md", "content": f"# Entry {number}\n", "mode": "upsert"}
            for number in range(start, start + 200)
        ]
        await server.wire.call(
            "POST", "/api/v1/content/batch-write", {"root_uri": FLAT, "operations": operations, "wait": False}
        )
    await server.settle()


async def measure(server: Server, floors: Floors) -> list[Row]:
    """Listings, reads and searches by pattern, each warm, p50 of 40."""
    await flat_folder(server)
    listing = f"{floors.list_1000:.2f} ms to encode"
    one = f"viking://resources/bench/{corpus.path(77)}"
    return [
        at_most("ls of 1,000 entries", await _get(server, f"/api/v1/fs/ls?uri={FLAT}&limit=1000"), 10, "ms", listing),
        at_most(
            "tree of 1,000",
            await _get(server, "/api/v1/fs/tree?uri=viking://resources/bench&limit=1000"),
            20,
            "ms",
            listing,
        ),
        at_most("stat", await _get(server, f"/api/v1/fs/stat?uri={one}"), 3, "ms"),
        at_most("read", await _get(server, f"/api/v1/content/read?uri={one}"), 3, "ms"),
        at_most("grep with a literal", await _grep(server, r"Note 7[0-9]7\b"), 50, "ms"),
        at_most("grep without a literal", await _grep(server, r"[xyz]{3}[0-9]+"), 300, "ms"),
    ]


async def moves(server: Server, files: int) -> list[Row]:
    """The whole import moved and removed while somebody talks and somebody reads, until what was removed is cleaned up."""
    streams = ({"kind": "append", "clients": 1, "think_s": 0.02}, {"kind": "health", "clients": 1, "think_s": 0.02})
    async with load.loading(server.port, files, *streams) as running:
        moved = await _timed(
            server,
            "POST",
            "/api/v1/fs/mv",
            {"from_uri": "viking://resources/bench", "to_uri": "viking://resources/moved"},
        )
        removed = await _timed(server, "DELETE", "/api/v1/fs?uri=viking://resources/moved&recursive=true", None)
        begun = time.perf_counter()
        while _uncleaned(server):
            await asyncio.sleep(0.1)
        took = time.perf_counter() - begun
        seen = await running.end()
    append, health = seen["append"]["ms"], seen["health"]["ms"]
    beside = f"{took:.0f} s of clean-up"
    return [
        at_most(f"mv of a {files}-file subtree", moved, 100, "ms"),
        at_most(f"rm of a {files}-file subtree", removed, 100, "ms"),
        at_most("append p99 until all is cleaned up", quantile(append, 0.99), 50, "ms", note=beside),
        Row("append worst, /health p99 meanwhile", f"{max(append):.0f} ms, {quantile(health, 0.99):.1f} ms"),
    ]


def _uncleaned(server: Server) -> int:
    """Removed subtrees that still have index rows. Read beside the server: somebody who keeps talking always leaves it some
    work, so it cannot settle."""
    with closing(sqlite3.connect(f"file:{server.data / 'recalld.db'}?mode=ro", uri=True)) as store:
        return int(store.execute("SELECT count(*) FROM trash WHERE cleaned = 0").fetchone()[0])


async def _get(server: Server, path: str) -> float:
    return quantile([await _timed(server, "GET", path, None) for _ in range(TIMES)], 0.5)


async def _grep(server: Server, pattern: str) -> float:
    body = {"uri": "viking://resources/bench", "pattern": pattern}
    return quantile([await _timed(server, "POST", "/api/v1/search/grep", body) for _ in range(10)], 0.5)


async def _timed(server: Server, method: str, path: str, body: object) -> float:
    data = b"" if body is None else json.dumps(body).encode()
    status, answer, took_s = await server.wire.send(method, path, data)
    if status != 200:
        raise RuntimeError(f"{method} {path}: {status} {answer[:300]!r}")
    return took_s * 1000
