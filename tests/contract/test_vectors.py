"""The contract of a vector index."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from recalld.adapters.sqlite.vectors import exact
from recalld.adapters.sqlite.vectors.exact import ExactVectors
from recalld.adapters.vectors.memory import MemoryVectors
from recalld.ports.index import DenseMatches, SearchScope, VectorIndex
from tests.index_builder import IndexBuilder

WIDTH = 16


def unit(n: int, seed: int = 0) -> np.ndarray:
    rows = np.random.default_rng(seed).standard_normal((n, WIDTH)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


class Filled:
    """Chunks of two partitions with vectors; both stores hold the same."""

    def __init__(self, kind: str, **options: Any) -> None:
        self.builder, self.memory = IndexBuilder(), MemoryVectors()
        self.vectors: Any = (
            self.memory if kind == "memory" else ExactVectors(self.builder, self.builder.pool, **options)
        )

    def write(self, user: str, rows: np.ndarray, model: str = "m") -> SearchScope:
        self.builder.add_turns(
            user, "s", [(f"m{i}-{len(self.builder.texts)}", "user", "word", 0.0) for i in range(len(rows))]
        )
        partition_id = self.builder.partition_id(user)
        ids = [
            r[0] for r in self.builder.c.execute("SELECT id FROM chunk WHERE owner = ? ORDER BY id", (partition_id,))
        ]
        self.put(dict(zip(ids[-len(rows) :], rows, strict=True)), model)
        return SearchScope((partition_id,), (np.array(ids, np.int64),), (), 0)

    async def search(
        self, scope: SearchScope, vector: np.ndarray, *, hits_max: int = 5, model: str = "m"
    ) -> DenseMatches:
        index: VectorIndex = await self.vectors.refresh(scope.partition_ids, model)
        return await index.search(scope, vector, hits_max=hits_max)

    def put(self, rows: dict[int, np.ndarray], model: str = "m") -> None:
        self.builder.vectors(model, WIDTH, rows)
        self.memory.put(model, rows)


@pytest.fixture(params=["exact", "memory"])
def filled(request: pytest.FixtureRequest) -> Filled:
    return Filled(request.param)


async def test_cosines_are_exact(filled: Filled) -> None:
    rows = unit(50)
    scope = filled.write("ana", rows)
    found = await filled.search(scope, rows[3])
    assert found.exact
    assert found.ids.tolist() == scope.chunks[0].tolist()
    assert np.allclose(found.scores, rows @ rows[3], atol=2e-3)


async def test_vectors_of_another_partition_are_never_found(filled: Filled) -> None:
    rows = unit(10)
    mine, _ = filled.write("ana", rows[:4]), filled.write("bob", rows[4:])
    assert (await filled.search(mine, rows[5])).ids.tolist() == mine.chunks[0].tolist()


async def test_only_the_scope_is_searched(filled: Filled) -> None:
    rows = unit(10)
    scope = filled.write("ana", rows)
    narrow = SearchScope(scope.partition_ids, (scope.chunks[0][2:3],), (), 0)
    assert (await filled.search(narrow, rows[5])).ids.tolist() == narrow.chunks[0].tolist()


async def test_models_are_never_mixed(filled: Filled) -> None:
    scope = filled.write("ana", unit(3), model="old")
    assert (await filled.search(scope, unit(1)[0], model="new")).ids.tolist() == []


async def test_what_was_just_written_is_found(filled: Filled) -> None:
    rows = unit(6)
    await filled.search(filled.write("ana", rows[:3]), rows[0])
    scope = filled.write("ana", rows[3:])
    assert len((await filled.search(scope, rows[0], hits_max=9)).ids) == 6


async def test_a_newer_vector_takes_the_place_of_an_older_one(filled: Filled) -> None:
    rows = unit(4)
    scope = filled.write("ana", rows[:3])
    await filled.search(scope, rows[0])
    filled.put({int(scope.chunks[0][0]): rows[3]})
    found = await filled.search(scope, rows[3])
    assert found.ids[found.scores.argmax()] == scope.chunks[0][0]
    assert len(found.ids) == 3


async def test_cosines_of_named_chunks(filled: Filled) -> None:
    rows = unit(5)
    scope = filled.write("ana", rows)
    wanted = np.append(scope.chunks[0][1:3], 9_999)
    got = await (await filled.vectors.refresh(scope.partition_ids, "m")).cosines(rows[0], wanted)
    assert np.allclose(got.scores[:2], rows[1:3] @ rows[0], atol=2e-3)
    assert np.isnan(got.scores[2])
    assert got.vector_count == 2


async def test_a_large_partition_is_searched_by_candidates_that_are_rescored() -> None:
    filled = Filled("exact", exact_max=200)
    rows = unit(6_000)
    scope = filled.write("ana", rows)
    hits = 0
    for k in range(20):
        found = await filled.search(scope, rows[k], hits_max=10)
        assert not found.exact
        best = np.sort(scope.chunks[0][np.argsort(-(rows @ rows[k]))[:10]])
        hits += len(np.intersect1d(best, found.ids))
    assert hits >= 0.98 * 200


@pytest.mark.parametrize("exact_max", [5, 100_000])
@pytest.mark.parametrize("rewrites", [60, pytest.param(10_000, marks=pytest.mark.slow)])
async def test_vectors_of_deleted_chunks_are_evicted(
    monkeypatch: pytest.MonkeyPatch, rewrites: int, exact_max: int
) -> None:
    monkeypatch.setattr(exact, "SPARE_ROWS", rewrites // 6)
    filled, rows = Filled("exact", exact_max=exact_max), unit(rewrites + 20)
    scope = filled.write("ana", rows[:20])
    for n in range(rewrites):
        filled.builder.drop_chunks(
            filled.builder.c.execute("SELECT node FROM chunk ORDER BY id LIMIT 1 OFFSET 10").fetchone()[0]
        )
        scope = filled.write("ana", rows[20 + n : 21 + n])
        await filled.vectors.refresh(scope.partition_ids, "m")
    (cached,) = filled.vectors._cache.values()
    assert cached.matrix.count <= 3 * 20 + rewrites // 3
    assert (cached.index is None) == (exact_max > 20)
    live_ids = np.array([r[0] for r in filled.builder.c.execute("SELECT id FROM chunk ORDER BY id")], np.int64)
    found = await filled.search(SearchScope(scope.partition_ids, (live_ids,), (), 0), rows[rewrites + 19])
    assert found.ids[np.argmax(found.scores)] == live_ids[-1]
    assert set(found.ids.tolist()) <= set(live_ids.tolist())


async def test_memory_is_bounded_over_all_partitions() -> None:
    filled = Filled("exact", bytes_max=20_000)
    for user in range(30):
        scope = filled.write(f"u{user}", unit(40, seed=user))
        await filled.vectors.refresh(scope.partition_ids, "m")
    assert filled.vectors._bytes == sum(cached.bytes for cached in filled.vectors._cache.values()) <= 20_000
    assert len(filled.vectors._cache) > 1
