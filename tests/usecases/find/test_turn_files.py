"""A folder of files that are turns of a talk is read like the talk: each knows who said it and what came before."""

from __future__ import annotations

from pathlib import Path

import pytest

from recalld.domain.query import Query
from recalld.domain.uri import Uri
from tests.harness import Harness

# Written in another order than they were said.
TALK = {
    "t2.md": "[2023-05-08T13:57] Ben: Two jars of lingonberry jam.",
    "t1.md": "[2023-05-08T13:56] Ana: What did you bring to the harvest festival in Tartu?",
    "t3.md": "[2023-05-08T13:58] Ana: Lovely!",
}


@pytest.mark.parametrize("imported", [False, True], ids=["written", "imported"])
async def test_turns_know_their_speaker_and_their_neighbours(harness: Harness, tmp_path: Path, imported: bool) -> None:
    if imported:
        folder = tmp_path / "talk"
        folder.mkdir()
        for name, text in TALK.items():
            (folder / name).write_text(text)
        await harness.add(folder, name="talk", to="viking://resources/talk")
    else:
        for name, text in TALK.items():
            await harness.write(f"viking://resources/talk/{name}", text)
    asked = Query("jam", targets=(Uri.parse("viking://resources/talk"),), levels=(2,))
    table = await harness.ports.catalog.table(await harness.ports.catalog.resolve_scope(harness.engine.caller, asked))
    said = [table.speakers[speaker] for speaker in table.speaker]
    in_time = sorted(range(len(said)), key=lambda row: table.at[row])
    assert [said[row] for row in in_time] == ["Ana", "Ben", "Ana"]
    assert [int(table.previous[row]) for row in in_time] == [-1, in_time[0], in_time[1]]
    assert len(set(table.group.tolist())) == 1
