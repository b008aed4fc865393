from __future__ import annotations

import asyncio

import pytest

from recalld.domain.commit import Copy, MakeDir, Move, Remove, SetChunks, SetTags, SetTiers, WriteMode
from recalld.domain.document import Tiers
from recalld.domain.errors import Conflict, Corrupt, Denied, Invalid, NotFound
from recalld.domain.node import Kind
from tests.contract.ledger_harness import ANA, BEN, ROOT, TIERS, LedgerHarness, append, at, chunk, put

NAMESPACE = ("", "resources", "agent", "user", "user/ana", "user/ana/memories", "user/ana/sessions")


@pytest.mark.parametrize("path", NAMESPACE)
async def test_the_namespace_is_there_before_anything_was_written(harness: LedgerHarness, path: str) -> None:
    assert (await harness.tenant().stat(at(path))).is_dir
    assert await harness.tenant().list(at(path), limit=10) is not None


@pytest.mark.parametrize("path", NAMESPACE)
async def test_the_namespace_is_there_after_a_first_write(harness: LedgerHarness, path: str) -> None:
    await harness.do(put("resources/a.md"))
    assert (await harness.tenant().stat(at(path))).is_dir


async def test_the_root_shows_three_scopes(harness: LedgerHarness) -> None:
    assert await harness.names("") == ["agent", "resources", "user"]
    await harness.do(put("user/ana/memories/a.md"))
    assert await harness.names("") == ["agent", "resources", "user"]


async def test_a_written_file_reads_back(harness: LedgerHarness) -> None:
    receipt = await harness.do(put("resources/docs/a.md", "hello"))
    node = await harness.tenant().stat(at("resources/docs/a.md"))
    assert receipt.created == (at("resources/docs/a.md"),)
    assert (await harness.text("resources/docs/a.md"), node.kind, node.size, node.version) == ("hello", Kind.FILE, 5, 1)


async def test_an_empty_file_reads_back(harness: LedgerHarness) -> None:
    await harness.do(put("resources/a.md", ""))
    assert await harness.text("resources/a.md") == ""


async def test_replacing_counts_a_version_and_keeps_the_address(harness: LedgerHarness) -> None:
    await harness.do(put("resources/a.md", "one"))
    before = await harness.tenant().stat(at("resources/a.md"))
    receipt = await harness.do(put("resources/a.md", "two"))
    after = await harness.tenant().stat(at("resources/a.md"))
    assert (receipt.updated, after.id, after.version) == ((at("resources/a.md"),), before.id, 2)
    assert await harness.text("resources/a.md") == "two"


async def test_the_same_bytes_again_change_nothing(harness: LedgerHarness) -> None:
    first = await harness.do(put("resources/a.md", "one"))
    again = await harness.do(put("resources/a.md", "one"))
    assert again.unchanged == (at("resources/a.md"),)
    assert [e.seq for e in await harness.log(after=first.seq)] == []


async def test_only_the_newest_words_are_in_the_index(harness: LedgerHarness) -> None:
    await harness.do(put("resources/a.md", "apple"))
    await harness.do(put("resources/a.md", "banana"))
    assert await harness.finds("", "apple") == []
    assert await harness.finds("", "banana") == ["viking://resources/a.md"]


async def test_create_refuses_what_is_there_and_replace_what_is_not(harness: LedgerHarness) -> None:
    with pytest.raises(NotFound):
        await harness.do(put("resources/a.md", mode=WriteMode.REPLACE))
    await harness.do(put("resources/a.md", mode=WriteMode.CREATE))
    with pytest.raises(Conflict) as refused:
        await harness.do(put("resources/a.md", "other", mode=WriteMode.CREATE))
    assert refused.value.code == "ALREADY_EXISTS"


async def test_a_write_that_expects_other_bytes_is_aborted(harness: LedgerHarness) -> None:
    await harness.do(put("resources/a.md", "one"))
    with pytest.raises(Conflict) as refused:
        await harness.do(put("resources/a.md", "two", expect="0" * 64))
    assert refused.value.code == "ABORTED"
    await harness.do(put("resources/a.md", "two", expect=put("x", "one").hash))
    assert await harness.text("resources/a.md") == "two"


