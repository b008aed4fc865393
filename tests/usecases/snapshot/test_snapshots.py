from __future__ import annotations

from typing import Any

import pytest

from recalld.app.snapshots import SnapshotVerbs
from recalld.domain.caller import Caller, Role
from recalld.domain.commit import Commit, Remove
from recalld.domain.errors import Conflict, Denied, Invalid, NotFound, Upstream
from recalld.domain.snapshot import Snapshot
from recalld.domain.uri import Uri
from recalld.usecases.snapshot import restore as restoring
from tests.house_fixture import House

A, B = "viking://resources/docs/a.md", "viking://resources/docs/b.md"
HOUR_S = 3_600.0


ADMIN = Caller(role=Role.ADMIN)


def verbs(house: House, caller: Caller | None = None) -> SnapshotVerbs:
    return SnapshotVerbs(house.ports, caller or Caller())


async def snap(house: House, message: str = "a snapshot", **more: Any) -> Snapshot:
    house.clock.advance(1)
    did = await verbs(house).commit(message, **more)
    assert did.created
    assert did.snapshot is not None
    return did.snapshot


async def shown(house: House, ref: str, path: str) -> str:
    return (await verbs(house).show_file(ref, path))[1].decode()


async def test_a_file_is_shown_as_it_was(house: House) -> None:
    await house.write(A, "# First\n")
    first = await snap(house)
    await house.write(A, "# Second\n")
    await house.r.mv(A, B)
    second = await snap(house)
    assert await shown(house, first.oid, A) == "# First\n"
    assert await shown(house, first.oid[:8], "resources/docs/a.md") == "# First\n"
    assert await shown(house, "main", B) == "# Second\n"
    with pytest.raises(NotFound):
        await shown(house, second.oid, A)


async def test_nothing_new_makes_no_snapshot(house: House) -> None:
    assert (await verbs(house).commit("nothing yet")).snapshot is None
    await house.write(A, "# Tea\n")
    first = await snap(house)
    again = await verbs(house).commit("again")
    assert (again.created, again.snapshot) == (False, first)
    await house.write(A, "# Coffee\n")
    await house.write(A, "# Tea\n")
    assert not (await verbs(house).commit("there and back")).created


async def test_talk_is_in_no_snapshot(house: House) -> None:
    await house.say("s1", "I live in Lisbon.")
    assert not (await verbs(house).commit("talk")).created


async def test_a_snapshot_of_paths_leaves_the_rest_as_it_was(house: House) -> None:
    await house.write(A, "a1\n")
    await house.write(B, "b1\n")
    await snap(house)
    await house.write(A, "a2\n")
    await house.write(B, "b2\n")
    some = await snap(house, paths=[A])
    assert (await shown(house, some.oid, A), await shown(house, some.oid, B)) == ("a2\n", "b1\n")
    assert not (await verbs(house).commit("again", paths=[A])).created
    rest = await snap(house)
    assert (await shown(house, rest.oid, A), await shown(house, rest.oid, B)) == ("a2\n", "b2\n")


async def test_the_log_is_newest_first_and_filtered_by_path(house: House) -> None:
    await house.write(A, "a1\n")
    first = await snap(house, "first")
    await house.write(B, "b1\n")
    second = await snap(house, "second")
    await house.r.rm("viking://resources/docs", recursive=True)
    third = await snap(house, "third")
    log = verbs(house).log
    assert await log() == [third, second, first]
    assert await log(limit=1) == [third]
    assert await log(paths=[A]) == [third, first]
    assert await log(paths=["viking://resources/docs"]) == [third, second, first]
    assert await log(paths=["viking://agent"]) == []
    assert [s.parent for s in await log()] == [second.oid, first.oid, ""]
    with pytest.raises(NotFound, match="side") as unknown:
        await log(branch="side")
    assert unknown.value.details["type"] == "git_ref"


async def test_a_files_versions_are_where_it_changed(house: House) -> None:
    await house.write(A, "a1\n")
    first = await snap(house)
    await house.write(B, "b1\n")
    await snap(house)
    await house.write(A, "a2\n")
    third = await snap(house)
    await house.r.rm(A)
    fourth = await snap(house)
    found = await verbs(house).versions(A)
    assert [(s.oid, c.type.value) for s, c in found] == [
        (fourth.oid, "deleted"),
        (third.oid, "modified"),
        (first.oid, "added"),
    ]
    with pytest.raises(NotFound):
        await verbs(house).versions("viking://resources/never.md")


