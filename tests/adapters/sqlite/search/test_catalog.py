"""The catalog's caches: bounded, freed at once, and filled page by page."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest

from recalld.adapters.sqlite.search import catalog as catalog_module
from recalld.adapters.sqlite.search import change_feed, partition_index
from recalld.adapters.sqlite.search.catalog import Catalog
from recalld.adapters.sqlite.search.index import SqliteSearchIndex
from recalld.domain.caller import Caller
from recalld.domain.query import Query
from tests.contract.search_harness import ANA, SearchHarness, uri


def catalog_of(harness: SearchHarness) -> Catalog:
    assert isinstance(harness.index, SqliteSearchIndex)
    return harness.index._catalog


@pytest.fixture
def harness() -> SearchHarness:
    return SearchHarness()


async def test_the_memory_budget_drops_the_least_recently_used_partition() -> None:
    harness = SearchHarness(catalog_rows_max=10)
    for user in ("u1", "u2", "u3"):
        harness.append(user, *("word",) * 6)
        assert len(await harness.found(Caller(user=user))) == 6
    assert len(catalog_of(harness)._partitions) <= 2
    assert len(await harness.found(Caller(user="u1"))) == 6


async def test_cached_scopes_are_bounded_by_their_rows(harness: SearchHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog_module, "SCOPE_ROWS_MAX", 25)
    for n in range(10):
        harness.builder.file(uri(f"resources/{n}.md"), "text")
    for depth in range(6):
        filters = {"targets": (uri("resources"),), "since": float(-depth)}
        assert len(await harness.found(**filters)) == 10
    assert len(catalog_of(harness)._scopes) == 2
    harness.builder.file(uri("resources/more.md"), "text")
    assert len(await harness.found(targets=(uri("resources"),), since=-5.0)) == 11
    assert catalog_of(harness)._scope_rows == sum(scope.size for scope in catalog_of(harness)._scopes.values())


async def test_a_replaced_scope_is_freed_at_once(harness: SearchHarness) -> None:
    """Without waiting for the GC: on a busy server every query brings a new scope of megabytes."""
    harness.builder.file(uri("resources/a.md"), "text")
    gc.collect()
    gc.disable()
    try:
        old = weakref.ref(await catalog_of(harness).resolve_scope(ANA, Query("q"), linger_s=0.0))
        harness.builder.file(uri("resources/b.md"), "text")
        await harness.open()
        assert old() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("moved", [1, 3, 4])
async def test_a_move_is_followed_whole_wherever_a_page_ends(
    harness: SearchHarness, monkeypatch: pytest.MonkeyPatch, moved: int
) -> None:
    """All nodes of a move get one place in the log: a page may end between them."""
    monkeypatch.setattr(change_feed, "PAGE_ROWS", 3)
    harness.builder.file(uri("resources/a.md"), "text")
    await harness.found()
    for n in range(moved):
        harness.builder.file(uri(f"resources/moved/{n}.md"), "text")
    harness.builder.seq += 1
    harness.builder.c.execute("UPDATE node SET seq = ? WHERE name LIKE '_.md'", (harness.builder.seq,))
    assert await harness.found() == {"resources/a.md", *(f"resources/moved/{n}.md" for n in range(moved))}


async def test_a_long_text_whose_chunks_fill_several_pages_is_found_whole(
    harness: SearchHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness.builder.file(
        uri("resources/a.md"), "# one\n\n" + "\n\n".join(f"## part {n}\n\n{'word ' * 300}" for n in range(9))
    )
    harness.builder.file(uri("resources/b.md"), "text")
    fresh: Any = SqliteSearchIndex(harness.builder, harness.builder.pool)  # type: ignore[arg-type]
    whole = (await fresh.open(ANA, Query("q"))).size
    assert whole > 7
    monkeypatch.setattr(change_feed, "PAGE_ROWS", 3)
    assert (await harness.open()).size == whole
    harness.builder.file(uri("resources/a.md"), "shorter")
    assert (await harness.open()).size == 2


REWRITES = [40, pytest.param(10_000, marks=pytest.mark.slow)]


@pytest.mark.parametrize("rewrites", REWRITES)
async def test_rewrites_do_not_accumulate_dead_rows(
    harness: SearchHarness, monkeypatch: pytest.MonkeyPatch, rewrites: int
) -> None:
    monkeypatch.setattr(partition_index, "SPARE_ROWS", rewrites // 8)
    harness.builder.file(uri("resources/b.md"), "stays", tags=["k=v"])
    for n in range(rewrites):
        harness.builder.file(uri("resources/a.md"), f"# text {n}\n\nwords")
        scope = await catalog_of(harness).resolve_scope(ANA, Query("q"), linger_s=0.0)
    (held,) = scope.partitions
    assert isinstance(held, partition_index.PartitionIndex)
    assert held.rows <= rewrites // 4 + 20
    assert scope.size == 2
    assert await harness.found() == {"resources/a.md", "resources/b.md"}
    assert await harness.found(tags=("k=v",)) == {"resources/b.md"}
    assert sum(scope.size for scope in catalog_of(harness)._scopes.values()) <= 3 * scope.size


@pytest.mark.parametrize("files", REWRITES)
async def test_removed_files_do_not_accumulate_dead_rows(
    harness: SearchHarness, monkeypatch: pytest.MonkeyPatch, files: int
) -> None:
    monkeypatch.setattr(partition_index, "SPARE_ROWS", files // 8)
    harness.builder.file(uri("resources/d/b.md"), "stays")
    for n in range(files):
        node = harness.builder.file(uri(f"resources/d/{n}.md"), "words")
        await harness.open()
        harness.builder.remove(uri(f"resources/d/{n}.md"))
        await harness.open()
        harness.builder.drop_chunks(node)
        harness.builder.c.execute("DELETE FROM node WHERE id = ?", (node,))
    scope = await catalog_of(harness).resolve_scope(ANA, Query("q"), linger_s=0.0)
    (held,) = scope.partitions
    assert isinstance(held, partition_index.PartitionIndex)
    assert held.rows <= files // 4 + 20
    assert await harness.found() == {"resources/d/b.md"}


async def test_removed_nodes_return_before_the_purge(harness: SearchHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partition_index, "SPARE_ROWS", 2)
    for n in range(9):
        harness.builder.file(uri(f"resources/old/{n}.md"), "words")
    assert len(await harness.found()) == 9
    harness.builder.remove(uri("resources/old"))
    harness.builder.file(uri("resources/new.md"), "words")
    assert await harness.found() == {"resources/new.md"}
    harness.builder.seq += 1
    harness.builder.c.execute("UPDATE node SET gone = 0, seq = ? WHERE name = 'old'", (harness.builder.seq,))
    assert len(await harness.found()) == 10


async def test_scopes_are_dropped_with_their_partition() -> None:
    harness = SearchHarness(catalog_rows_max=500)
    for user in ("ana", "bob", "eve", "tom"):
        harness.builder.file(uri(f"user/{user}/a.md"), "text")
        await harness.found(Caller(user=user))
    held = {id(each) for each in catalog_of(harness)._partitions.values()}
    assert len(held) < 5
    assert {id(each) for scope in catalog_of(harness)._scopes.values() for each in scope.partitions} <= held


async def test_a_large_partition_is_read_in_several_reads(
    harness: SearchHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(change_feed, "PAGE_ROWS", 2)
    monkeypatch.setattr(catalog_module, "PAGES_AT_ONCE", 2)
    for n in range(12):
        harness.builder.file(uri(f"resources/{n}.md"), "text")
    reads, read = [], harness.builder.read

    async def counted(work: Any) -> Any:
        reads.append(work)
        return await read(work)

    monkeypatch.setattr(harness.builder, "read", counted)
    scope = await catalog_of(harness).resolve_scope(ANA, Query("q"), linger_s=0.0)
    assert scope.size == 12
    assert len(reads) >= 6
