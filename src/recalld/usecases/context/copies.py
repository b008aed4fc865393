"""Leaves out candidates with the same text as a better one, so that a block says nothing twice."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from recalld.domain.errors import Busy, Corrupt, Upstream
from recalld.ports.bundle import Ports
from recalld.ports.ledger import ChunkText, Tree
from recalld.rules.context import Candidate, order
from recalld.rules.hit_selection import Shingles, are_similar, shingles
from recalld.usecases.find.present import TEXT_BYTES_MAX, TEXTS, text_of

COMPARED_MAX = 60
"""Candidates that are compared, best first. Later ones seldom fit into a block."""


async def without_copies(
    found: Sequence[Candidate], tree: Tree, ports: Ports, degraded: set[str], *, deadline_s: float
) -> list[Candidate]:
    """Return the candidates, best first, without copies; all of them, and ``texts`` in ``degraded``, if their texts cannot be
    read within ``deadline_s``."""
    ranked = sorted(found, key=order)
    if len(ranked) < 2:
        return ranked
    try:
        async with asyncio.timeout(deadline_s):
            texts = await tree.chunk_texts([one.chunk for one in ranked[:COMPARED_MAX]], bytes_max=TEXT_BYTES_MAX)
            return await ports.compute.run(_distinct, ranked, texts)
    except (Busy, Corrupt, Upstream, TimeoutError):
        degraded.add(TEXTS)
        return ranked


def _distinct(ranked: Sequence[Candidate], texts: Mapping[int, ChunkText]) -> list[Candidate]:
    decoded: dict[str, str] = {}
    hashes, seen = set[str](), list[Shingles]()
    chosen: list[Candidate] = []
    for one in ranked:
        text = texts.get(one.chunk)
        if text is not None and not one.is_dir:
            here = shingles(text_of(text, decoded)[1])
            if (text.hash and text.hash in hashes) or any(are_similar(here, other) for other in seen):
                continue
            hashes.add(text.hash)
            seen.append(here)
        chosen.append(one)
    return chosen
