"""Restoring what was removed, wherever cleaning up after it had come to."""

from __future__ import annotations

import pytest

from recalld.app.history import HistoryVerbs
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
        await house.doors.ledger.purge(nodes_max=200)
    await house.r.verbs(HistoryVerbs).undo()
    await house.settle()
    assert (await house.r.usage()).chunks == chunks
    assert await house.found("marker0") == [LONG]
    assert await house.found("marker159") == [LONG]
    assert await house.r.check() == []
