"""Restoring removed nodes, at any stage of the purge."""

from __future__ import annotations

import pytest

from recalld.adapters.sqlite.ledger import trash
from recalld.adapters.sqlite.ledger.ledger import SqliteLedger
from recalld.domain.errors import Conflict
from tests.harness import Harness

LONG = "viking://resources/notes/long.md"


def long_text(sections: int = 160) -> str:
    return "\n\n".join(
        f"## Part {n}\n\n" + f"marker{n} " + "amber birch cedar delta ember fjord " * 60 for n in range(sections)
    )


@pytest.mark.parametrize("slices", [0, 1, 2, 3, 4, 8])
async def test_a_file_is_found_to_its_end_however_many_slices_of_it_were_cleaned(harness: Harness, slices: int) -> None:
    await harness.write(LONG, long_text())
    await harness.settle()
    chunks = (await harness.engine.usage()).chunks
    await harness.engine.rm("viking://resources/notes", recursive=True)
    for _ in range(slices):
        await harness.ports.cleanup.purge(nodes_max=200)
    await harness.engine.history.undo()
    await harness.settle()
    assert (await harness.engine.usage()).chunks == chunks
    assert await harness.found("marker0") == [LONG]
    assert await harness.found("marker159") == [LONG]
    assert await harness.engine.check() == []


async def test_a_restored_file_that_grew_can_be_removed_again_after_it_was_indexed(harness: Harness) -> None:
    uri = "viking://resources/notes/log.md"
    await harness.write(uri, "## One\n\nabout herons\n")
    await harness.write(uri, "\n## Two\n\nabout otters\n", mode="append")
    await harness.write(uri, "\n## Three\n\nabout kestrels\n", mode="append")
    await harness.settle()
    await harness.engine.rm("viking://resources/notes", recursive=True)
    await harness.settle()
    undone = await harness.engine.history.undo()
    await harness.settle()
    assert (await harness.found("kestrels"))[0] == uri
    again = await harness.engine.history.undo(cause=undone.cause)
    assert await harness.found("kestrels") == []
    await harness.engine.history.undo(cause=again.cause)
    await harness.settle()
    assert (await harness.engine.read(uri)).endswith("about kestrels\n")


async def test_a_restored_large_directory_can_be_removed_again_after_it_was_taken_back(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trash, "RESTORED_INLINE_MAX", 2)
    for n in range(6):
        await harness.write(f"viking://resources/notes/n{n}.md", f"about herons {n}")
    await harness.settle()
    await harness.engine.rm("viking://resources/notes", recursive=True)
    await harness.settle()
    undone = await harness.engine.history.undo()
    await harness.settle()
    assert len(await harness.found("herons", limit=20)) >= 6
    await harness.engine.history.undo(cause=undone.cause)
    await harness.settle()
    assert await harness.found("herons") == []
    assert await harness.engine.check() == []


async def test_a_restored_directory_with_new_files_stays(harness: Harness) -> None:
    await harness.write("viking://resources/notes/a.md", "about herons")
    await harness.engine.rm("viking://resources/notes", recursive=True)
    undone = await harness.engine.history.undo()
    await harness.write("viking://resources/notes/b.md", "about otters")
    with pytest.raises(Conflict):
        await harness.engine.history.undo(cause=undone.cause)
    assert await harness.engine.read("viking://resources/notes/a.md") == "about herons"


async def test_a_purge_cleans_only_its_own_removal(harness: Harness) -> None:
    path, moved = "viking://resources/d/kept.md", "viking://resources/elsewhere.md"
    await harness.write("viking://resources/d/a.md", "about herons")
    await harness.write(path, "about kestrels")
    await harness.engine.rm("viking://resources/d", recursive=True)
    ledger = harness.ports.ledger
    assert isinstance(ledger, SqliteLedger)
    looked_up = await ledger.access.readers.read(lambda c: trash.next_uncleaned(c, 100))
    assert looked_up is not None
    await harness.engine.history.undo()
    await harness.engine.mv(path, moved)
    await harness.engine.rm("viking://resources/d", recursive=True)
    await ledger.access.write(lambda c: trash.clean(c, looked_up, looked_up.nodes, last=True))
    assert await harness.found("kestrels") == [moved]
    await harness.settle()
    assert await harness.found("kestrels") == [moved]
    assert await harness.engine.check() == []
