from __future__ import annotations

import asyncio

import pytest

from recalld.domain.commit import Copy, MakeDir, Move, Remove, SetChunks, SetTags, SetTiers, WriteMode
from recalld.domain.document import Tiers
from recalld.domain.errors import Conflict, Corrupt, Denied, Invalid, NotFound
from recalld.domain.node import Kind
from tests.contract.ledger_house import ANA, BEN, ROOT, TIERS, House, append, at, chunk, put

NAMESPACE = ("", "resources", "agent", "user", "user/ana", "user/ana/memories", "user/ana/sessions")


@pytest.mark.parametrize("path", NAMESPACE)
async def test_the_namespace_is_there_before_anything_was_written(house: House, path: str) -> None:
    assert (await house.tenant().stat(at(path))).is_dir
    assert await house.tenant().list(at(path), limit=10) is not None


@pytest.mark.parametrize("path", NAMESPACE)
async def test_the_namespace_is_there_after_a_first_write(house: House, path: str) -> None:
    await house.do(put("resources/a.md"))
    assert (await house.tenant().stat(at(path))).is_dir


async def test_the_root_shows_three_scopes(house: House) -> None:
    assert await house.names("") == ["agent", "resources", "user"]
    await house.do(put("user/ana/memories/a.md"))
    assert await house.names("") == ["agent", "resources", "user"]


async def test_a_written_file_reads_back(house: House) -> None:
    receipt = await house.do(put("resources/docs/a.md", "hello"))
    node = await house.tenant().stat(at("resources/docs/a.md"))
    assert receipt.created == (at("resources/docs/a.md"),)
    assert (await house.text("resources/docs/a.md"), node.kind, node.size, node.version) == ("hello", Kind.FILE, 5, 1)


async def test_an_empty_file_reads_back(house: House) -> None:
    await house.do(put("resources/a.md", ""))
    assert await house.text("resources/a.md") == ""


async def test_replacing_counts_a_version_and_keeps_the_address(house: House) -> None:
    await house.do(put("resources/a.md", "one"))
    before = await house.tenant().stat(at("resources/a.md"))
    receipt = await house.do(put("resources/a.md", "two"))
    after = await house.tenant().stat(at("resources/a.md"))
    assert (receipt.updated, after.id, after.version) == ((at("resources/a.md"),), before.id, 2)
    assert await house.text("resources/a.md") == "two"


async def test_the_same_bytes_again_change_nothing(house: House) -> None:
    first = await house.do(put("resources/a.md", "one"))
    again = await house.do(put("resources/a.md", "one"))
    assert again.unchanged == (at("resources/a.md"),)
    assert [e.seq for e in await house.tenant().log(after=first.seq)] == []


async def test_only_the_newest_words_are_in_the_index(house: House) -> None:
    await house.do(put("resources/a.md", "apple"))
    await house.do(put("resources/a.md", "banana"))
    assert await house.finds("", "apple") == []
    assert await house.finds("", "banana") == ["viking://resources/a.md"]


async def test_create_refuses_what_is_there_and_replace_what_is_not(house: House) -> None:
    with pytest.raises(NotFound):
        await house.do(put("resources/a.md", mode=WriteMode.REPLACE))
    await house.do(put("resources/a.md", mode=WriteMode.CREATE))
    with pytest.raises(Conflict) as refused:
        await house.do(put("resources/a.md", "other", mode=WriteMode.CREATE))
    assert refused.value.code == "ALREADY_EXISTS"


async def test_a_write_that_expects_other_bytes_is_aborted(house: House) -> None:
    await house.do(put("resources/a.md", "one"))
    with pytest.raises(Conflict) as refused:
        await house.do(put("resources/a.md", "two", expect="0" * 64))
    assert refused.value.code == "ABORTED"
    await house.do(put("resources/a.md", "two", expect=put("x", "one").hash))
    assert await house.text("resources/a.md") == "two"