async def test_two_snapshots_differ_by_path_and_by_line(house: House) -> None:
    await house.write(A, "one\ntwo\n")
    first = await snap(house)
    await house.write(A, "one\n2\n")
    await house.write(B, "new\n")
    second = await snap(house)
    found = await verbs(house).diff(A, to=second.oid)
    assert found.old == first
    assert found.text.endswith("@@ -1,2 +1,2 @@\n one\n-two\n+2\n")
    assert (await verbs(house).diff(B, to="HEAD")).text.startswith("--- /dev/null\n+++ b/resources/docs/b.md\n")
    back = await verbs(house).diff_paths(since=second.oid, to=first.oid)
    assert [(c.path, c.type.value) for c in back.changes] == [
        ("resources/docs/a.md", "modified"),
        ("resources/docs/b.md", "deleted"),
    ]
    assert (await verbs(house).diff_paths(to=second.oid, paths=[B])).changes[0].type.value == "added"


async def test_what_is_no_text_is_not_compared(house: House) -> None:
    await house.write("viking://resources/x.bin", b"\xff\xfe\x00\x81")
    one = await snap(house)
    with pytest.raises(Invalid, match="UTF-8"):
        await verbs(house).diff("viking://resources/x.bin", to=one.oid)


async def test_a_restore_writes_forwards_and_is_found_again(house: House) -> None:
    await house.write(A, "# Oolong\n\nAna drinks oolong.\n")
    first = await snap(house)
    await house.write(A, "# Coffee\n\nAna drinks coffee.\n")
    await house.write("viking://resources/docs/deep/c.md", "# Late\n")
    second = await snap(house)
    did = await verbs(house).restore(first.oid)
    assert did.snapshot is not None
    assert did.snapshot.parent == second.oid
    assert await house.texts_below("viking://resources") == {"docs/a.md": "# Oolong\n\nAna drinks oolong.\n"}
    assert await house.found("oolong") == [A]
    assert [s.oid for s in await verbs(house).log()] == [did.snapshot.oid, second.oid, first.oid]
    assert did.snapshot.tree == first.tree
    again = await verbs(house).restore(first.oid)
    assert again.snapshot is None


async def test_a_restore_that_is_only_tried_changes_nothing(house: House) -> None:
    await house.write(A, "a1\n")
    first = await snap(house)
    await house.write(A, "a2\n")
    before = await house.seq()
    did = await verbs(house).restore(first.oid, dry_run=True)
    assert [c.path for c in did.plan.write] == ["resources/docs/a.md"]
    assert await house.seq() == before


async def test_a_restore_keeps_to_its_directory(house: House) -> None:
    await house.write(A, "a1\n")
    await house.write("viking://resources/other/c.md", "c1\n")
    first = await snap(house)
    await house.write(A, "a2\n")
    await house.write("viking://resources/other/c.md", "c2\n")
    await snap(house)
    await verbs(house).restore(first.oid, project_dir="viking://resources/docs")
    assert await house.texts_below("viking://resources") == {"docs/a.md": "a1\n", "other/c.md": "c2\n"}


async def test_what_no_snapshot_has_is_recorded_before_a_restore_overwrites_it(house: House) -> None:
    await house.write(A, "a1\n")
    first = await snap(house)
    await house.write(A, "never recorded\n")
    did = await verbs(house).restore(first.oid)
    assert did.snapshot is not None
    assert await shown(house, did.snapshot.parent, A) == "never recorded\n"
    assert await house.r.read(A) == "a1\n"


async def test_a_file_takes_a_directorys_name_and_back(house: House) -> None:
    await house.write("viking://resources/x", "a file\n")
    first = await snap(house)
    await house.r.rm("viking://resources/x")
    await house.write("viking://resources/x/y.md", "below\n")
    second = await snap(house)
    await verbs(house).restore(first.oid)
    assert await house.texts_below("viking://resources") == {"x": "a file\n"}
    await verbs(house).restore(second.oid)
    assert await house.texts_below("viking://resources") == {"x/y.md": "below\n"}


