"""Undo: a new commit reverts a change; later changes stay and are reported."""

from __future__ import annotations

from pathlib import Path

import pytest

from recalld.app.history import HistoryOperations
from recalld.domain.caller import Caller
from recalld.domain.commit import Commit, Move, Remove, SetTags, WriteMode
from recalld.domain.errors import Conflict, NotFound
from recalld.domain.history import MoveBack, RemoveCreated, RestoreRemoved, WriteBack
from recalld.domain.uri import Uri
from recalld.usecases.tree.prepare import prepare, put_file
from tests.harness import Harness, plant

A = "viking://resources/notes/a.md"


def history(harness: Harness) -> HistoryOperations:
    return harness.engine.history


async def last(harness: Harness) -> int:
    return (await history(harness).log(limit=1)).entries[0].commit


async def test_a_replaced_text_comes_back(harness: Harness) -> None:
    await harness.write(A, "the first text about herons")
    await harness.write(A, "another text about otters")
    done = await history(harness).undo()
    assert await harness.engine.read(A) == "the first text about herons"
    assert [type(s) for s in done.plan.steps] == [WriteBack]
    assert await harness.found("herons") == [A]


async def test_undo_twice_goes_further_back_and_an_undo_can_be_undone(harness: Harness) -> None:
    for text in ("one", "two", "three"):
        await harness.write(A, text)
    await history(harness).undo()
    second = await history(harness).undo()
    assert await harness.engine.read(A) == "one"
    await history(harness).undo(cause=second.cause)
    assert await harness.engine.read(A) == "two"


async def test_undoing_the_first_write_removes_the_file_and_its_new_directory(harness: Harness) -> None:
    await harness.write("viking://resources/kept.md", "kept")
    await harness.write(A, "one")
    done = await history(harness).undo()
    assert [e.rel_path for e in await harness.engine.tree("viking://resources")] == ["kept.md"]
    assert any(isinstance(s, RemoveCreated) for s in done.plan.steps)


async def test_a_removed_tree_comes_back_with_tags_and_is_found_again(harness: Harness, tmp_path: Path) -> None:
    await harness.add(
        plant(tmp_path / "birds", {"a.md": "about herons", "b/c.md": "about kestrels"}), tags=["kind=bird"]
    )
    before = await harness.texts_below("viking://resources/birds")
    await harness.engine.rm("viking://resources/birds", recursive=True)
    await harness.settle()
    assert await harness.found("kestrels") == []
    done = await history(harness).undo()
    assert [type(s) for s in done.plan.steps] == [RestoreRemoved]
    await harness.settle()
    assert await harness.texts_below("viking://resources/birds") == before
    assert await harness.found("kestrels", tags=["kind=bird"]) == ["viking://resources/birds/b/c.md"]
    assert (await harness.engine.stat("viking://resources/birds/a.md")).tags == ("kind=bird",)
    assert await harness.engine.check() == []


async def test_a_removed_tree_comes_back_at_once_before_anything_was_cleaned(harness: Harness) -> None:
    await harness.write(A, "about herons")
    await harness.engine.rm("viking://resources/notes", recursive=True)
    await history(harness).undo()
    assert await harness.found("herons") == [A]
    await harness.settle()
    assert await harness.found("herons") == [A]
    assert await harness.engine.check() == []


async def test_a_deleted_session_returns_with_its_messages(harness: Harness) -> None:
    await harness.append("trip", "I saw a heron", "and then an otter")
    await harness.commit("trip")
    await harness.settle()
    await harness.append("trip", "a third thing about kestrels")
    await harness.engine.sessions.delete("trip")
    await harness.settle()
    with pytest.raises(NotFound):
        await harness.engine.sessions.get("trip")
    seq = next(e.commit for e in (await history(harness).log(limit=50, ops=["remove"])).entries)
    await history(harness).undo(seq=seq)
    await harness.settle()
    session = await harness.engine.sessions.get("trip")
    assert (session.message_count, session.commit_count) == (1, 1)
    assert len(await harness.found("kestrels", target_uri="viking://~/sessions")) == 3
    assert await harness.engine.check() == []
    await harness.append("trip", "a fourth thing")
    assert (await harness.engine.sessions.get("trip")).message_count == 2


async def test_a_forgotten_message_comes_back_and_counts(harness: Harness) -> None:
    receipt = await harness.append("trip", "about herons", "about otters")
    await harness.engine.rm(f"viking://~/sessions/trip/messages/{receipt.message_ids[0]}.md")
    await harness.settle()
    seq = next(e.commit for e in (await history(harness).log(limit=50, ops=["remove"])).entries)
    await history(harness).undo(seq=seq)
    await harness.settle()
    assert (await harness.engine.sessions.get("trip")).message_count == 2
    assert await harness.engine.check() == []


