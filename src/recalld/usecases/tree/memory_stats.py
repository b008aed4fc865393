"""Count a caller's memories."""

from __future__ import annotations

from recalld.domain.caller import Caller
from recalld.domain.node import Entry
from recalld.domain.uri import Uri
from recalld.ports.bundle import Ports
from recalld.rules.memory_stats import MemoryStats, memory_stats

MEMORIES_MAX = 100_000
DEPTH_MAX = 32


async def count_memories(caller: Caller, ports: Ports, *, category: str = "") -> MemoryStats:
    """Return statistics of the caller's own memories, up to 100,000 entries; memories of peers are not counted."""
    home = Uri(("user", caller.user, "memories"))
    entries = await ports.ledger.tenant(caller).walk(home, depth_max=DEPTH_MAX, nodes_max=MEMORIES_MAX)
    return await ports.compute.run(_counted, entries, ports.clock.now(), category)


def _counted(entries: list[Entry], now: float, category: str) -> MemoryStats:
    files = [(e.rel_path, e.node.created_at, e.node.updated_at) for e in entries if not e.node.is_dir]
    return memory_stats(files, now, category)
