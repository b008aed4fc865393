"""The caches of vectors: bounded, and without those of deleted chunks."""

from __future__ import annotations

import numpy as np
import pytest

from recalld.adapters.sqlite.search import vectors as vectors_module
from recalld.adapters.sqlite.search.index import SqliteSearchIndex
from recalld.adapters.sqlite.search.vectors import Vectors
from recalld.domain.caller import Caller
from tests.contract.search_harness import SearchHarness, cosines, unit


def vectors_of(harness: SearchHarness) -> Vectors:
    assert isinstance(harness.index, SqliteSearchIndex)
    return harness.index._vectors


@pytest.mark.parametrize("exact_rows_max", [5, 100_000])
@pytest.mark.parametrize("rewrites", [60, pytest.param(10_000, marks=pytest.mark.slow)])
async def test_vectors_of_deleted_chunks_are_evicted(
    monkeypatch: pytest.MonkeyPatch, rewrites: int, exact_rows_max: int
) -> None:
    monkeypatch.setattr(vectors_module, "SPARE_ROWS", rewrites // 6)
    harness, rows = SearchHarness(exact_rows_max=exact_rows_max), unit(rewrites + 20)
    harness.embed(rows[:20])
    for n in range(rewrites):
        harness.builder.drop_chunks(
            harness.builder.c.execute("SELECT node FROM chunk ORDER BY id LIMIT 1 OFFSET 10").fetchone()[0]
        )
        harness.embed(rows[20 + n : 21 + n])
        await (await harness.open()).load_vectors(["m"])
    (cached,) = vectors_of(harness)._cache.values()
    assert cached.matrix.count <= 3 * 20 + rewrites // 3
    assert (cached.index is None) == (exact_rows_max > 20)
    live_ids = [r[0] for r in harness.builder.c.execute("SELECT id FROM chunk ORDER BY id")]
    found = cosines(await harness.near(rows[rewrites + 19]))
    assert max(found, key=found.__getitem__) == live_ids[-1]
    assert np.isin(live_ids, list(found)).all()


async def test_memory_is_bounded_over_all_partitions() -> None:
    harness = SearchHarness(vector_bytes_max=20_000)
    for user in range(30):
        harness.embed(unit(40, seed=user), f"u{user}")
        await (await harness.open(Caller(user=f"u{user}"))).load_vectors(["m"])
    vectors = vectors_of(harness)
    assert vectors._bytes == sum(cached.bytes for cached in vectors._cache.values()) <= 20_000
    assert len(vectors._cache) > 1
