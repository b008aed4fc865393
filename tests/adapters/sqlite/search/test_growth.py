"""Searches during growth: four threads read while one updates."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from recalld.adapters.sqlite.database.readers import Readers
from recalld.adapters.sqlite.search import vectors as vectors_module
from recalld.adapters.sqlite.search.index import SqliteSearchIndex
from recalld.domain.caller import Caller
from recalld.domain.query import Query
from tests.contract.search_harness import postings
from tests.index_builder import IndexBuilder

WIDTH, STEPS, SMALL = 16, 200, 20


@pytest.fixture
def hasty() -> Iterator[None]:
    """Threads take turns so often that whatever can be seen half done is."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


@pytest.mark.usefixtures("hasty")
async def test_a_growing_index_is_never_seen_half_updated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the size up to which everything is scored: candidates by the 4-bit index, with their neighbours."""
    monkeypatch.setattr(vectors_module, "FILTERED_EXACT_MAX", SMALL)
    builder = IndexBuilder(file=tmp_path / "store.db")
    readers = Readers(tmp_path / "store.db", count=4)
    index = SqliteSearchIndex(readers, builder.pool, full_rows_max=SMALL, exact_rows_max=SMALL, cached_postings_max=500)
    rows = np.random.default_rng(0).standard_normal((STEPS * 10, WIDTH)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    growing = True

    def grow(step: int) -> None:
        turns = [(f"m{step}-{k}", f"speaker {step}", f"word{k} of{step}", float(step)) for k in range(10)]
        with builder.c:
            builder.add_turns("ana", "s", turns)
            ids = [r[0] for r in builder.c.execute("SELECT id FROM chunk ORDER BY id DESC LIMIT 10")]
            builder.vectors("m", WIDTH, dict(zip(ids, rows[step * 10 :], strict=False)))

    async def ask(k: int) -> int:
        queries = 0
        while growing:
            view = await index.open(Caller(user="ana"), Query("q"))
            await view.load_vectors(["m"])
            dense = await view.dense({"m": rows[(k + queries) % len(rows)]}, limit=5)
            near = await view.candidates(None, dense, around=0)
            assert near.cosines["m"].vector_count == len(near.rows.ids) >= 5
            words = await view.lexical(("word1", f"of{queries % STEPS}", "nowhere"), ())
            table = await view.candidates(words, dense, around=4)
            assert np.isin(near.rows.ids, table.rows.ids).all()
            assert len(postings(table)) == view.size // 10
            assert len(table.rows.ids) <= view.size
            queries += 1
        return queries

    grow(0)
    async with asyncio.TaskGroup() as group:
        asking = [group.create_task(ask(k)) for k in range(8)]
        for step in range(1, STEPS):
            await builder.pool.run(grow, step)
        growing = False
    readers.close()
    searches = sum(task.result() for task in asking)
    assert searches > STEPS // 40  # a search is five calls, a step is one: 40 on a busy machine