async def test_a_commit_is_whole_or_not_at_all(house: House) -> None:
    with pytest.raises(NotFound):
        await house.do(put("resources/a.md"), put("resources/b.md", mode=WriteMode.REPLACE))
    with pytest.raises(NotFound):
        await house.tenant().stat(at("resources/a.md"))
    assert await house.finds("", "words") == []


async def test_a_file_is_no_directory_and_the_other_way_round(house: House) -> None:
    await house.do(put("resources/a.md"), MakeDir(at("resources/dir")))
    with pytest.raises(Conflict):
        await house.do(put("resources/a.md/b.md"))
    with pytest.raises(Invalid):
        await house.do(put("resources/dir"))
    with pytest.raises(Invalid):
        await house.tenant().read(at("resources/dir"))
    with pytest.raises(Conflict):
        await house.tenant().list(at("resources/a.md"), limit=10)


async def test_large_content_lies_in_the_blobs_and_its_loss_is_told(house: House) -> None:
    text = "x" * 100_000
    await house.blobs.put(text.encode())
    await house.do(put("resources/large.txt", text))
    assert await house.text("resources/large.txt") == text
    await house.do(put("resources/lost.txt", "y" * 100_000))
    with pytest.raises(Corrupt):
        await house.text("resources/lost.txt")


async def test_making_a_directory_twice_is_a_conflict_unless_allowed(house: House) -> None:
    await house.do(MakeDir(at("resources/a/b"), abstract=TIERS.abstract))
    with pytest.raises(Conflict):
        await house.do(MakeDir(at("resources/a/b")))
    await house.do(MakeDir(at("resources/a/b"), exist_ok=True))
    assert (await house.tenant().stat(at("resources/a/b"))).abstract == "short"


# ------------------------------------------------------------------ isolation
@pytest.mark.parametrize("path", ["user/ana", "user/ana/memories", "user/ana/memories/a.md"])
async def test_another_users_tree_is_denied(house: House, path: str) -> None:
    await house.do(put("user/ana/memories/a.md"))
    ben = house.tenant(BEN)
    for asked in (
        ben.stat(at(path)),
        ben.walk(at(path), depth_max=3, nodes_max=9),
        ben.tiers(at(path)),
        ben.read(at(path)),
    ):
        with pytest.raises(Denied):
            await asked
    for op in (put(f"{path}/x.md"), Remove(at(path), True), Move(at(path), at("user/ben/memories/x"))):
        with pytest.raises(Denied):
            await house.do(op, caller=BEN)


async def test_the_user_directory_shows_a_user_only_itself(house: House) -> None:
    await house.do(put("user/ana/memories/a.md"))
    await house.do(put("user/ben/memories/b.md"), caller=BEN)
    assert await house.names("user", BEN) == ["ben"]
    walked = await house.tenant(BEN).walk(at(""), depth_max=9, nodes_max=99)
    named = await house.tenant(BEN).names(at(""), nodes_max=99)
    assert not [e for e in [*walked, *named] if "ana" in e.node.uri.parts]
    assert await house.names("user", ROOT) == ["ana", "ben"]


async def test_accounts_never_meet(house: House) -> None:
    outsider = ROOT.__class__("other", "ana", ROOT.role)
    await house.do(put("resources/a.md", "needle"), put("user/ana/memories/a.md", "needle"))
    node = await house.tenant().stat(at("resources/a.md"))
    assert await house.names("resources", outsider) == []
    assert await house.tenant(outsider).log() == []
    assert await house.ledger.node_text(outsider, node.id) is None
    grep = house.tenant(outsider).grep_candidates(at(""), literal="needle", fold=True, depth_max=9, after=0, limit=9)
    assert await grep == []
    receipt = await house.do(SetTiers(node.id, 1, TIERS), caller=outsider)
    assert receipt.stale == 1