async def test_a_commit_is_whole_or_not_at_all(harness: LedgerHarness) -> None:
    with pytest.raises(NotFound):
        await harness.do(put("resources/a.md"), put("resources/b.md", mode=WriteMode.REPLACE))
    with pytest.raises(NotFound):
        await harness.tenant().stat(at("resources/a.md"))
    assert await harness.finds("", "words") == []


async def test_a_file_is_no_directory_and_the_other_way_round(harness: LedgerHarness) -> None:
    await harness.do(put("resources/a.md"), MakeDir(at("resources/dir")))
    with pytest.raises(Conflict):
        await harness.do(put("resources/a.md/b.md"))
    with pytest.raises(Invalid):
        await harness.do(put("resources/dir"))
    with pytest.raises(Invalid):
        await harness.tenant().read(at("resources/dir"))
    with pytest.raises(Conflict):
        await harness.tenant().list(at("resources/a.md"), limit=10)


async def test_large_content_is_a_blob_and_its_loss_is_reported(harness: LedgerHarness) -> None:
    text = "x" * 100_000
    await harness.blobs.put(text.encode())
    await harness.do(put("resources/large.txt", text))
    assert await harness.text("resources/large.txt") == text
    await harness.do(put("resources/lost.txt", "y" * 100_000))
    with pytest.raises(Corrupt):
        await harness.text("resources/lost.txt")


async def test_making_a_directory_twice_is_a_conflict_unless_allowed(harness: LedgerHarness) -> None:
    await harness.do(MakeDir(at("resources/a/b"), abstract=TIERS.abstract))
    with pytest.raises(Conflict):
        await harness.do(MakeDir(at("resources/a/b")))
    await harness.do(MakeDir(at("resources/a/b"), exist_ok=True))
    assert (await harness.tenant().stat(at("resources/a/b"))).abstract == "short"


# ------------------------------------------------------------------ isolation
@pytest.mark.parametrize("path", ["user/ana", "user/ana/memories", "user/ana/memories/a.md"])
async def test_another_users_tree_is_denied(harness: LedgerHarness, path: str) -> None:
    await harness.do(put("user/ana/memories/a.md"))
    ben = harness.tenant(BEN)
    for read in (
        ben.stat(at(path)),
        ben.walk(at(path), depth_max=3, nodes_max=9),
        ben.tiers(at(path)),
        ben.read(at(path)),
    ):
        with pytest.raises(Denied):
            await read
    for op in (put(f"{path}/x.md"), Remove(at(path), True), Move(at(path), at("user/ben/memories/x"))):
        with pytest.raises(Denied):
            await harness.do(op, caller=BEN)


async def test_the_user_directory_shows_a_user_only_itself(harness: LedgerHarness) -> None:
    await harness.do(put("user/ana/memories/a.md"))
    await harness.do(put("user/ben/memories/b.md"), caller=BEN)
    assert await harness.names("user", BEN) == ["ben"]
    walked = await harness.tenant(BEN).walk(at(""), depth_max=9, nodes_max=99)
    named = await harness.tenant(BEN).names(at(""), nodes_max=99)
    assert not [e for e in [*walked, *named] if "ana" in e.node.uri.parts]
    assert await harness.names("user", ROOT) == ["ana", "ben"]


@pytest.mark.parametrize("path", ["user/ben", "user/ben/memories", "user/ben/sessions"])
async def test_another_users_directories_exist_once_something_was_written(harness: LedgerHarness, path: str) -> None:
    root = harness.tenant(ROOT)
    for read in (
        root.stat(at(path)),
        root.list(at(path), limit=9),
        root.walk(at(path), depth_max=3, nodes_max=9),
        root.names(at(path), nodes_max=9),
        root.count(at(path)),
        root.tiers(at(path)),
    ):
        with pytest.raises(NotFound):
            await read
    await harness.do(put("user/ben/skills/x/SKILL.md"), caller=BEN)
    assert len(await harness.names("user/ben", ROOT)) == 6
    assert (await root.stat(at(path))).is_dir


