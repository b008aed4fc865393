"""How fast recall answers."""

from __future__ import annotations

from bench import load
from bench.floors import Floors
from bench.server import Server
from bench.table import Row, at_least, at_most, quantile

SECONDS = 8.0


async def one_client(server: Server, files: int, seconds: float = SECONDS) -> tuple[float, float, float]:
    """(p50 ms, p99 ms, CPU ms of the server per find), warm."""
    await load.run_for(server.port, files, 2, {"kind": "find", "clients": 1})
    before = server.cpu_s()
    seen = (await load.run_for(server.port, files, seconds, {"kind": "find", "clients": 1}))["find"]
    spent = server.cpu_s() - before
    _check(seen)
    return quantile(seen["ms"], 0.5), quantile(seen["ms"], 0.99), 1000 * spent / seen["count"]


async def measure(server: Server, files: int, floors: Floors) -> tuple[float, list[Row]]:
    """One client, then sixteen; the one client's p50 in ms beside the rows."""
    p50, p99, cpu = await one_client(server, files)
    floor = f"{floors.find_p50:.2f} ms (fts {floors.match_p50:.2f} + numpy {floors.dense_p50:.2f} + model {floors.embed_p50:.2f})"
    many = (await load.run_for(server.port, files, SECONDS, {"kind": "find", "clients": 16}))["find"]
    _check(many)
    rows = [
        at_most(f"find p50, {files} files, one client", p50, 10, "ms", floor),
        at_most(f"find p99, {files} files, one client", p99, 40, "ms"),
        at_most("find: CPU of the server each", cpu, 5, "ms"),
        at_least(
            "find: throughput, 16 clients",
            many["count"] / many["seconds"],
            150,
            "/s",
            f"{1000 / floors.find_p50:.0f} /s one core",
        ),
    ]
    return p50, rows


async def measure_lexical(server: Server, files: int, floors: Floors) -> list[Row]:
    """The same store without an embedder."""
    p50, _, cpu = await one_client(server, files, 4)
    return [
        at_most("find p50, lexical only", p50, 6, "ms", f"{floors.match_p50:.2f} ms fts"),
        at_most("find: CPU of the server each, lexical only", cpu, 5, "ms"),
    ]


def _check(seen: dict[str, object]) -> None:
    if seen["errors"] or not seen["count"]:
        raise RuntimeError(f"finds failed: {seen['errors']} of {seen['count']}")