async def test_a_user_cannot_write_another_users_node_by_its_number(house: House) -> None:
    await house.do(put("user/ana/memories/a.md"))
    node = await house.tenant().stat(at("user/ana/memories/a.md"))
    with pytest.raises(Denied):
        await house.do(SetTiers(node.id, 1, Tiers("mine")), caller=BEN)
    with pytest.raises(Denied):
        await house.do(SetChunks(node.id, 1, (chunk("mine"),)), caller=BEN)


async def test_index_spaces_are_apart(house: House) -> None:
    await house.do(put("user/ana/memories/a.md", "secret"))
    await house.do(put("user/ben/memories/b.md", "other"), caller=BEN)
    assert await house.finds("ana", "secret") == ["viking://user/ana/memories/a.md"]
    assert await house.finds("ben", "secret") == await house.finds("", "secret") == []


# ------------------------------------------------------------------ listing
async def test_directories_come_first_and_dot_files_only_when_asked(house: House) -> None:
    await house.do(put("resources/b.md"), put("resources/a.md"), put("resources/z/x.md"), put("resources/.h"))
    assert await house.names("resources") == ["z", "a.md", "b.md"]
    shown = await house.tenant().list(at("resources"), limit=9, hidden=True)
    assert [n.uri.name for n in shown] == ["z", ".h", "a.md", "b.md"]
    assert len(await house.tenant().list(at("resources"), limit=2)) == 2


async def test_a_walk_is_in_pre_order_and_bounded(house: House) -> None:
    await house.do(put("resources/a/b/c.md"), put("resources/a/d.md"), put("resources/e.md"))

    async def walked(depth: int, most: int) -> list[str]:
        found = await house.tenant().walk(at("resources"), depth_max=depth, nodes_max=most)
        return [e.rel_path for e in found]

    assert await walked(9, 99) == ["a", "a/b", "a/b/c.md", "a/d.md", "e.md"]
    assert await walked(1, 99) == ["a", "e.md"]
    assert await walked(9, 3) == ["a", "a/b", "a/b/c.md"]


async def test_names_are_the_paths_of_a_walk(house: House) -> None:
    await house.do(put("resources/a/b/c.md"), put("resources/a/.h"), append("s", "m1"))
    for path in ("resources", "user/ana", ""):
        walked = await house.tenant().walk(at(path), depth_max=64, nodes_max=99)
        named = await house.tenant().names(at(path), nodes_max=99)
        assert sorted(e.rel_path for e in walked) == sorted(e.rel_path for e in named)


async def test_messages_are_hidden_unless_addressed(house: House) -> None:
    await house.do(append("s", "m1"))
    walked = await house.tenant().walk(at("user/ana"), depth_max=9, nodes_max=99)
    assert not [e for e in walked if "messages" in e.node.uri.parts]
    assert await house.names("user/ana/sessions/s/messages") == ["m1.md"]
    assert "hello there" in await house.text("user/ana/sessions/s/messages/m1.md")


# ------------------------------------------------------------------ grep
async def grep(house: House, path: str, literal: str, *, depth: int = 9, limit: int = 99, after: int = 0) -> list[str]:
    found = await house.tenant().grep_candidates(
        at(path), literal=literal, fold=True, depth_max=depth, after=after, limit=limit
    )
    return [str(node.uri).removeprefix("viking://") for node, _ in found]


async def test_grep_candidates_hold_the_literal_whatever_its_case(house: House) -> None:
    await house.do(put("resources/a.md", "A Needle here"), put("resources/b.md", "hay"))
    assert await grep(house, "resources", "needle") == ["resources/a.md"]
    assert await grep(house, "resources", "") == ["resources/a.md", "resources/b.md"]


async def test_grep_sees_no_hidden_removed_or_binary_files(house: House) -> None:
    await house.do(put("resources/.h", "needle"), put("resources/x.bin", "needle", media="application/octet-stream"))
    await house.do(put("resources/gone/a.md", "needle"), append("s", "m"))
    await house.do(Remove(at("resources/gone"), True))
    assert await grep(house, "", "needle") == []


