from __future__ import annotations

from typing import Any

import pytest

from recalld.app.history import SnapshotOperations
from recalld.domain.caller import Caller, Role
from recalld.domain.commit import Commit, Remove
from recalld.domain.errors import Conflict, Denied, Invalid, NotFound, Upstream
from recalld.domain.snapshot import Snapshot
from recalld.domain.uri import Uri
from recalld.usecases.snapshot import restore as restoring
from tests.harness import Harness

A, B = "viking://resources/docs/a.md", "viking://resources/docs/b.md"
HOUR_S = 3_600.0


ADMIN = Caller(role=Role.ADMIN)


def verbs(harness: Harness, caller: Caller | None = None) -> SnapshotOperations:
    return SnapshotOperations(harness.ports, caller or Caller())


async def snap(harness: Harness, message: str = "a snapshot", **more: Any) -> Snapshot:
    harness.clock.advance(1)
    did = await verbs(harness).commit(message, **more)
    assert did.created
    assert did.snapshot is not None
    return did.snapshot


async def shown(harness: Harness, ref: str, path: str) -> str:
    return (await verbs(harness).show_file(ref, path))[1].decode()


async def test_a_file_is_shown_as_it_was(harness: Harness) -> None:
    await harness.write(A, "# First\n")
    first = await snap(harness)
    await harness.write(A, "# Second\n")
    await harness.engine.mv(A, B)
    second = await snap(harness)
    assert await shown(harness, first.oid, A) == "# First\n"
    assert await shown(harness, first.oid[:8], "resources/docs/a.md") == "# First\n"
    assert await shown(harness, "main", B) == "# Second\n"
    with pytest.raises(NotFound):
        await shown(harness, second.oid, A)


async def test_nothing_new_makes_no_snapshot(harness: Harness) -> None:
    assert (await verbs(harness).commit("nothing yet")).snapshot is None
    await harness.write(A, "# Tea\n")
    first = await snap(harness)
    again = await verbs(harness).commit("again")
    assert (again.created, again.snapshot) == (False, first)
    await harness.write(A, "# Coffee\n")
    await harness.write(A, "# Tea\n")
    assert not (await verbs(harness).commit("there and back")).created


async def test_talk_is_in_no_snapshot(harness: Harness) -> None:
    await harness.append("s1", "I live in Lisbon.")
    assert not (await verbs(harness).commit("talk")).created


async def test_a_snapshot_of_paths_leaves_the_rest_as_it_was(harness: Harness) -> None:
    await harness.write(A, "a1\n")
    await harness.write(B, "b1\n")
    await snap(harness)
    await harness.write(A, "a2\n")
    await harness.write(B, "b2\n")
    some = await snap(harness, paths=[A])
    assert (await shown(harness, some.oid, A), await shown(harness, some.oid, B)) == ("a2\n", "b1\n")
    assert not (await verbs(harness).commit("again", paths=[A])).created
    rest = await snap(harness)
    assert (await shown(harness, rest.oid, A), await shown(harness, rest.oid, B)) == ("a2\n", "b2\n")


async def test_the_log_is_newest_first_and_filtered_by_path(harness: Harness) -> None:
    await harness.write(A, "a1\n")
    first = await snap(harness, "first")
    await harness.write(B, "b1\n")
    second = await snap(harness, "second")
    await harness.engine.rm("viking://resources/docs", recursive=True)
    third = await snap(harness, "third")
    log = verbs(harness).log
    assert await log() == [third, second, first]
    assert await log(limit=1) == [third]
    assert await log(paths=[A]) == [third, first]
    assert await log(paths=["viking://resources/docs"]) == [third, second, first]
    assert await log(paths=["viking://agent"]) == []
    assert [s.parent for s in await log()] == [second.oid, first.oid, ""]
    with pytest.raises(NotFound, match="side") as unknown:
        await log(branch="side")
    assert unknown.value.details["type"] == "git_ref"


async def test_a_files_versions_are_where_it_changed(harness: Harness) -> None:
    await harness.write(A, "a1\n")
    first = await snap(harness)
    await harness.write(B, "b1\n")
    await snap(harness)
    await harness.write(A, "a2\n")
    third = await snap(harness)
    await harness.engine.rm(A)
    fourth = await snap(harness)
    found = await verbs(harness).versions(A)
    assert [(s.oid, c.type.value) for s, c in found] == [
        (fourth.oid, "deleted"),
        (third.oid, "modified"),
        (first.oid, "added"),
    ]
    with pytest.raises(NotFound):
        await verbs(harness).versions("viking://resources/never.md")


