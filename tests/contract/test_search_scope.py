"""The contract of a search index: who may find what, and what still exists."""

from __future__ import annotations

import pytest

from recalld.domain.caller import Caller, Role
from recalld.domain.document import Tiers
from recalld.domain.errors import Denied, Invalid
from recalld.domain.node import ContextType
from recalld.domain.query import TimeRange
from recalld.domain.uri import Uri
from recalld.rules.chunks import chunks_of_tiers
from tests.contract.search_harness import IMPLEMENTATIONS, SearchHarness, uri


@pytest.fixture(params=IMPLEMENTATIONS)
def harness(request: pytest.FixtureRequest) -> SearchHarness:
    return SearchHarness(**IMPLEMENTATIONS[request.param])


async def test_without_a_target_it_is_ones_own_tree_and_the_resources(harness: SearchHarness) -> None:
    for path in ("resources/a.md", "user/ana/memories/b.md", "user/bob/memories/c.md", "agent/skills/d.md"):
        harness.builder.file(uri(path), "text")
    assert await harness.found() == {"resources/a.md", "user/ana/memories/b.md"}


async def test_a_target_is_a_subtree(harness: SearchHarness) -> None:
    for path in ("resources/x/a.md", "resources/x/y/b.md", "resources/xy/c.md"):
        harness.builder.file(uri(path), "text")
    assert await harness.found(targets=(uri("resources/x"),)) == {"resources/x/a.md", "resources/x/y/b.md"}


async def test_a_file_can_be_the_target(harness: SearchHarness) -> None:
    harness.builder.file(uri("resources/a.md"), "text")
    harness.builder.file(uri("resources/b.md"), "text")
    assert await harness.found(targets=(uri("resources/a.md"),)) == {"resources/a.md"}


async def test_a_target_that_does_not_exist_holds_nothing(harness: SearchHarness) -> None:
    harness.builder.file(uri("resources/a.md"), "text")
    assert await harness.found(targets=(uri("resources/nowhere"),)) == set()


async def test_the_root_as_target_is_no_target(harness: SearchHarness) -> None:
    harness.builder.file(uri("resources/a.md"), "text")
    assert await harness.found(targets=(Uri(),)) == {"resources/a.md"}


async def test_another_users_tree_is_denied_unless_root_names_it(harness: SearchHarness) -> None:
    harness.builder.file(uri("user/bob/memories/c.md"), "text")
    with pytest.raises(Denied):
        await harness.found(targets=(uri("user/bob"),))
    root = Caller(user="ana", role=Role.ROOT)
    assert await harness.found(root, targets=(uri("user/bob"),)) == {"user/bob/memories/c.md"}


async def test_sessions_as_target_hold_messages_only(harness: SearchHarness) -> None:
    harness.append("ana", "hello")
    harness.builder.file(uri("user/ana/memories/b.md"), "text")
    assert await harness.found(targets=(uri("user/ana/sessions"),)) == {"user/ana/sessions/s1/messages/m0.md"}


async def test_what_is_removed_cannot_be_found(harness: SearchHarness) -> None:
    harness.builder.file(uri("resources/x/y/a.md"), "text")
    harness.builder.file(uri("resources/b.md"), "text")
    assert len(await harness.found()) == 2
    harness.builder.remove(uri("resources/x"))
    assert await harness.found() == {"resources/b.md"}


async def test_a_rewritten_file_is_found_by_its_new_chunks_alone(harness: SearchHarness) -> None:
    harness.builder.file(uri("resources/a.md"), "one two three " * 200)
    await harness.found()
    harness.builder.file(uri("resources/a.md"), "short")
    assert (await harness.open()).size == 1


async def test_chunks_of_the_same_version_take_each_others_place(harness: SearchHarness) -> None:
    node = harness.builder.file(uri("resources/a.md"), "one")
    await harness.found()
    c = harness.builder.c
    harness.builder.drop_chunks(node)
    harness.builder._chunks(harness.builder.partition_id(""), node, 1, 0, [], node, 0, 0.0, "", "")
    c.execute(
        'INSERT INTO chunk (owner, node, version, level, kind, start, "end", length, "group", at) VALUES (?,?,1,2,0,0,1,1,?,0)',
        (harness.builder.partition_id(""), node, node),
    )
    assert (await harness.open()).size == 1


