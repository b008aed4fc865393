"""A folder of turn files is read like a session: each has a speaker and a previous turn."""

from __future__ import annotations

from pathlib import Path

import pytest

from recalld.domain.query import Query
from recalld.domain.uri import Uri
from tests.harness import Harness

# Not in order of time.
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
    query = Query("jam", targets=(Uri.parse("viking://resources/talk"),), levels=(2,))
    view = await harness.ports.index.open(harness.engine.caller, query)
    table = (await view.candidates(None, None, around=0)).rows
    speakers = [table.speakers[speaker] for speaker in table.speaker]
    in_time = sorted(range(len(speakers)), key=lambda row: table.at[row])
    assert [speakers[row] for row in in_time] == ["Ana", "Ben", "Ana"]
    assert [int(table.previous[row]) for row in in_time] == [-1, in_time[0], in_time[1]]
    assert len(set(table.group.tolist())) == 1
