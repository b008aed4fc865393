"""How fast a block of recalled text is put together."""

from __future__ import annotations

import time

from bench import corpus
from bench.server import Server
from bench.table import Row, at_most, quantile

MEMORIES = 1_000
BATCH = 200
KINDS = ("events", "entities", "preferences", "experiences")
HOME = "viking://user/default/memories"
TIMES = 60
BUDGET_MS = 40


async def remember(server: Server, memories: int = MEMORIES) -> None:
    """Memories of every kind, each about a note of the corpus."""
    for start in range(0, memories, BATCH):
        operations = [
            {
                "uri": f"{HOME}/{KINDS[number % len(KINDS)]}/m{number:04}.md",
                "content": f"# Memory {number}\n\n" + corpus.note(number)[:600],
                "mode": "upsert",
            }
            for number in range(start, min(start + BATCH, memories))
        ]
        body = {"root_uri": HOME, "operations": operations, "wait": False}
        await server.wire.call("POST", "/api/v1/content/batch-write", body)
    await server.settle()


async def measure(server: Server, files: int) -> list[Row]:
    """Warm, one client: as an agent's hook asks before every prompt, and flat."""
    await remember(server)
    queries = corpus.queries(files, TIMES)
    hook = await _timings(server, queries, {"purpose": "coding", "score_threshold": 0.1})
    flat = await _timings(server, queries, {})
    what = f"context block p50, {files} files and {MEMORIES} memories"
    return [
        at_most(what, quantile(hook, 0.5), BUDGET_MS, "ms", note=f"p95 {quantile(hook, 0.95):.0f} ms"),
        at_most(f"{what}, flat", quantile(flat, 0.5), BUDGET_MS, "ms"),
    ]


async def _timings(server: Server, queries: list[str], more: dict[str, object]) -> list[float]:
    took: list[float] = []
    filled = 0
    for query in [*queries[:5], *queries]:
        begun = time.perf_counter()
        block = await server.wire.call("POST", "/api/v1/search/search", {"query": query, "mode": "context", **more})
        took.append(1000 * (time.perf_counter() - begun))
        filled += bool(block["entries"])
    if filled < len(queries) // 2:
        raise RuntimeError(f"only {filled} of {len(took)} blocks held anything")
    return took[5:]