async def test_what_was_just_written_is_there(harness: SearchHarness) -> None:
    harness.append("ana", "one")
    await harness.found()
    harness.append("ana", "two")
    assert len(await harness.found()) == 2


async def test_a_move_is_followed(harness: SearchHarness) -> None:
    harness.builder.file(uri("resources/x/a.md"), "text")
    await harness.found()
    away, c = harness.builder.at(uri("resources/z")), harness.builder.c
    harness.builder.seq += 1
    c.execute("UPDATE node SET parent = ?, seq = ? WHERE name = 'x'", (away, harness.builder.seq))
    assert await harness.found(targets=(uri("resources/z"),)) == {"resources/z/x/a.md"}


async def test_a_partition_with_a_new_epoch_is_read_again(harness: SearchHarness) -> None:
    harness.builder.file(uri("resources/a.md"), "text")
    harness.builder.file(uri("user/ana/memories/b.md"), "text")
    await harness.found()
    c, shared, mine = harness.builder.c, harness.builder.partition_id(""), harness.builder.partition_id("ana")
    parent = harness.builder.at(uri("user/ana/memories"))
    c.execute("UPDATE node SET owner = ?, parent = ? WHERE name = 'a.md'", (mine, parent))
    c.execute("UPDATE chunk SET owner = ? WHERE owner = ?", (mine, shared))
    c.execute("UPDATE owner SET epoch = epoch + 1")
    assert await harness.found() == {"user/ana/memories/a.md", "user/ana/memories/b.md"}


async def test_types_are_told_from_the_path(harness: SearchHarness) -> None:
    for path in ("resources/a.md", "user/ana/memories/x/b.md", "user/ana/skills/c/SKILL.md"):
        harness.builder.file(uri(path), "text")
    harness.append("ana", "hello")
    assert await harness.found(types=(ContextType.SKILL,)) == {"user/ana/skills/c/SKILL.md"}
    assert await harness.found(types=(ContextType.RESOURCE,)) == {"resources/a.md"}
    assert len(await harness.found(types=(ContextType.MEMORY,))) == 2


async def test_tags_are_all_asked_for(harness: SearchHarness) -> None:
    harness.builder.file(uri("resources/a.md"), "text", tags=("k=v", "x=y"))
    harness.builder.file(uri("resources/b.md"), "text", tags=("k=v",))
    assert len(await harness.found(tags=("k=v",))) == 2
    assert await harness.found(tags=("k=v", "x=y")) == {"resources/a.md"}


async def test_times_bound_files_and_turns(harness: SearchHarness) -> None:
    harness.builder.file(uri("resources/a.md"), "text", at=100.0)
    harness.append("ana", "at zero", "at one")
    assert await harness.found(since=1.0, until=99.0) == {"user/ana/sessions/s1/messages/m2.md"}
    assert await harness.found(since=100.0) == {"resources/a.md"}


async def test_tiers_are_found_only_when_asked_for(harness: SearchHarness) -> None:
    harness.builder.file(uri("resources/a.md"), "text", tiers=Tiers("short", "longer"))
    assert (await harness.open()).size == 1
    assert (await harness.open(levels=(0, 1))).size == 2
    with pytest.raises(Invalid):
        await harness.open(levels=(7,))


async def test_messages_can_be_left_out_wholly_or_by_session(harness: SearchHarness) -> None:
    harness.append("ana", "one", session="s1")
    harness.append("ana", "two", session="s2")
    assert await harness.found(messages=False) == set()
    assert await harness.found(exclude_session="s1") == {"user/ana/sessions/s2/messages/m1.md"}


async def test_a_peers_view_hides_other_peers(harness: SearchHarness) -> None:
    for peer in ("p1", "p2"):
        harness.builder.file(uri(f"user/ana/peers/{peer}/memories/a.md"), "text")
    assert len(await harness.found()) == 2
    assert await harness.found(Caller(user="ana", peer="p1")) == {"user/ana/peers/p1/memories/a.md"}


async def test_turns_know_their_neighbours_and_files_do_not(harness: SearchHarness) -> None:
    harness.append("ana", "turn one", "turn two", "turn three")
    harness.builder.file(uri("resources/a.md"), "turn")
    rows = (await harness.matches("turn")).rows
    assert rows.previous.tolist() == [-1, 0, 1, -1]
    assert rows.next.tolist() == [1, 2, -1, -1]