async def test_a_restore_cut_short_says_so_and_goes_on_when_asked_again(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(3):
        await house.write(f"viking://resources/{n}.md", "old\n")
    first = await snap(house)
    for n in range(3):
        await house.write(f"viking://resources/{n}.md", "new\n")
    await snap(house)
    monkeypatch.setattr(restoring, "WEIGHT_MAX", 1)
    put, calls = restoring._put, 0

    async def breaks(*args: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise Upstream("the disk is full", remedy="free some space")
        return await put(*args)

    monkeypatch.setattr(restoring, "_put", breaks)
    with pytest.raises(Upstream) as cut:
        await verbs(house).restore(first.oid)
    assert (cut.value.code, cut.value.details["written"]) == ("RESTORE_WRITEBACK_PARTIAL", 1)
    assert sorted((await house.texts_below("viking://resources")).values()) == ["new\n", "new\n", "old\n"]
    did = await verbs(house).restore(first.oid)
    assert len(did.plan.write) == 2
    assert set((await house.texts_below("viking://resources")).values()) == {"old\n"}


async def test_ignored_files_are_neither_recorded_nor_touched(house: House) -> None:
    await verbs(house, ADMIN).set_ignore("*.tmp\n# a comment\nbuild/\n")
    await house.write(A, "a1\n")
    await house.write("viking://resources/docs/n.tmp", "noise\n")
    await house.write("viking://resources/build/out.md", "made\n")
    did = await verbs(house).commit("one")
    assert (did.changed, did.ignored) == (1, 2)
    assert did.snapshot is not None
    await house.write(A, "a2\n")
    await verbs(house).restore(did.snapshot.oid)
    assert set(await house.texts_below("viking://resources")) == {"docs/a.md", "docs/n.tmp", "build/out.md"}
    await verbs(house, ADMIN).set_ignore("")
    assert await verbs(house).ignore() == ""
    assert (await verbs(house).commit("all")).changed == 2
    with pytest.raises(NotFound):
        await shown(house, did.snapshot.oid, "viking://resources/docs/n.tmp")


async def test_users_share_the_line_but_see_their_own_files(house: House) -> None:
    ana, ben = Caller("acme", "ana"), Caller("acme", "ben")
    mine = "viking://user/ana/memories/notes/secret.md"
    await house.r.as_caller(ana).write(mine, "Ana's own\n")
    did = await verbs(house, ana).commit("Ana's")
    assert did.snapshot is not None
    oid = did.snapshot.oid
    assert (await verbs(house, ana).show_file(oid, "~/memories/notes/secret.md"))[1] == b"Ana's own\n"
    with pytest.raises(Denied):
        await verbs(house, ben).show_file(oid, mine)
    assert (await verbs(house, ben).diff_paths(to=oid)).changes == ()
    restored = await verbs(house, ben).restore(oid)
    assert restored.snapshot is None
    with pytest.raises(NotFound):
        await verbs(house, Caller("other", "eve")).show(oid)


async def test_a_reference_must_be_one(house: House) -> None:
    await house.write(A, "a1\n")
    await snap(house)
    for text, kind in {"abc": NotFound, "zzzz": NotFound, "0000": NotFound, "a b": Invalid}.items():
        with pytest.raises(kind):
            await verbs(house).show(text)


async def test_what_a_snapshot_needs_outlives_every_clean_up(house: House) -> None:
    await house.write(A, "kept by the snapshot\n")
    one = await snap(house)
    await house.r.rm("viking://resources/docs", recursive=True)
    await house.write("viking://resources/late.md", "kept by nothing\n")
    await house.r.rm("viking://resources/late.md")
    await house.settle()
    house.clock.advance(100 * 24 * HOUR_S)
    assert await house.ports.ledger.prune(keep_s=HOUR_S) == 1
    assert await shown(house, one.oid, A) == "kept by the snapshot\n"
    await verbs(house).restore(one.oid)
    assert await house.r.read(A) == "kept by the snapshot\n"
    assert await house.r.check() == []


async def test_a_branch_that_moved_on_is_noticed(house: House) -> None:
    await house.write(A, "a1\n")
    await snap(house)
    await house.write(A, "a2\n")
    real, raced = house.ports.ledger.tenant, 0

    def tenant(caller: Caller, *, bulk: bool = False) -> Any:
        nonlocal raced
        bound = real(caller, bulk=bulk)
        commit = bound.commit

        async def late(what: Commit) -> Any:
            nonlocal raced
            raced += 1
            if raced == 1:
                # A directory is cut off between the look and the commit.
                await commit(Commit((Remove(Uri(("resources", "docs")), recursive=True),)))
            return await commit(what)

        bound.commit = late  # type: ignore[method-assign]
        return bound

    house.ports.ledger.tenant = tenant  # type: ignore[method-assign]
    did = await verbs(house).commit("after all")
    assert raced == 2
    assert did.snapshot is not None
    with pytest.raises(NotFound):
        await shown(house, did.snapshot.oid, A)


async def test_a_word_that_cannot_stand_in_a_record_is_refused(house: House) -> None:
    for options in ({"message": " "}, {"message": "m", "author_name": "a\nb"}, {"message": "m", "branch": "../x"}):
        with pytest.raises(Invalid):
            await verbs(house).commit(**options)
    for text in ("!keep.md", "a\\b", "x" * 70_000, "[z-a]"):
        with pytest.raises(Invalid):
            await verbs(house, ADMIN).set_ignore(text)


@pytest.mark.parametrize("meanwhile", ["write", "remove"])
async def test_a_file_that_changes_under_a_restore_is_left_to_who_changed_it(
    house: House, monkeypatch: pytest.MonkeyPatch, meanwhile: str
) -> None:
    await house.write(A, "a1\n")
    first = await snap(house)
    await house.write(A, "a2\n")
    await house.write(B, "b2\n")
    await snap(house)
    planned = restoring._plan

    async def late(*args: Any) -> Any:
        plan = await planned(*args)
        await house.write(B if meanwhile == "remove" else A, "said meanwhile\n")
        return plan

    monkeypatch.setattr(restoring, "_plan", late)
    with pytest.raises((Conflict, Upstream)):
        await verbs(house).restore(first.oid)
    assert "said meanwhile\n" in (await house.texts_below("viking://resources")).values()
