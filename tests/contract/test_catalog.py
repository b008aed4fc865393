"""The contract of a catalog: who may find what, and what still exists."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import numpy as np
import pytest

from recalld.adapters.sqlite.catalog import catalog as catalog_module
from recalld.adapters.sqlite.catalog import change_feed, partition_index
from recalld.adapters.sqlite.catalog.catalog import SqliteCatalog
from recalld.domain.caller import Caller, Role
from recalld.domain.document import Tiers
from recalld.domain.errors import Denied, Invalid
from recalld.domain.node import ContextType
from recalld.domain.query import Query, TimeRange
from recalld.domain.uri import Uri
from tests.index_builder import IndexBuilder

ANA, BOB = Caller(user="ana"), Caller(user="bob")


def uri(text: str) -> Uri:
    return Uri.parse(f"viking://{text}")


class CatalogHarness:
    """An index and a catalog over it; ``found`` lists the addresses a query can find."""

    def __init__(self) -> None:
        self.builder = IndexBuilder()
        self.catalog = SqliteCatalog(self.builder)

    async def found(self, caller: Caller = ANA, **filters: Any) -> set[str]:
        scope = await self.catalog.resolve_scope(caller, Query("q", **filters))
        table = await self.catalog.table(scope)
        loaded = await self.catalog.hydrate(scope, sorted(set(table.node.tolist())))
        return {str(each.uri).removeprefix("viking://") for each in loaded}

    def append(self, user: str, *texts: str, session: str = "s1") -> list[int]:
        start = len(self.builder.texts)
        return self.builder.add_turns(
            user, session, [(f"m{start + i}", "user", t, float(i)) for i, t in enumerate(texts)]
        )


@pytest.fixture
def harness() -> CatalogHarness:
    return CatalogHarness()


async def test_without_a_target_it_is_ones_own_tree_and_the_resources(harness: CatalogHarness) -> None:
    for path in ("resources/a.md", "user/ana/memories/b.md", "user/bob/memories/c.md", "agent/skills/d.md"):
        harness.builder.file(uri(path), "text")
    assert await harness.found() == {"resources/a.md", "user/ana/memories/b.md"}


async def test_a_target_is_a_subtree(harness: CatalogHarness) -> None:
    for path in ("resources/x/a.md", "resources/x/y/b.md", "resources/xy/c.md"):
        harness.builder.file(uri(path), "text")
    assert await harness.found(targets=(uri("resources/x"),)) == {"resources/x/a.md", "resources/x/y/b.md"}


async def test_a_file_can_be_the_target(harness: CatalogHarness) -> None:
    harness.builder.file(uri("resources/a.md"), "text")
    harness.builder.file(uri("resources/b.md"), "text")
    assert await harness.found(targets=(uri("resources/a.md"),)) == {"resources/a.md"}


async def test_a_target_that_does_not_exist_holds_nothing(harness: CatalogHarness) -> None:
    harness.builder.file(uri("resources/a.md"), "text")
    assert await harness.found(targets=(uri("resources/nowhere"),)) == set()


async def test_the_root_as_target_is_no_target(harness: CatalogHarness) -> None:
    harness.builder.file(uri("resources/a.md"), "text")
    assert await harness.found(targets=(Uri(),)) == {"resources/a.md"}


async def test_another_users_tree_is_denied_unless_root_names_it(harness: CatalogHarness) -> None:
    harness.builder.file(uri("user/bob/memories/c.md"), "text")
    with pytest.raises(Denied):
        await harness.found(targets=(uri("user/bob"),))
    root = Caller(user="ana", role=Role.ROOT)
    assert await harness.found(root, targets=(uri("user/bob"),)) == {"user/bob/memories/c.md"}


async def test_sessions_as_target_hold_messages_only(harness: CatalogHarness) -> None:
    harness.append("ana", "hello")
    harness.builder.file(uri("user/ana/memories/b.md"), "text")
    assert await harness.found(targets=(uri("user/ana/sessions"),)) == {"user/ana/sessions/s1/messages/m0.md"}


async def test_what_is_removed_cannot_be_found(harness: CatalogHarness) -> None:
    harness.builder.file(uri("resources/x/y/a.md"), "text")
    harness.builder.file(uri("resources/b.md"), "text")
    assert len(await harness.found()) == 2
    harness.builder.remove(uri("resources/x"))
    assert await harness.found() == {"resources/b.md"}


async def test_a_rewritten_file_is_found_by_its_new_chunks_alone(harness: CatalogHarness) -> None:
    harness.builder.file(uri("resources/a.md"), "one two three " * 200)
    await harness.found()
    harness.builder.file(uri("resources/a.md"), "short")
    scope = await harness.catalog.resolve_scope(ANA, Query("q"))
    assert scope.size == 1


async def test_chunks_of_the_same_version_take_each_others_place(harness: CatalogHarness) -> None:
    node = harness.builder.file(uri("resources/a.md"), "one")
    await harness.found()
    c = harness.builder.c
    harness.builder.drop_chunks(node)
    harness.builder._chunks(harness.builder.partition_id(""), node, 1, 0, [], node, 0, 0.0, "", "")
    c.execute(
        'INSERT INTO chunk (owner, node, version, level, kind, start, "end", length, "group", at) VALUES (?,?,1,2,0,0,1,1,?,0)',
        (harness.builder.partition_id(""), node, node),
    )
    assert (await harness.catalog.resolve_scope(ANA, Query("q"))).size == 1


async def test_what_was_just_written_is_there(harness: CatalogHarness) -> None:
    harness.append("ana", "one")
    await harness.found()
    harness.append("ana", "two")
    assert len(await harness.found()) == 2


async def test_a_move_is_followed(harness: CatalogHarness) -> None:
    harness.builder.file(uri("resources/x/a.md"), "text")
    await harness.found()
    away, c = harness.builder.at(uri("resources/z")), harness.builder.c
    harness.builder.seq += 1
    c.execute("UPDATE node SET parent = ?, seq = ? WHERE name = 'x'", (away, harness.builder.seq))
    assert await harness.found(targets=(uri("resources/z"),)) == {"resources/z/x/a.md"}


async def test_a_partition_with_a_new_epoch_is_read_again(harness: CatalogHarness) -> None:
    harness.builder.file(uri("resources/a.md"), "text")
    harness.builder.file(uri("user/ana/memories/b.md"), "text")
    await harness.found()
    c, shared, mine = harness.builder.c, harness.builder.partition_id(""), harness.builder.partition_id("ana")
    parent = harness.builder.at(uri("user/ana/memories"))
    c.execute("UPDATE node SET owner = ?, parent = ? WHERE name = 'a.md'", (mine, parent))
    c.execute("UPDATE chunk SET owner = ? WHERE owner = ?", (mine, shared))
    c.execute("UPDATE owner SET epoch = epoch + 1")
    assert await harness.found() == {"user/ana/memories/a.md", "user/ana/memories/b.md"}


async def test_types_are_told_from_the_path(harness: CatalogHarness) -> None:
    for path in ("resources/a.md", "user/ana/memories/x/b.md", "user/ana/skills/c/SKILL.md"):
        harness.builder.file(uri(path), "text")
    harness.append("ana", "hello")
    assert await harness.found(types=(ContextType.SKILL,)) == {"user/ana/skills/c/SKILL.md"}
    assert await harness.found(types=(ContextType.RESOURCE,)) == {"resources/a.md"}
    assert len(await harness.found(types=(ContextType.MEMORY,))) == 2


async def test_tags_are_all_asked_for(harness: CatalogHarness) -> None:
    harness.builder.file(uri("resources/a.md"), "text", tags=("k=v", "x=y"))
    harness.builder.file(uri("resources/b.md"), "text", tags=("k=v",))
    assert len(await harness.found(tags=("k=v",))) == 2
    assert await harness.found(tags=("k=v", "x=y")) == {"resources/a.md"}


async def test_times_bound_files_and_turns(harness: CatalogHarness) -> None:
    harness.builder.file(uri("resources/a.md"), "text", at=100.0)
    harness.append("ana", "at zero", "at one")
    assert await harness.found(since=1.0, until=99.0) == {"user/ana/sessions/s1/messages/m2.md"}
    assert await harness.found(since=100.0) == {"resources/a.md"}


async def test_tiers_are_found_only_when_asked_for(harness: CatalogHarness) -> None:
    harness.builder.file(uri("resources/a.md"), "text", tiers=Tiers("short", "longer"))
    assert (await harness.catalog.resolve_scope(ANA, Query("q"))).size == 1
    assert (await harness.catalog.resolve_scope(ANA, Query("q", levels=(0, 1)))).size == 2
    with pytest.raises(Invalid):
        await harness.catalog.resolve_scope(ANA, Query("q", levels=(7,)))


async def test_messages_can_be_left_out_wholly_or_by_session(harness: CatalogHarness) -> None:
    harness.append("ana", "one", session="s1")
    harness.append("ana", "two", session="s2")
    assert await harness.found(messages=False) == set()
    assert await harness.found(exclude_session="s1") == {"user/ana/sessions/s2/messages/m1.md"}


async def test_a_peers_view_hides_other_peers(harness: CatalogHarness) -> None:
    for peer in ("p1", "p2"):
        harness.builder.file(uri(f"user/ana/peers/{peer}/memories/a.md"), "text")
    assert len(await harness.found()) == 2
    assert await harness.found(Caller(user="ana", peer="p1")) == {"user/ana/peers/p1/memories/a.md"}


async def test_turns_know_their_neighbours_and_files_do_not(harness: CatalogHarness) -> None:
    harness.append("ana", "one", "two", "three")
    harness.builder.file(uri("resources/a.md"), "text")
    table = await harness.catalog.table(await harness.catalog.resolve_scope(ANA, Query("q")))
    assert table.previous.tolist() == [-1, 0, 1, -1]
    assert table.next.tolist() == [1, 2, -1, -1]


async def test_a_folder_of_turns_is_read_like_a_session(harness: CatalogHarness) -> None:
    for k in (10, 2, 1):
        harness.builder.file(uri(f"resources/talk/D1_{k}.md"), f"[2023-05-08T13:56] Ana: turn {k}")
    table = await harness.catalog.table(await harness.catalog.resolve_scope(ANA, Query("q")))
    # Written 10, 2, 1: read 1, 2, 10.
    assert table.previous.tolist() == [1, 2, -1]
    assert len(set(table.group.tolist())) == 1
    assert table.speakers == ("Ana",)


async def test_candidates_come_with_their_neighbours_inside_the_scope(harness: CatalogHarness) -> None:
    harness.append("ana", *(f"turn {i}" for i in range(12)))
    scope = await harness.catalog.resolve_scope(ANA, Query("q"))
    ids = scope.chunks[0]
    table = await harness.catalog.table(scope, ids[[5]], around=2)
    assert table.ids.tolist() == ids[3:8].tolist()
    assert len((await harness.catalog.table(scope, np.array([9_999])))
               .ids) == 0  # fmt: skip


async def test_what_went_after_the_search_is_not_loaded(harness: CatalogHarness) -> None:
    node = harness.builder.file(uri("resources/x/a.md"), "text")
    scope = await harness.catalog.resolve_scope(ANA, Query("q"))
    harness.builder.remove(uri("resources/x"))
    assert await harness.catalog.hydrate(scope, [node]) == []


async def test_a_message_is_loaded_with_its_own_text(harness: CatalogHarness) -> None:
    (node,) = harness.append("ana", "hello there")
    (loaded,) = await harness.catalog.hydrate(await harness.catalog.resolve_scope(ANA, Query("q")), [node])
    assert (loaded.abstract, loaded.session_id, loaded.message_id, loaded.type) == (
        "hello there",
        "s1",
        "m0",
        ContextType.MEMORY,
    )


async def test_accounts_do_not_see_each_other(harness: CatalogHarness) -> None:
    harness.builder.file(uri("resources/a.md"), "text")
    assert await harness.found(Caller(account="other", user="ana")) == set()


async def test_the_memory_budget_drops_the_least_recently_used_partition() -> None:
    harness = CatalogHarness()
    harness.catalog = SqliteCatalog(harness.builder, rows_max=10)
    for user in ("u1", "u2", "u3"):
        harness.append(user, *("word",) * 6)
        assert len(await harness.found(Caller(user=user))) == 6
    assert len(harness.catalog._partitions) <= 2
    assert len(await harness.found(Caller(user="u1"))) == 6


async def test_cached_scopes_are_bounded_by_their_rows(
    harness: CatalogHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog_module, "SCOPE_ROWS_MAX", 25)
    for n in range(10):
        harness.builder.file(uri(f"resources/{n}.md"), "text")
    for depth in range(6):
        filters = {"targets": (uri("resources"),), "since": float(-depth)}
        assert len(await harness.found(**filters)) == 10
    assert len(harness.catalog._snapshots) == 2
    harness.builder.file(uri("resources/more.md"), "text")
    assert len(await harness.found(targets=(uri("resources"),), since=-5.0)) == 11
    assert harness.catalog._scope_rows == sum(snapshot.size for snapshot, _ in harness.catalog._snapshots.values())


async def test_a_replaced_snapshot_is_freed_at_once(harness: CatalogHarness) -> None:
    """Without waiting for the GC: on a busy server every query brings a new snapshot of megabytes."""
    harness.builder.file(uri("resources/a.md"), "text")
    gc.collect()
    gc.disable()
    try:
        old = weakref.ref((await harness.catalog.resolve_scope(ANA, Query("q"))).token)
        harness.builder.file(uri("resources/b.md"), "text")
        await harness.catalog.resolve_scope(ANA, Query("q"))
        assert old() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("moved", [1, 3, 4])
async def test_a_move_is_followed_whole_wherever_a_page_ends(
    harness: CatalogHarness, monkeypatch: pytest.MonkeyPatch, moved: int
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
    harness: CatalogHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness.builder.file(
        uri("resources/a.md"), "# one\n\n" + "\n\n".join(f"## part {n}\n\n{'word ' * 300}" for n in range(9))
    )
    harness.builder.file(uri("resources/b.md"), "text")
    whole = (await SqliteCatalog(harness.builder).resolve_scope(ANA, Query("q"))).size
    assert whole > 7
    monkeypatch.setattr(change_feed, "PAGE_ROWS", 3)
    assert (await harness.catalog.resolve_scope(ANA, Query("q"))).size == whole
    harness.builder.file(uri("resources/a.md"), "shorter")
    assert (await harness.catalog.resolve_scope(ANA, Query("q"))).size == 2


TAGS = [
    "city=zürich",
    "类别=文档",
    'say="hi"',
    "path=c:\\new",
    "rate=50%",
    "name=a_b",
    "smile=🙂",
    "city=zürich-west",
    "k=[1, 2]",
]


@pytest.mark.parametrize("tag", TAGS)
async def test_a_tag_is_found_as_it_is_written_and_no_other(harness: CatalogHarness, tag: str) -> None:
    for n, each in enumerate(TAGS):
        harness.builder.file(uri(f"resources/{n}.md"), "text", tags=[each, "all=of them"])
    assert await harness.found(tags=(tag,)) == {f"resources/{TAGS.index(tag)}.md"}
    assert await harness.found(tags=(tag, "all=of them")) == {f"resources/{TAGS.index(tag)}.md"}
    assert await harness.found(tags=(tag[:-1],)) == set()


REWRITES = [40, pytest.param(10_000, marks=pytest.mark.slow)]


@pytest.mark.parametrize("rewrites", REWRITES)
async def test_rewrites_do_not_accumulate_dead_rows(
    harness: CatalogHarness, monkeypatch: pytest.MonkeyPatch, rewrites: int
) -> None:
    monkeypatch.setattr(partition_index, "SPARE_ROWS", rewrites // 8)
    harness.builder.file(uri("resources/b.md"), "stays", tags=["k=v"])
    for n in range(rewrites):
        harness.builder.file(uri("resources/a.md"), f"# text {n}\n\nwords")
        scope = await harness.catalog.resolve_scope(ANA, Query("q"))
    (held,) = scope.partitions
    assert isinstance(held, partition_index.PartitionIndex)
    assert held.rows <= rewrites // 4 + 20
    assert scope.size == 2
    assert await harness.found() == {"resources/a.md", "resources/b.md"}
    assert await harness.found(tags=("k=v",)) == {"resources/b.md"}
    assert sum(snapshot.size for snapshot, _ in harness.catalog._snapshots.values()) <= 3 * scope.size


@pytest.mark.parametrize("files", REWRITES)
async def test_removed_files_do_not_accumulate_dead_rows(
    harness: CatalogHarness, monkeypatch: pytest.MonkeyPatch, files: int
) -> None:
    monkeypatch.setattr(partition_index, "SPARE_ROWS", files // 8)
    harness.builder.file(uri("resources/d/b.md"), "stays")
    for n in range(files):
        node = harness.builder.file(uri(f"resources/d/{n}.md"), "words")
        await harness.catalog.resolve_scope(ANA, Query("q"))
        harness.builder.remove(uri(f"resources/d/{n}.md"))
        await harness.catalog.resolve_scope(ANA, Query("q"))
        harness.builder.drop_chunks(node)
        harness.builder.c.execute("DELETE FROM node WHERE id = ?", (node,))
    scope = await harness.catalog.resolve_scope(ANA, Query("q"))
    (held,) = scope.partitions
    assert isinstance(held, partition_index.PartitionIndex)
    assert held.rows <= files // 4 + 20
    assert await harness.found() == {"resources/d/b.md"}


async def test_what_is_removed_and_not_purged_can_come_back(
    harness: CatalogHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
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


async def test_snapshots_are_dropped_with_their_partition() -> None:
    harness = CatalogHarness()
    harness.catalog = SqliteCatalog(harness.builder, rows_max=500)
    for user in ("ana", "bob", "eve", "tom"):
        harness.builder.file(uri(f"user/{user}/a.md"), "text")
        await harness.found(Caller(user=user))
    held = {id(each) for each in harness.catalog._partitions.values()}
    assert len(held) < 5
    assert {id(each) for snapshot, _ in harness.catalog._snapshots.values() for each in snapshot.partitions} <= held


async def test_a_large_partition_is_read_in_several_reads(
    harness: CatalogHarness, monkeypatch: pytest.MonkeyPatch
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
    scope = await harness.catalog.resolve_scope(ANA, Query("q"))
    assert scope.size == 12
    assert len(reads) >= 6


async def test_every_range_of_a_query_holds_against_its_own_field(harness: CatalogHarness) -> None:
    for name, created, updated in (("a", 10.0, 20.0), ("b", 10.0, 40.0), ("c", 30.0, 40.0)):
        node = harness.builder.file(uri(f"resources/{name}.md"), "text")
        harness.builder.c.execute("UPDATE node SET created = ?, updated = ? WHERE id = ?", (created, updated, node))
    late, early = TimeRange("updated_at", 30.0), TimeRange("created_at", until=20.0)
    assert await harness.found(ranges=(late,)) == {"resources/b.md", "resources/c.md"}
    assert await harness.found(ranges=(early,)) == {"resources/a.md", "resources/b.md"}
    assert await harness.found(ranges=(late, early)) == {"resources/b.md"}
    assert await harness.found(since=41.0, ranges=(late,)) == set()
    assert await harness.found(until=20.0, ranges=(TimeRange("updated_at", 0.0),)) == {"resources/a.md"}
