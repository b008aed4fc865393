"""Undo: a change is taken back forwards, wherever nothing has changed since; what has changed is kept and named."""

from __future__ import annotations

from pathlib import Path

import pytest

from recalld.app.history import HistoryVerbs
from recalld.app.tending import TendingVerbs
from recalld.domain.caller import Caller
from recalld.domain.commit import Commit, Move, Remove, SetTags, WriteMode
from recalld.domain.errors import Conflict, NotFound
from recalld.domain.history import MoveBack, RemoveCreated, RestoreRemoved, WriteBack
from recalld.domain.uri import Uri
from recalld.usecases.tree.shape import put_file, shape
from tests.house_fixture import House, plant

A = "viking://resources/notes/a.md"


def history(house: House) -> HistoryVerbs:
    return house.r.verbs(HistoryVerbs)


async def last(house: House) -> int:
    return (await history(house).log(limit=1)).entries[0].commit


async def test_a_replaced_text_comes_back(house: House) -> None:
    await house.write(A, "the first text about herons")
    await house.write(A, "another text about otters")
    done = await history(house).undo()
    assert await house.r.read(A) == "the first text about herons"
    assert [type(s) for s in done.plan.steps] == [WriteBack]
    assert await house.found("herons") == [A]


async def test_undo_twice_goes_further_back_and_an_undo_can_be_undone(house: House) -> None:
    for text in ("one", "two", "three"):
        await house.write(A, text)
    await history(house).undo()
    second = await history(house).undo()
    assert await house.r.read(A) == "one"
    await history(house).undo(cause=second.cause)
    assert await house.r.read(A) == "two"


async def test_undoing_the_first_write_removes_the_file_and_its_new_directory(house: House) -> None:
    await house.write("viking://resources/kept.md", "kept")
    await house.write(A, "one")
    done = await history(house).undo()
    assert [e.rel_path for e in await house.r.tree("viking://resources")] == ["kept.md"]
    assert any(isinstance(s, RemoveCreated) for s in done.plan.steps)


async def test_a_removed_tree_comes_back_with_tags_and_is_found_again(house: House, tmp_path: Path) -> None:
    await house.add(plant(tmp_path / "birds", {"a.md": "about herons", "b/c.md": "about kestrels"}), tags=["kind=bird"])
    before = await house.texts_below("viking://resources/birds")
    await house.r.rm("viking://resources/birds", recursive=True)
    await house.settle()
    assert await house.found("kestrels") == []
    done = await history(house).undo()
    assert [type(s) for s in done.plan.steps] == [RestoreRemoved]
    await house.settle()
    assert await house.texts_below("viking://resources/birds") == before
    assert await house.found("kestrels", tags=["kind=bird"]) == ["viking://resources/birds/b/c.md"]
    assert (await house.r.stat("viking://resources/birds/a.md")).tags == ("kind=bird",)
    assert await house.r.check() == []


async def test_a_removed_tree_comes_back_at_once_before_anything_was_cleaned(house: House) -> None:
    await house.write(A, "about herons")
    await house.r.rm("viking://resources/notes", recursive=True)
    await history(house).undo()
    assert await house.found("herons") == [A]
    await house.settle()
    assert await house.found("herons") == [A]
    assert await house.r.check() == []


async def test_a_deleted_session_comes_back_with_what_was_said(house: House) -> None:
    await house.say("trip", "I saw a heron", "and then an otter")
    await house.commit("trip")
    await house.settle()
    await house.say("trip", "a third thing about kestrels")
    await house.r.session_delete("trip")
    await house.settle()
    with pytest.raises(NotFound):
        await house.r.session("trip")
    seq = next(e.commit for e in (await history(house).log(limit=50, ops=["remove"])).entries)
    await history(house).undo(seq=seq)
    await house.settle()
    session = await house.r.session("trip")
    assert (session.message_count, session.commit_count) == (1, 1)
    assert len(await house.found("kestrels", target_uri="viking://~/sessions")) == 3
    assert await house.r.check() == []
    await house.say("trip", "a fourth thing")
    assert (await house.r.session("trip")).message_count == 2


async def test_a_forgotten_message_comes_back_and_counts(house: House) -> None:
    said = await house.say("trip", "about herons", "about otters")
    await house.r.rm(f"viking://~/sessions/trip/messages/{said.message_ids[0]}.md")
    await house.settle()
    seq = next(e.commit for e in (await history(house).log(limit=50, ops=["remove"])).entries)
    await history(house).undo(seq=seq)
    await house.settle()
    assert (await house.r.session("trip")).message_count == 2
    assert await house.r.check() == []