async def test_a_folder_of_turns_is_read_like_a_session(harness: SearchHarness) -> None:
    for k in (10, 2, 1):
        harness.builder.file(uri(f"resources/talk/D1_{k}.md"), f"[2023-05-08T13:56] Ana: turn {k}")
    rows = (await harness.matches("turn")).rows
    # Written 10, 2, 1: read 1, 2, 10.
    assert rows.previous.tolist() == [1, 2, -1]
    assert len(set(rows.group.tolist())) == 1
    assert rows.speakers == ("Ana",)


async def test_a_directorys_tiers_are_entries_of_their_own_and_a_files_chunks_are_one(harness: SearchHarness) -> None:
    node = harness.builder.at(uri("resources/guide"))
    tiers = chunks_of_tiers(uri("resources/guide"), Tiers("about turns", "turns at length"))
    harness.builder._chunks(harness.builder.partition_id(""), node, 1, 2, tiers, node, 0, 0.0, "", "")
    harness.builder.file(uri("resources/long.md"), "turn and turn about. " * 400)
    rows = (await harness.matches("turn", levels=(0, 1, 2))).rows
    entries = [set(rows.entry[rows.level == level].tolist()) for level in (0, 1, 2)]
    assert [len(each) for each in entries] == [1, 1, 1]
    assert len(set.union(*entries)) == 3
    assert len(rows.ids) > 4


async def test_pages_show_every_chunk_once_and_an_invalid_cursor_is_refused(harness: SearchHarness) -> None:
    ids = harness.append("ana", *(f"turn {n}" for n in range(7)))
    view, seen, after = await harness.open(), [], ""
    while len(seen) < 20:
        page = await view.page(after, 3)
        assert len(page.rows.ids) <= 3
        seen += page.rows.ids.tolist()
        if not (after := page.after):
            break
    assert seen == ids
    with pytest.raises(Invalid):
        await view.page("x", 3)


async def test_what_went_after_the_search_is_not_loaded(harness: SearchHarness) -> None:
    node = harness.builder.file(uri("resources/x/a.md"), "text")
    view = await harness.open()
    harness.builder.remove(uri("resources/x"))
    assert await view.hydrate([node]) == []


async def test_a_message_is_loaded_with_its_own_text(harness: SearchHarness) -> None:
    harness.append("ana", "hello there")
    view = await harness.open()
    (loaded,) = await view.hydrate((await view.page("", 1)).rows.node.tolist())
    assert (loaded.abstract, loaded.session_id, loaded.message_id, loaded.type) == (
        "hello there",
        "s1",
        "m0",
        ContextType.MEMORY,
    )


async def test_accounts_do_not_see_each_other(harness: SearchHarness) -> None:
    harness.builder.file(uri("resources/a.md"), "text")
    assert await harness.found(Caller(account="other", user="ana")) == set()


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
async def test_a_tag_is_found_as_it_is_written_and_no_other(harness: SearchHarness, tag: str) -> None:
    for n, each in enumerate(TAGS):
        harness.builder.file(uri(f"resources/{n}.md"), "text", tags=[each, "all=of them"])
    assert await harness.found(tags=(tag,)) == {f"resources/{TAGS.index(tag)}.md"}
    assert await harness.found(tags=(tag, "all=of them")) == {f"resources/{TAGS.index(tag)}.md"}
    assert await harness.found(tags=(tag[:-1],)) == set()


async def test_every_range_of_a_query_holds_against_its_own_field(harness: SearchHarness) -> None:
    for name, created, updated in (("a", 10.0, 20.0), ("b", 10.0, 40.0), ("c", 30.0, 40.0)):
        node = harness.builder.file(uri(f"resources/{name}.md"), "text")
        harness.builder.c.execute("UPDATE node SET created = ?, updated = ? WHERE id = ?", (created, updated, node))
    late, early = TimeRange("updated_at", 30.0), TimeRange("created_at", until=20.0)
    assert await harness.found(ranges=(late,)) == {"resources/b.md", "resources/c.md"}
    assert await harness.found(ranges=(early,)) == {"resources/a.md", "resources/b.md"}
    assert await harness.found(ranges=(late, early)) == {"resources/b.md"}
    assert await harness.found(since=41.0, ranges=(late,)) == set()
    assert await harness.found(until=20.0, ranges=(TimeRange("updated_at", 0.0),)) == {"resources/a.md"}