async def test_accounts_never_meet(harness: LedgerHarness) -> None:
    outsider = ROOT.__class__("other", "ana", ROOT.role)
    await harness.do(put("resources/a.md", "needle"), put("user/ana/memories/a.md", "needle"))
    node = await harness.tenant().stat(at("resources/a.md"))
    assert await harness.names("resources", outsider) == []
    assert await harness.log(outsider) == []
    assert await harness.ledger.backlog.node_text(outsider, node.id) is None
    grep = harness.tenant(outsider).grep_candidates(at(""), literal="needle", fold=True, depth_max=9, after=0, limit=9)
    assert await grep == []
    receipt = await harness.do(SetTiers(node.id, 1, TIERS), caller=outsider)
    assert receipt.stale == 1


async def test_a_user_cannot_write_another_users_node_by_its_number(harness: LedgerHarness) -> None:
    await harness.do(put("user/ana/memories/a.md"))
    node = await harness.tenant().stat(at("user/ana/memories/a.md"))
    with pytest.raises(Denied):
        await harness.do(SetTiers(node.id, 1, Tiers("mine")), caller=BEN)
    with pytest.raises(Denied):
        await harness.do(SetChunks(node.id, 1, (chunk("mine"),)), caller=BEN)


async def test_index_spaces_are_apart(harness: LedgerHarness) -> None:
    await harness.do(put("user/ana/memories/a.md", "secret"))
    await harness.do(put("user/ben/memories/b.md", "other"), caller=BEN)
    assert await harness.finds("ana", "secret") == ["viking://user/ana/memories/a.md"]
    assert await harness.finds("ben", "secret") == await harness.finds("", "secret") == []


# ------------------------------------------------------------------ listing
async def test_directories_come_first_and_dot_files_only_with_hidden(harness: LedgerHarness) -> None:
    await harness.do(put("resources/b.md"), put("resources/a.md"), put("resources/z/x.md"), put("resources/.h"))
    assert await harness.names("resources") == ["z", "a.md", "b.md"]
    shown = await harness.tenant().list(at("resources"), limit=9, hidden=True)
    assert [n.uri.name for n in shown] == ["z", ".h", "a.md", "b.md"]
    assert len(await harness.tenant().list(at("resources"), limit=2)) == 2


async def test_a_walk_is_in_pre_order_and_bounded(harness: LedgerHarness) -> None:
    await harness.do(put("resources/a/b/c.md"), put("resources/a/d.md"), put("resources/e.md"))

    async def walked(depth: int, most: int) -> list[str]:
        found = await harness.tenant().walk(at("resources"), depth_max=depth, nodes_max=most)
        return [e.rel_path for e in found]

    assert await walked(9, 99) == ["a", "a/b", "a/b/c.md", "a/d.md", "e.md"]
    assert await walked(1, 99) == ["a", "e.md"]
    assert await walked(9, 3) == ["a", "a/b", "a/b/c.md"]


async def test_names_are_the_paths_of_a_walk(harness: LedgerHarness) -> None:
    await harness.do(put("resources/a/b/c.md"), put("resources/a/.h"), append("s", "m1"))
    for path in ("resources", "user/ana", ""):
        walked = await harness.tenant().walk(at(path), depth_max=64, nodes_max=99)
        named = await harness.tenant().names(at(path), nodes_max=99)
        assert sorted(e.rel_path for e in walked) == sorted(e.rel_path for e in named)


async def test_messages_are_hidden_unless_addressed(harness: LedgerHarness) -> None:
    await harness.do(append("s", "m1"))
    walked = await harness.tenant().walk(at("user/ana"), depth_max=9, nodes_max=99)
    assert not [e for e in walked if "messages" in e.node.uri.parts]
    assert await harness.names("user/ana/sessions/s/messages") == ["m1.md"]
    assert "hello there" in await harness.text("user/ana/sessions/s/messages/m1.md")


# ------------------------------------------------------------------ grep
async def grep(
    harness: LedgerHarness, path: str, literal: str, *, depth: int = 9, limit: int = 99, after: int = 0
) -> list[str]:
    found = await harness.tenant().grep_candidates(
        at(path), literal=literal, fold=True, depth_max=depth, after=after, limit=limit
    )
    return [str(node.uri).removeprefix("viking://") for node, _ in found]


async def test_grep_candidates_hold_the_literal_whatever_its_case(harness: LedgerHarness) -> None:
    await harness.do(put("resources/a.md", "A Needle here"), put("resources/b.md", "hay"))
    assert await grep(harness, "resources", "needle") == ["resources/a.md"]
    assert await grep(harness, "resources", "") == ["resources/a.md", "resources/b.md"]