async def test_two_snapshots_differ_by_path_and_by_line(harness: Harness) -> None:
    await harness.write(A, "one\ntwo\n")
    first = await snap(harness)
    await harness.write(A, "one\n2\n")
    await harness.write(B, "new\n")
    second = await snap(harness)
    found = await verbs(harness).diff(A, to=second.oid)
    assert found.old == first
    assert found.text.endswith("@@ -1,2 +1,2 @@\n one\n-two\n+2\n")
    assert (await verbs(harness).diff(B, to="HEAD")).text.startswith("--- /dev/null\n+++ b/resources/docs/b.md\n")
    back = await verbs(harness).diff_paths(since=second.oid, to=first.oid)
    assert [(c.path, c.type.value) for c in back.changes] == [
        ("resources/docs/a.md", "modified"),
        ("resources/docs/b.md", "deleted"),
    ]
    assert (await verbs(harness).diff_paths(to=second.oid, paths=[B])).changes[0].type.value == "added"


async def test_binary_files_are_not_compared(harness: Harness) -> None:
    await harness.write("viking://resources/x.bin", b"\xff\xfe\x00\x81")
    one = await snap(harness)
    with pytest.raises(Invalid, match="UTF-8"):
        await verbs(harness).diff("viking://resources/x.bin", to=one.oid)


async def test_a_restore_writes_forwards_and_is_found_again(harness: Harness) -> None:
    await harness.write(A, "# Oolong\n\nAna drinks oolong.\n")
    first = await snap(harness)
    await harness.write(A, "# Coffee\n\nAna drinks coffee.\n")
    await harness.write("viking://resources/docs/deep/c.md", "# Late\n")
    second = await snap(harness)
    did = await verbs(harness).restore(first.oid)
    assert did.snapshot is not None
    assert did.snapshot.parent == second.oid
    assert await harness.texts_below("viking://resources") == {"docs/a.md": "# Oolong\n\nAna drinks oolong.\n"}
    assert await harness.found("oolong") == [A]
    assert [s.oid for s in await verbs(harness).log()] == [did.snapshot.oid, second.oid, first.oid]
    assert did.snapshot.tree == first.tree
    again = await verbs(harness).restore(first.oid)
    assert again.snapshot is None


async def test_a_restore_that_is_only_tried_changes_nothing(harness: Harness) -> None:
    await harness.write(A, "a1\n")
    first = await snap(harness)
    await harness.write(A, "a2\n")
    before = await harness.seq()
    did = await verbs(harness).restore(first.oid, dry_run=True)
    assert [c.path for c in did.plan.write] == ["resources/docs/a.md"]
    assert await harness.seq() == before


async def test_a_restore_keeps_to_its_directory(harness: Harness) -> None:
    await harness.write(A, "a1\n")
    await harness.write("viking://resources/other/c.md", "c1\n")
    first = await snap(harness)
    await harness.write(A, "a2\n")
    await harness.write("viking://resources/other/c.md", "c2\n")
    await snap(harness)
    await verbs(harness).restore(first.oid, project_dir="viking://resources/docs")
    assert await harness.texts_below("viking://resources") == {"docs/a.md": "a1\n", "other/c.md": "c2\n"}


async def test_a_restore_first_records_unsaved_changes(harness: Harness) -> None:
    await harness.write(A, "a1\n")
    first = await snap(harness)
    await harness.write(A, "never recorded\n")
    did = await verbs(harness).restore(first.oid)
    assert did.snapshot is not None
    assert await shown(harness, did.snapshot.parent, A) == "never recorded\n"
    assert await harness.engine.read(A) == "a1\n"


async def test_a_file_takes_a_directorys_name_and_back(harness: Harness) -> None:
    await harness.write("viking://resources/x", "a file\n")
    first = await snap(harness)
    await harness.engine.rm("viking://resources/x")
    await harness.write("viking://resources/x/y.md", "below\n")
    second = await snap(harness)
    await verbs(harness).restore(first.oid)
    assert await harness.texts_below("viking://resources") == {"x": "a file\n"}
    await verbs(harness).restore(second.oid)
    assert await harness.texts_below("viking://resources") == {"x/y.md": "below\n"}