async def test_grep_stays_in_its_subtree_and_depth(house: House) -> None:
    await house.do(put("resources/a/b/c.md"), put("resources/d.md"))
    assert await grep(house, "resources/a", "") == ["resources/a/b/c.md"]
    assert await grep(house, "resources", "", depth=1) == ["resources/d.md"]


async def test_grep_pages_meet_every_file_once(house: House) -> None:
    await house.do(*(put(f"{'user/ana' if n % 7 else 'resources'}/memories/{n}.md") for n in range(40)))
    seen: list[str] = []
    after = 0
    while page := await house.tenant().grep_candidates(
        at("resources"), literal="", fold=True, depth_max=9, after=after, limit=3
    ):
        seen += [node.uri.name for node, _ in page]
        after = page[-1][0].id
    assert sorted(seen) == sorted(f"{n}.md" for n in range(0, 40, 7))


async def test_grep_reads_messages_where_they_are_addressed(house: House) -> None:
    await house.do(append("s", "m1"))
    assert await grep(house, "user/ana/sessions/s/messages", "there") == ["user/ana/sessions/s/messages/m1.md"]
    assert await grep(house, "user/ana", "there") == []


# ------------------------------------------------------------------ remove
async def test_what_is_removed_is_gone_at_once_and_its_name_free(house: House) -> None:
    await house.do(put("resources/d/a.md", "old"))
    receipt = await house.do(Remove(at("resources/d"), recursive=True))
    assert receipt.removed == 2
    with pytest.raises(NotFound):
        await house.tenant().stat(at("resources/d/a.md"))
    await house.do(put("resources/d/a.md", "new"))
    assert await house.text("resources/d/a.md") == "new"


async def test_removing_is_one_entry_however_much_lies_below(house: House) -> None:
    first = await house.do(*(put(f"resources/d/{n}.md") for n in range(50)))
    await house.do(Remove(at("resources/d"), recursive=True))
    assert [e.op for e in await house.tenant().log(after=first.seq)] == ["remove"]


async def test_a_directory_with_entries_needs_recursive(house: House) -> None:
    await house.do(put("resources/d/a.md"), MakeDir(at("resources/empty")))
    with pytest.raises(Conflict) as refused:
        await house.do(Remove(at("resources/d")))
    assert refused.value.code == "FAILED_PRECONDITION"


async def test_removing_what_is_not_there_is_no_error(house: House) -> None:
    assert (await house.do(Remove(at("resources/no.md")))).removed == 0


async def test_a_purge_leaves_nothing_behind(house: House) -> None:
    await house.do(*(put(f"resources/d/{n}/a.md", f"w{n}", tiers=TIERS) for n in range(10)), append("s", "m1", "m2"))
    await house.do(Remove(at("resources/d"), recursive=True), Remove(at("user/ana/sessions/s"), recursive=True))
    slices = 0
    while done := await house.ledger.purge(nodes_max=4):
        assert done <= 4
        slices += 1
    assert slices >= 5
    for table in ("chunk", "fts_docsize", "unembedded"):
        assert await house.rows(f"SELECT count(*) FROM {table}") == [(0,)], table
    house.clock.advance(10)
    await house.ledger.prune(keep_s=5)
    for table in ("message", "session", "tier", "trash"):
        assert await house.rows(f"SELECT count(*) FROM {table}") == [(0,)], table
    assert await house.ledger.check() == []