async def test_grep_sees_no_hidden_removed_or_binary_files(harness: LedgerHarness) -> None:
    await harness.do(put("resources/.h", "needle"), put("resources/x.bin", "needle", media="application/octet-stream"))
    await harness.do(put("resources/gone/a.md", "needle"), append("s", "m"))
    await harness.do(Remove(at("resources/gone"), True))
    assert await grep(harness, "", "needle") == []


async def test_grep_stays_in_its_subtree_and_depth(harness: LedgerHarness) -> None:
    await harness.do(put("resources/a/b/c.md"), put("resources/d.md"))
    assert await grep(harness, "resources/a", "") == ["resources/a/b/c.md"]
    assert await grep(harness, "resources", "", depth=1) == ["resources/d.md"]


async def test_grep_pages_meet_every_file_once(harness: LedgerHarness) -> None:
    await harness.do(*(put(f"{'user/ana' if n % 7 else 'resources'}/memories/{n}.md") for n in range(40)))
    seen: list[str] = []
    after = 0
    while page := await harness.tenant().grep_candidates(
        at("resources"), literal="", fold=True, depth_max=9, after=after, limit=3
    ):
        seen += [node.uri.name for node, _ in page]
        after = page[-1][0].id
    assert sorted(seen) == sorted(f"{n}.md" for n in range(0, 40, 7))


async def test_grep_reads_messages_where_they_are_addressed(harness: LedgerHarness) -> None:
    await harness.do(append("s", "m1"))
    assert await grep(harness, "user/ana/sessions/s/messages", "there") == ["user/ana/sessions/s/messages/m1.md"]
    assert await grep(harness, "user/ana", "there") == []


# ------------------------------------------------------------------ remove
async def test_a_removed_node_is_gone_at_once_and_its_name_is_free(harness: LedgerHarness) -> None:
    await harness.do(put("resources/d/a.md", "old"))
    receipt = await harness.do(Remove(at("resources/d"), recursive=True))
    assert receipt.removed == 2
    with pytest.raises(NotFound):
        await harness.tenant().stat(at("resources/d/a.md"))
    await harness.do(put("resources/d/a.md", "new"))
    assert await harness.text("resources/d/a.md") == "new"


async def test_removing_is_one_entry_however_much_lies_below(harness: LedgerHarness) -> None:
    first = await harness.do(*(put(f"resources/d/{n}.md") for n in range(50)))
    await harness.do(Remove(at("resources/d"), recursive=True))
    assert [e.op for e in await harness.log(after=first.seq)] == ["remove"]


async def test_a_directory_with_entries_needs_recursive(harness: LedgerHarness) -> None:
    await harness.do(put("resources/d/a.md"), MakeDir(at("resources/empty")))
    with pytest.raises(Conflict) as refused:
        await harness.do(Remove(at("resources/d")))
    assert refused.value.code == "FAILED_PRECONDITION"


async def test_removing_what_is_not_there_is_no_error(harness: LedgerHarness) -> None:
    assert (await harness.do(Remove(at("resources/no.md")))).removed == 0


async def test_a_purge_leaves_nothing_behind(harness: LedgerHarness) -> None:
    await harness.do(*(put(f"resources/d/{n}/a.md", f"w{n}", tiers=TIERS) for n in range(10)), append("s", "m1", "m2"))
    await harness.do(Remove(at("resources/d"), recursive=True), Remove(at("user/ana/sessions/s"), recursive=True))
    slices = 0
    while done := await harness.ledger.cleanup.purge(nodes_max=4):
        assert done <= 4
        slices += 1
    assert slices >= 5
    for table in ("chunk", "fts_docsize", "unembedded"):
        assert await harness.rows(f"SELECT count(*) FROM {table}") == [(0,)], table
    harness.clock.advance(10)
    await harness.ledger.maintenance.prune(keep_s=5)
    for table in ("message", "session", "tier", "trash"):
        assert await harness.rows(f"SELECT count(*) FROM {table}") == [(0,)], table
    assert await harness.ledger.maintenance.check() == []