async def test_an_interrupted_restore_is_reported_and_can_be_resumed(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(3):
        await harness.write(f"viking://resources/{n}.md", "old\n")
    first = await snap(harness)
    for n in range(3):
        await harness.write(f"viking://resources/{n}.md", "new\n")
    await snap(harness)
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
        await verbs(harness).restore(first.oid)
    assert (cut.value.code, cut.value.details["written"]) == ("RESTORE_WRITEBACK_PARTIAL", 1)
    assert sorted((await harness.texts_below("viking://resources")).values()) == ["new\n", "new\n", "old\n"]
    did = await verbs(harness).restore(first.oid)
    assert len(did.plan.write) == 2
    assert set((await harness.texts_below("viking://resources")).values()) == {"old\n"}


async def test_ignored_files_are_neither_recorded_nor_touched(harness: Harness) -> None:
    await verbs(harness, ADMIN).write_ignore("*.tmp\n# a comment\nbuild/\n")
    await harness.write(A, "a1\n")
    await harness.write("viking://resources/docs/n.tmp", "noise\n")
    await harness.write("viking://resources/build/out.md", "made\n")
    did = await verbs(harness).commit("one")
    assert (did.changed, did.ignored) == (1, 2)
    assert did.snapshot is not None
    await harness.write(A, "a2\n")
    await verbs(harness).restore(did.snapshot.oid)
    assert set(await harness.texts_below("viking://resources")) == {"docs/a.md", "docs/n.tmp", "build/out.md"}
    await verbs(harness, ADMIN).write_ignore("")
    assert await verbs(harness).read_ignore() == ""
    assert (await verbs(harness).commit("all")).changed == 2
    with pytest.raises(NotFound):
        await shown(harness, did.snapshot.oid, "viking://resources/docs/n.tmp")


async def test_users_share_the_line_but_see_their_own_files(harness: Harness) -> None:
    ana, ben = Caller("acme", "ana"), Caller("acme", "ben")
    mine = "viking://user/ana/memories/notes/secret.md"
    await harness.engine.as_caller(ana).write(mine, "Ana's own\n")
    did = await verbs(harness, ana).commit("Ana's")
    assert did.snapshot is not None
    oid = did.snapshot.oid
    assert (await verbs(harness, ana).show_file(oid, "~/memories/notes/secret.md"))[1] == b"Ana's own\n"
    with pytest.raises(Denied):
        await verbs(harness, ben).show_file(oid, mine)
    assert (await verbs(harness, ben).diff_paths(to=oid)).changes == ()
    restored = await verbs(harness, ben).restore(oid)
    assert restored.snapshot is None
    with pytest.raises(NotFound):
        await verbs(harness, Caller("other", "eve")).show(oid)


async def test_a_reference_must_be_one(harness: Harness) -> None:
    await harness.write(A, "a1\n")
    await snap(harness)
    for text, kind in {"abc": NotFound, "zzzz": NotFound, "0000": NotFound, "a b": Invalid}.items():
        with pytest.raises(kind):
            await verbs(harness).show(text)


async def test_content_of_a_snapshot_survives_every_clean_up(harness: Harness) -> None:
    await harness.write(A, "kept by the snapshot\n")
    one = await snap(harness)
    await harness.engine.rm("viking://resources/docs", recursive=True)
    await harness.write("viking://resources/late.md", "kept by nothing\n")
    await harness.engine.rm("viking://resources/late.md")
    await harness.settle()
    harness.clock.advance(100 * 24 * HOUR_S)
    assert await harness.ports.maintenance.prune(keep_s=HOUR_S) == 1
    assert await shown(harness, one.oid, A) == "kept by the snapshot\n"
    await verbs(harness).restore(one.oid)
    assert await harness.engine.read(A) == "kept by the snapshot\n"
    assert await harness.engine.check() == []


async def test_a_branch_that_moved_on_is_noticed(harness: Harness) -> None:
    await harness.write(A, "a1\n")
    await snap(harness)
    await harness.write(A, "a2\n")
    real, raced = harness.ports.ledger.tenant, 0

    def tenant(caller: Caller) -> Any:
        nonlocal raced
        bound = real(caller)
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

    harness.ports.ledger.tenant = tenant  # type: ignore[method-assign]
    did = await verbs(harness).commit("after all")
    assert raced == 2
    assert did.snapshot is not None
    with pytest.raises(NotFound):
        await shown(harness, did.snapshot.oid, A)


async def test_a_word_that_cannot_stand_in_a_record_is_refused(harness: Harness) -> None:
    for options in ({"message": " "}, {"message": "m", "author_name": "a\nb"}, {"message": "m", "branch": "../x"}):
        with pytest.raises(Invalid):
            await verbs(harness).commit(**options)
    for text in ("!keep.md", "a\\b", "x" * 70_000, "[z-a]"):
        with pytest.raises(Invalid):
            await verbs(harness, ADMIN).write_ignore(text)


@pytest.mark.parametrize("meanwhile", ["write", "remove"])
async def test_a_file_changed_during_a_restore_keeps_the_change(
    harness: Harness, monkeypatch: pytest.MonkeyPatch, meanwhile: str
) -> None:
    await harness.write(A, "a1\n")
    first = await snap(harness)
    await harness.write(A, "a2\n")
    await harness.write(B, "b2\n")
    await snap(harness)
    planned = restoring._plan

    async def late(*args: Any) -> Any:
        plan = await planned(*args)
        await harness.write(B if meanwhile == "remove" else A, "said meanwhile\n")
        return plan

    monkeypatch.setattr(restoring, "_plan", late)
    with pytest.raises((Conflict, Upstream)):
        await verbs(harness).restore(first.oid)
    assert "said meanwhile\n" in (await harness.texts_below("viking://resources")).values()
