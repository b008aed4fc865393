"""Restoring what was removed, wherever cleaning up after it had come to."""

from __future__ import annotations

import pytest

from recalld.adapters.ledger import trash
from recalld.adapters.ledger.sqlite import SqliteLedger
from recalld.app.history import HistoryVerbs
from recalld.domain.errors import Conflict
from tests.house_fixture import House

LONG = "viking://resources/notes/long.md"


def long_text(sections: int = 160) -> str:
    return "\n\n".join(
        f"## Part {n}\n\n" + f"marker{n} " + "amber birch cedar delta ember fjord " * 60 for n in range(sections)
    )


@pytest.mark.parametrize("slices", [0, 1, 2, 3, 4, 8])
async def test_a_file_is_found_to_its_end_however_many_slices_of_it_were_cleaned(house: House, slices: int) -> None:
    await house.write(LONG, long_text())
    await house.settle()
    chunks = (await house.r.usage()).chunks
    await house.r.rm("viking://resources/notes", recursive=True)
    for _ in range(slices):
        await house.ports.ledger.purge(nodes_max=200)
    await house.r.verbs(HistoryVerbs).undo()
    await house.settle()
    assert (await house.r.usage()).chunks == chunks
    assert await house.found("marker0") == [LONG]
    assert await house.found("marker159") == [LONG]
    assert await house.r.check() == []


async def test_a_restored_file_that_grew_can_be_removed_again_after_it_was_indexed(house: House) -> None:
    uri = "viking://resources/notes/log.md"
    await house.write(uri, "## One\n\nabout herons\n")
    await house.write(uri, "\n## Two\n\nabout otters\n", mode="append")
    await house.write(uri, "\n## Three\n\nabout kestrels\n", mode="append")
    await house.settle()
    await house.r.rm("viking://resources/notes", recursive=True)
    await house.settle()
    undone = await house.r.verbs(HistoryVerbs).undo()
    await house.settle()
    assert (await house.found("kestrels"))[0] == uri
    again = await house.r.verbs(HistoryVerbs).undo(cause=undone.cause)
    assert await house.found("kestrels") == []
    await house.r.verbs(HistoryVerbs).undo(cause=again.cause)
    await house.settle()
    assert (await house.r.read(uri)).endswith("about kestrels\n")


async def test_a_restored_large_directory_can_be_removed_again_after_it_was_taken_back(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trash, "REVIVED_AT_ONCE", 2)
    for n in range(6):
        await house.write(f"viking://resources/notes/n{n}.md", f"about herons {n}")
    await house.settle()
    await house.r.rm("viking://resources/notes", recursive=True)
    await house.settle()
    undone = await house.r.verbs(HistoryVerbs).undo()
    await house.settle()
    assert len(await house.found("herons", limit=20)) >= 6
    await house.r.verbs(HistoryVerbs).undo(cause=undone.cause)
    await house.settle()
    assert await house.found("herons") == []
    assert await house.r.check() == []


async def test_what_was_written_into_a_restored_directory_keeps_it(house: House) -> None:
    await house.write("viking://resources/notes/a.md", "about herons")
    await house.r.rm("viking://resources/notes", recursive=True)
    undone = await house.r.verbs(HistoryVerbs).undo()
    await house.write("viking://resources/notes/b.md", "about otters")
    with pytest.raises(Conflict):
        await house.r.verbs(HistoryVerbs).undo(cause=undone.cause)
    assert await house.r.read("viking://resources/notes/a.md") == "about herons"


async def test_what_was_looked_up_of_one_removal_cleans_nothing_of_the_next(house: House) -> None:
    kept, moved = "viking://resources/d/kept.md", "viking://resources/elsewhere.md"
    await house.write("viking://resources/d/a.md", "about herons")
    await house.write(kept, "about kestrels")
    await house.r.rm("viking://resources/d", recursive=True)
    ledger = house.ports.ledger
    assert isinstance(ledger, SqliteLedger)
    looked_up = await ledger.readers.read(lambda c: trash.dirty(c, 100))
    assert looked_up is not None
    await house.r.verbs(HistoryVerbs).undo()
    await house.r.mv(kept, moved)
    await house.r.rm("viking://resources/d", recursive=True)
    await ledger.write(lambda c: trash.clean(c, looked_up, looked_up.nodes, last=True))
    assert await house.found("kestrels") == [moved]
    await house.settle()
    assert await house.found("kestrels") == [moved]
    assert await house.r.check() == []