async def test_a_moved_tree_goes_back(house: House) -> None:
    await house.write(A, "one")
    await house.r.mv("viking://resources/notes", "viking://resources/other/place")
    done = await history(house).undo()
    assert [type(s) for s in done.plan.steps] == [MoveBack, RemoveCreated]
    assert await house.r.read(A) == "one"
    assert [e.rel_path for e in await house.r.tree("viking://resources")] == ["notes", "notes/a.md"]


async def test_an_import_is_undone_by_its_task_whatever_it_made(house: House, tmp_path: Path) -> None:
    await house.write(A, "not imported")
    task = await house.add(
        plant(tmp_path / "birds", {f"{n}/{m}.md": f"bird {n} {m}" for n in range(3) for m in range(3)})
    )
    done = await history(house).undo(cause=task.id)
    assert len(done.plan.steps) == 1
    assert [e.rel_path for e in await house.r.tree("viking://resources")] == ["notes", "notes/a.md"]


async def test_undo_without_a_name_takes_the_whole_import(house: House, tmp_path: Path) -> None:
    task = await house.add(plant(tmp_path / "birds", {"a.md": "a", "b.md": "b"}))
    done = await history(house).undo()
    assert done.cause == f"undo:{task.id}"


async def test_what_was_changed_since_an_import_stays_and_is_named(house: House, tmp_path: Path) -> None:
    task = await house.add(plant(tmp_path / "birds", {"a.md": "a", "b.md": "b"}))
    await house.write("viking://resources/birds/a.md", "mine")
    await house.write("viking://resources/birds/own.md", "mine too")
    done = await history(house).undo(cause=task.id)
    assert sorted(e.rel_path for e in await house.r.tree("viking://resources/birds")) == ["a.md", "own.md"]
    assert "viking://resources/birds/a.md" in {k.uri for k in done.plan.kept}


async def test_a_dry_run_changes_nothing(house: House) -> None:
    await house.write(A, "one")
    before = await house.seq()
    done = await history(house).undo(dry_run=True)
    assert done.seq == 0
    assert len(done.plan.steps) == 1
    assert await house.seq() == before


async def test_what_cannot_be_undone_is_refused_with_its_reason(house: House) -> None:
    await house.write(A, "one")
    await house.write(A, "two")
    seq = await last(house)
    await house.write(A, "three")
    with pytest.raises(Conflict, match="changed since"):
        await history(house).undo(seq=seq)
    with pytest.raises(NotFound):
        await history(house).undo(seq=10_000)
    with pytest.raises(NotFound):
        await history(house).undo(cause="task_nothing")


async def test_an_erased_tree_cannot_be_restored(house: House) -> None:
    await house.write(A, "one")
    await house.r.rm("viking://resources/notes", recursive=True)
    seq = await last(house)
    await house.settle()
    house.clock.advance(100)
    await house.ports.ledger.prune(keep_s=50)
    with pytest.raises(Conflict, match="no longer kept"):
        await history(house).undo(seq=seq)


async def test_a_taken_address_is_not_overwritten(house: House) -> None:
    await house.write(A, "one")
    await house.r.rm(A)
    seq = await last(house)
    await house.write(A, "another")
    with pytest.raises(Conflict, match="something else"):
        await history(house).undo(seq=seq)
    assert await house.r.read(A) == "another"


async def test_tags_go_back(house: House) -> None:
    await house.write(A, "one")
    await house.r.verbs(TendingVerbs).set_tags(A, ["team=red"])
    await house.r.verbs(TendingVerbs).set_tags(A, ["team=blue"])
    await history(house).undo()
    assert (await house.r.stat(A)).tags == ("team=red",)


async def test_nothing_done_is_said(house: House) -> None:
    with pytest.raises(NotFound, match="no change"):
        await history(house).undo()


async def test_what_is_as_it_was_before_already_is_not_called_changed(house: House) -> None:
    for name in ("a", "b", "c"):
        await house.write(f"viking://resources/notes/{name}.md", "one")
    await house.r.verbs(TendingVerbs).set_tags(A, ["team=red"])
    ports = house.ports.ledger.tenant(Caller())
    a, b, c = (Uri(("resources", "notes", f"{name}.md")) for name in ("a", "b", "c"))
    two = await put_file(a, b"two", await shape(a, b"two", house.ports), house.ports, mode=WriteMode.REPLACE)
    await ports.commit(Commit((two, SetTags(a, ("team=blue",)), Move(b, Uri(("resources", "b.md"))), Remove(c))))
    seq = await last(house)
    await house.write(A, "one")
    await house.r.verbs(TendingVerbs).set_tags(A, ["team=red"])
    await house.r.mv("viking://resources/b.md", str(b))
    done = await history(house).undo(seq=seq)
    assert done.plan.kept == ()
    assert [type(s) for s in done.plan.steps] == [RestoreRemoved]