async def test_a_moved_tree_goes_back(harness: Harness) -> None:
    await harness.write(A, "one")
    await harness.engine.mv("viking://resources/notes", "viking://resources/other/place")
    done = await history(harness).undo()
    assert [type(s) for s in done.plan.steps] == [MoveBack, RemoveCreated]
    assert await harness.engine.read(A) == "one"
    assert [e.rel_path for e in await harness.engine.tree("viking://resources")] == ["notes", "notes/a.md"]


async def test_an_import_is_undone_by_its_task_whatever_it_made(harness: Harness, tmp_path: Path) -> None:
    await harness.write(A, "not imported")
    task = await harness.add(
        plant(tmp_path / "birds", {f"{n}/{m}.md": f"bird {n} {m}" for n in range(3) for m in range(3)})
    )
    done = await history(harness).undo(cause=task.id)
    assert len(done.plan.steps) == 1
    assert [e.rel_path for e in await harness.engine.tree("viking://resources")] == ["notes", "notes/a.md"]


async def test_undo_without_a_name_takes_the_whole_import(harness: Harness, tmp_path: Path) -> None:
    task = await harness.add(plant(tmp_path / "birds", {"a.md": "a", "b.md": "b"}))
    done = await history(harness).undo()
    assert done.cause == f"undo:{task.id}"


async def test_files_changed_since_an_import_stay_and_are_named(harness: Harness, tmp_path: Path) -> None:
    task = await harness.add(plant(tmp_path / "birds", {"a.md": "a", "b.md": "b"}))
    await harness.write("viking://resources/birds/a.md", "mine")
    await harness.write("viking://resources/birds/own.md", "mine too")
    done = await history(harness).undo(cause=task.id)
    assert sorted(e.rel_path for e in await harness.engine.tree("viking://resources/birds")) == ["a.md", "own.md"]
    assert "viking://resources/birds/a.md" in {k.uri for k in done.plan.skipped}


async def test_a_dry_run_changes_nothing(harness: Harness) -> None:
    await harness.write(A, "one")
    before = await harness.seq()
    done = await history(harness).undo(dry_run=True)
    assert done.seq == 0
    assert len(done.plan.steps) == 1
    assert await harness.seq() == before


async def test_changes_that_cannot_be_undone_are_refused_with_a_reason(harness: Harness) -> None:
    await harness.write(A, "one")
    await harness.write(A, "two")
    seq = await last(harness)
    await harness.write(A, "three")
    with pytest.raises(Conflict, match="changed since"):
        await history(harness).undo(seq=seq)
    with pytest.raises(NotFound):
        await history(harness).undo(seq=10_000)
    with pytest.raises(NotFound):
        await history(harness).undo(cause="task_nothing")


async def test_an_erased_tree_cannot_be_restored(harness: Harness) -> None:
    await harness.write(A, "one")
    await harness.engine.rm("viking://resources/notes", recursive=True)
    seq = await last(harness)
    await harness.settle()
    harness.clock.advance(100)
    await harness.ports.maintenance.prune(keep_s=50)
    with pytest.raises(Conflict, match="no longer kept"):
        await history(harness).undo(seq=seq)


async def test_a_taken_address_is_not_overwritten(harness: Harness) -> None:
    await harness.write(A, "one")
    await harness.engine.rm(A)
    seq = await last(harness)
    await harness.write(A, "another")
    with pytest.raises(Conflict, match="something else"):
        await history(harness).undo(seq=seq)
    assert await harness.engine.read(A) == "another"


async def test_tags_go_back(harness: Harness) -> None:
    await harness.write(A, "one")
    await harness.engine.index.set_tags(A, ["team=red"])
    await harness.engine.index.set_tags(A, ["team=blue"])
    await history(harness).undo()
    assert (await harness.engine.stat(A)).tags == ("team=red",)


async def test_an_undo_without_changes_is_refused(harness: Harness) -> None:
    with pytest.raises(NotFound, match="no change"):
        await history(harness).undo()


async def test_a_file_already_in_its_old_state_is_not_a_conflict(harness: Harness) -> None:
    for name in ("a", "b", "c"):
        await harness.write(f"viking://resources/notes/{name}.md", "one")
    await harness.engine.index.set_tags(A, ["team=red"])
    ports = harness.ports.ledger.tenant(Caller())
    a, b, c = (Uri(("resources", "notes", f"{name}.md")) for name in ("a", "b", "c"))
    two = await put_file(a, b"two", await prepare(a, b"two", harness.ports), harness.ports, mode=WriteMode.REPLACE)
    await ports.commit(Commit((two, SetTags(a, ("team=blue",)), Move(b, Uri(("resources", "b.md"))), Remove(c))))
    seq = await last(harness)
    await harness.write(A, "one")
    await harness.engine.index.set_tags(A, ["team=red"])
    await harness.engine.mv("viking://resources/b.md", str(b))
    done = await history(harness).undo(seq=seq)
    assert done.plan.skipped == ()
    assert [type(s) for s in done.plan.steps] == [RestoreRemoved]