# ------------------------------------------------------------------ move and copy
async def test_a_moved_subtree_keeps_its_nodes_and_is_one_entry(harness: LedgerHarness) -> None:
    first = await harness.do(*(put(f"resources/a/b/{n}.md", f"text{n}") for n in range(20)))
    before = await harness.tenant().stat(at("resources/a/b/3.md"))
    await harness.do(Move(at("resources/a"), at("resources/x/y")))
    after = await harness.tenant().stat(at("resources/x/y/b/3.md"))
    assert after.id == before.id
    assert await harness.text("resources/x/y/b/3.md") == "text3"
    assert [e.op for e in await harness.log(after=first.seq)].count("move") == 1
    assert len(await harness.log(after=first.seq)) <= 2  # the directory x, and the move
    with pytest.raises(NotFound):
        await harness.tenant().stat(at("resources/a"))


async def test_a_directory_cannot_move_into_itself(harness: LedgerHarness) -> None:
    await harness.do(put("resources/a/b/c.md"))
    for to in ("resources/a/b/x", "resources/a/new/deep"):
        with pytest.raises(Invalid):
            await harness.do(Move(at("resources/a"), at(to)))
    assert await harness.text("resources/a/b/c.md") == "words"


async def test_moves_that_make_no_sense_are_refused(harness: LedgerHarness) -> None:
    await harness.do(put("resources/a.md"), put("resources/b.md"), put("resources/d/c.md"))
    with pytest.raises(NotFound):
        await harness.do(Move(at("resources/no.md"), at("resources/x.md")))
    with pytest.raises(Conflict):
        await harness.do(Move(at("resources/a.md"), at("resources/b.md")))
    with pytest.raises(Invalid):
        await harness.do(Move(at("resources/a.md"), at("resources/d")))


async def test_a_move_between_owners_takes_the_index_along(harness: LedgerHarness) -> None:
    await harness.do(put("resources/d/a.md", "apple", event_at=5.0))
    await harness.do(Move(at("resources/d"), at("user/ana/resources/d")))
    assert await harness.finds("", "apple") == []
    assert await harness.finds("ana", "apple") == ["viking://user/ana/resources/d/a.md"]
    assert await harness.ledger.maintenance.check() == []


async def test_a_large_move_between_owners_finishes_as_a_job(harness: LedgerHarness) -> None:
    for start in range(0, 600, 100):
        await harness.do(*(put(f"resources/d/{n}.md", f"word{n}") for n in range(start, start + 100)))
    await harness.do(Move(at("resources/d"), at("user/ana/resources/d")))
    (job,) = [j for j in await harness.lease(9) if j.kind == "reown"]
    node = int(job.payload["node"])
    while await harness.ledger.cleanup.repartition(account="acme", node_id=node, chunks_max=40):
        pass
    assert await harness.finds("ana", "word599") == ["viking://user/ana/resources/d/599.md"]
    assert await harness.rows("SELECT chunks FROM owner WHERE user = ''") == [(0,)]
    assert await harness.ledger.maintenance.check() == []


async def test_a_copy_stands_alone(harness: LedgerHarness) -> None:
    await harness.do(put("resources/a/b/c.md", "apple", tags=("k=v",)))
    with pytest.raises(Conflict):
        await harness.do(Copy(at("resources/a"), at("user/ana/resources/a")))
    await harness.do(Copy(at("resources/a"), at("user/ana/resources/a"), recursive=True))
    await harness.do(put("resources/a/b/c.md", "banana"))
    assert await harness.text("user/ana/resources/a/b/c.md") == "apple"
    assert (await harness.tenant().stat(at("user/ana/resources/a/b/c.md"))).tags == ("k=v",)
    assert await harness.finds("ana", "apple") == ["viking://user/ana/resources/a/b/c.md"]
    with pytest.raises(Invalid):
        await harness.do(Copy(at("resources/a"), at("resources/a/b/x"), recursive=True))


# ------------------------------------------------------------------ tiers, chunks, tags
async def test_tags_are_replaced_whole(harness: LedgerHarness) -> None:
    await harness.do(put("resources/a.md", tags=("a=1",)))
    await harness.do(SetTags(at("resources/a.md"), ("b=2",)))
    assert (await harness.tenant().stat(at("resources/a.md"))).tags == ("b=2",)


