"""An index is searched while it grows: four threads read what one of them updates."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from recalld.adapters.sqlite.catalog import catalog as catalog_module
from recalld.adapters.sqlite.catalog.catalog import SqliteCatalog
from recalld.adapters.sqlite.database.readers import Readers
from recalld.adapters.sqlite.lexicon.fts5 import Fts5Lexicon
from recalld.adapters.sqlite.vectors import exact
from recalld.adapters.sqlite.vectors.exact import ExactVectors
from recalld.domain.caller import Caller
from recalld.domain.query import Query
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
    """Beyond the size up to which everything is scored: candidates by the 4-bit index, neighbours by the catalog."""
    monkeypatch.setattr(catalog_module, "FULL_SCORING_ROWS_MAX", SMALL)
    monkeypatch.setattr(exact, "FILTERED_EXACT_MAX", SMALL)
    builder = IndexBuilder(file=tmp_path / "store.db")
    readers = Readers(tmp_path / "store.db", count=4)
    catalog, vectors = SqliteCatalog(readers), ExactVectors(readers, builder.pool, exact_max=SMALL)
    lexicon = Fts5Lexicon(readers, cached_postings_max=500)
    rows = np.random.default_rng(0).standard_normal((STEPS * 10, WIDTH)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    growing = True

    def grow(step: int) -> None:
        turns = [(f"m{step}-{k}", f"speaker {step}", f"word{k} of{step}", float(step)) for k in range(10)]
        builder.add_turns("ana", "s", turns)
        ids = [r[0] for r in builder.c.execute("SELECT id FROM chunk ORDER BY id DESC LIMIT 10")]
        builder.vectors("m", WIDTH, dict(zip(ids, rows[step * 10 :], strict=False)))

    async def ask(k: int) -> int:
        queries = 0
        while growing:
            scope = await catalog.resolve_scope(Caller(user="ana"), Query("q"))
            index = await vectors.refresh(scope.partition_ids, "m")
            found = await index.search(scope, rows[(k + queries) % len(rows)], hits_max=5)
            words = await lexicon.match(scope, ("word1", f"of{queries % STEPS}", "nowhere"), ())
            table = await catalog.table(scope, np.union1d(found.ids, words.chunk), around=4)
            near = await index.cosines(rows[0], table.ids)
            assert not np.isnan(near.scores[np.isin(table.ids, found.ids)]).any()
            assert np.isin(found.ids, np.concatenate(scope.chunks)).all()
            assert np.isin(found.ids, table.ids).all()
            assert np.isin(words.chunk, table.ids).all()
            queries += 1
        return queries

    grow(0)
    async with asyncio.TaskGroup() as group:
        asking = [group.create_task(ask(k)) for k in range(8)]
        for step in range(1, STEPS):
            await builder.pool.run(grow, step)
        growing = False
    readers.close()
    assert sum(task.result() for task in asking) > STEPS