# ------------------------------------------------------------------ move and copy
async def test_a_moved_subtree_keeps_its_nodes_and_is_one_entry(house: House) -> None:
    first = await house.do(*(put(f"resources/a/b/{n}.md", f"text{n}") for n in range(20)))
    before = await house.tenant().stat(at("resources/a/b/3.md"))
    await house.do(Move(at("resources/a"), at("resources/x/y")))
    after = await house.tenant().stat(at("resources/x/y/b/3.md"))
    assert after.id == before.id
    assert await house.text("resources/x/y/b/3.md") == "text3"
    assert [e.op for e in await house.tenant().log(after=first.seq)].count("move") == 1
    assert len(await house.tenant().log(after=first.seq)) <= 2  # the directory x, and the move
    with pytest.raises(NotFound):
        await house.tenant().stat(at("resources/a"))


async def test_a_directory_cannot_move_into_itself(house: House) -> None:
    await house.do(put("resources/a/b/c.md"))
    for to in ("resources/a/b/x", "resources/a/new/deep"):
        with pytest.raises(Invalid):
            await house.do(Move(at("resources/a"), at(to)))
    assert await house.text("resources/a/b/c.md") == "words"


async def test_moves_that_make_no_sense_are_refused(house: House) -> None:
    await house.do(put("resources/a.md"), put("resources/b.md"), put("resources/d/c.md"))
    with pytest.raises(NotFound):
        await house.do(Move(at("resources/no.md"), at("resources/x.md")))
    with pytest.raises(Conflict):
        await house.do(Move(at("resources/a.md"), at("resources/b.md")))
    with pytest.raises(Invalid):
        await house.do(Move(at("resources/a.md"), at("resources/d")))


async def test_a_move_between_owners_takes_the_index_along(house: House) -> None:
    await house.do(put("resources/d/a.md", "apple", event_at=5.0))
    await house.do(Move(at("resources/d"), at("user/ana/resources/d")))
    assert await house.finds("", "apple") == []
    assert await house.finds("ana", "apple") == ["viking://user/ana/resources/d/a.md"]
    assert await house.ledger.check() == []


async def test_a_large_move_between_owners_finishes_as_a_job(house: House) -> None:
    for start in range(0, 600, 100):
        await house.do(*(put(f"resources/d/{n}.md", f"word{n}") for n in range(start, start + 100)))
    await house.do(Move(at("resources/d"), at("user/ana/resources/d")))
    (job,) = [j for j in await house.lease(9) if j.kind == "reown"]
    node = int(job.payload["node"])
    while await house.ledger.reown(account="acme", node_id=node, chunks_max=40):
        pass
    assert await house.finds("ana", "word599") == ["viking://user/ana/resources/d/599.md"]
    assert await house.rows("SELECT chunks FROM owner WHERE user = ''") == [(0,)]
    assert await house.ledger.check() == []


async def test_a_copy_stands_alone(house: House) -> None:
    await house.do(put("resources/a/b/c.md", "apple", tags=("k=v",)))
    with pytest.raises(Conflict):
        await house.do(Copy(at("resources/a"), at("user/ana/resources/a")))
    await house.do(Copy(at("resources/a"), at("user/ana/resources/a"), recursive=True))
    await house.do(put("resources/a/b/c.md", "banana"))
    assert await house.text("user/ana/resources/a/b/c.md") == "apple"
    assert (await house.tenant().stat(at("user/ana/resources/a/b/c.md"))).tags == ("k=v",)
    assert await house.finds("ana", "apple") == ["viking://user/ana/resources/a/b/c.md"]
    with pytest.raises(Invalid):
        await house.do(Copy(at("resources/a"), at("resources/a/b/x"), recursive=True))


# ------------------------------------------------------------------ tiers, chunks, tags
async def test_tags_are_replaced_whole(house: House) -> None:
    await house.do(put("resources/a.md", tags=("a=1",)))
    await house.do(SetTags(at("resources/a.md"), ("b=2",)))
    assert (await house.tenant().stat(at("resources/a.md"))).tags == ("b=2",)