async def test_tiers_of_an_older_version_are_skipped(harness: LedgerHarness) -> None:
    await harness.do(put("resources/a.md", "one"))
    node = await harness.tenant().stat(at("resources/a.md"))
    await harness.do(put("resources/a.md", "two"))
    receipt = await harness.do(SetTiers(node.id, 1, TIERS), SetChunks(node.id, 1, (chunk("ghost"),)))
    assert receipt.stale == 2
    assert await harness.tenant().tiers(at("resources/a.md")) is None
    assert await harness.finds("", "ghost") == []


async def test_chunks_set_later_replace_those_before(harness: LedgerHarness) -> None:
    await harness.do(put("resources/a.md", "old", event_at=7.0, speaker="Joe"))
    node = await harness.tenant().stat(at("resources/a.md"))
    await harness.do(SetChunks(node.id, 1, (chunk("first"), chunk("second", start=6)), TIERS))
    assert await harness.finds("", "old") == []
    assert await harness.finds("", "second") == ["viking://resources/a.md"]
    rows = await harness.rows("SELECT id, previous, at, speaker FROM chunk WHERE level = 2 ORDER BY id")
    assert [(r[1], r[2], r[3]) for r in rows] == [(0, 7.0, "Joe"), (rows[0][0], 7.0, "Joe")]


async def test_a_change_makes_the_directories_above_stale_until_their_tiers_are_set(harness: LedgerHarness) -> None:
    await harness.do(put("user/ana/resources/d/a.md"))
    stale = await harness.ledger.backlog.stale_dirs(ANA, limit=9, entries_max=9)
    assert str(stale[0].node.uri) == "viking://user/ana/resources/d"
    assert ([n.uri.name for n in stale[0].entries], stale[0].total) == (["a.md"], 1)
    for _ in range(9):
        for one in await harness.ledger.backlog.stale_dirs(ANA, limit=1, entries_max=9):
            await harness.do(SetTiers(one.node.id, one.node.version, TIERS, (chunk("tier", level=0),), one.seq))
    assert await harness.ledger.backlog.stale_dirs(ANA, limit=9, entries_max=9) == []
    assert "viking://user/ana/resources/d" in await harness.finds("ana", "tier")


async def test_a_directory_that_changed_meanwhile_stays_stale(harness: LedgerHarness) -> None:
    await harness.do(put("resources/d/a.md"))
    shared = ANA.__class__("acme", "")
    (one,) = [
        s for s in await harness.ledger.backlog.stale_dirs(shared, limit=9, entries_max=9) if s.node.uri.name == "d"
    ]
    await harness.do(put("resources/d/b.md"))
    await harness.do(SetTiers(one.node.id, one.node.version, TIERS, seen_seq=one.seq))
    again = await harness.ledger.backlog.stale_dirs(shared, limit=9, entries_max=9)
    assert "d" in [s.node.uri.name for s in again]


async def test_the_log_names_what_changed_in_order(harness: LedgerHarness) -> None:
    await harness.do(put("resources/a.md", "one"), cause="import-1")
    await harness.do(put("resources/a.md", "two"))
    log = await harness.log()
    entries = [e for e in log if e.uri == "viking://resources/a.md"]
    assert [(e.op, e.actor, e.cause) for e in entries] == [("create", "ana", "import-1"), ("write", "ana", "")]
    assert entries[1].before == entries[0].after == put("x", "one").hash
    assert [e.seq for e in log] == sorted(e.seq for e in log)


async def test_writers_at_once_lose_nothing(harness: LedgerHarness) -> None:
    await asyncio.gather(*(harness.do(put(f"resources/d/{n}.md", str(n))) for n in range(60)))
    assert len(await harness.names("resources/d")) == 60
    assert await harness.ledger.maintenance.check() == []


async def test_the_size_of_a_subtree_is_what_its_removal_takes(harness: LedgerHarness) -> None:
    await harness.do(*(put(f"resources/d/{name}") for name in ("a.md", "sub/b.md", ".hidden/c.md", "gone.md")))
    await harness.do(Remove(at("resources/d/gone.md")))
    assert [await harness.tenant().size(at(uri)) for uri in ("resources/d", "resources/d/a.md", "resources/none")] == [
        6,
        1,
        0,
    ]
    assert (await harness.do(Remove(at("resources/d"), recursive=True))).removed == 6