async def test_tiers_of_an_older_version_are_skipped(house: House) -> None:
    await house.do(put("resources/a.md", "one"))
    node = await house.tenant().stat(at("resources/a.md"))
    await house.do(put("resources/a.md", "two"))
    receipt = await house.do(SetTiers(node.id, 1, TIERS), SetChunks(node.id, 1, (chunk("ghost"),)))
    assert receipt.stale == 2
    assert await house.tenant().tiers(at("resources/a.md")) is None
    assert await house.finds("", "ghost") == []


async def test_chunks_set_later_replace_those_before(house: House) -> None:
    await house.do(put("resources/a.md", "old", event_at=7.0, speaker="Joe"))
    node = await house.tenant().stat(at("resources/a.md"))
    await house.do(SetChunks(node.id, 1, (chunk("first"), chunk("second", start=6)), TIERS))
    assert await house.finds("", "old") == []
    assert await house.finds("", "second") == ["viking://resources/a.md"]
    rows = await house.rows("SELECT id, previous, at, speaker FROM chunk WHERE level = 2 ORDER BY id")
    assert [(r[1], r[2], r[3]) for r in rows] == [(0, 7.0, "Joe"), (rows[0][0], 7.0, "Joe")]


async def test_a_change_makes_the_directories_above_stale_until_their_tiers_are_set(house: House) -> None:
    await house.do(put("user/ana/resources/d/a.md"))
    stale = await house.ledger.stale_dirs(ANA, limit=9, entries_max=9)
    assert str(stale[0].node.uri) == "viking://user/ana/resources/d"
    assert ([n.uri.name for n in stale[0].entries], stale[0].total) == (["a.md"], 1)
    for _ in range(9):
        for one in await house.ledger.stale_dirs(ANA, limit=1, entries_max=9):
            await house.do(SetTiers(one.node.id, one.node.version, TIERS, (chunk("tier", level=0),), one.seq))
    assert await house.ledger.stale_dirs(ANA, limit=9, entries_max=9) == []
    assert "viking://user/ana/resources/d" in await house.finds("ana", "tier")


async def test_a_directory_that_changed_meanwhile_stays_stale(house: House) -> None:
    await house.do(put("resources/d/a.md"))
    shared = ANA.__class__("acme", "")
    (one,) = [s for s in await house.ledger.stale_dirs(shared, limit=9, entries_max=9) if s.node.uri.name == "d"]
    await house.do(put("resources/d/b.md"))
    await house.do(SetTiers(one.node.id, one.node.version, TIERS, seen_seq=one.seq))
    again = await house.ledger.stale_dirs(shared, limit=9, entries_max=9)
    assert "d" in [s.node.uri.name for s in again]


async def test_the_log_names_what_changed_in_order(house: House) -> None:
    await house.do(put("resources/a.md", "one"), cause="import-1")
    await house.do(put("resources/a.md", "two"))
    log = await house.tenant().log()
    entries = [e for e in log if e.uri == "viking://resources/a.md"]
    assert [(e.op, e.actor, e.cause) for e in entries] == [("create", "ana", "import-1"), ("write", "ana", "")]
    assert entries[1].before == entries[0].after == put("x", "one").hash
    assert [e.seq for e in log] == sorted(e.seq for e in log)


async def test_writers_at_once_lose_nothing(house: House) -> None:
    await asyncio.gather(*(house.do(put(f"resources/d/{n}.md", str(n))) for n in range(60)))
    assert len(await house.names("resources/d")) == 60
    assert await house.ledger.check() == []


async def test_the_size_of_a_subtree_is_what_its_removal_takes(house: House) -> None:
    await house.do(*(put(f"resources/d/{name}") for name in ("a.md", "sub/b.md", ".hidden/c.md", "gone.md")))
    await house.do(Remove(at("resources/d/gone.md")))
    assert [await house.tenant().size(at(uri)) for uri in ("resources/d", "resources/d/a.md", "resources/none")] == [
        6,
        1,
        0,
    ]
    assert (await house.do(Remove(at("resources/d"), recursive=True))).removed == 6
