"""Samples for a judge, and the table of verdicts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.judge import Item, Judgement, Sample, choose, draw, load_judgements, table
from recalld import Engine

ITEMS = [Item(f"viking://r/{n:02}.md", False, f"File {n}.") for n in range(30)] + [Item("viking://r/d", True, "")]
SAMPLES = [Sample(f"viking://r/{n}.md", "file-L0", "text", f"{n}.md", "source") for n in range(4)]


def test_the_draw_depends_on_the_seed_and_not_on_the_texts_or_their_order() -> None:
    rewritten = [Item(one.uri, one.is_dir, "Other.") for one in reversed(ITEMS)]
    first = [(one.uri, level) for one, level in choose(ITEMS, 5, 1)]
    assert first == [(one.uri, level) for one, level in choose(rewritten, 5, 1)]
    assert first != [(one.uri, level) for one, level in choose(ITEMS, 5, 2)]


async def test_samples_of_a_store_have_all_three_levels(tmp_path: Path) -> None:
    async with Engine.open(tmp_path / "store", embedder={"provider": "none"}) as engine:
        await engine.write("viking://resources/guide/start.md", "# Start\n\nThe engine starts with the red key.\n")
        await engine.wait()
        samples = await draw(engine, "viking://resources", 3, 1)
    assert {one.level for one in samples} == {"file-L0", "directory-L0", "directory-L1"}
    assert all(one.text for one in samples)
    file = next(one for one in samples if one.level == "file-L0")
    assert (file.path, file.source[:7]) == ("guide/start.md", "# Start")
    assert all("start.md" in one.source for one in samples if one.path == "guide")


def test_the_table_counts_verdicts_and_failed_criteria() -> None:
    judgements = [
        Judgement(SAMPLES[0].uri, "file-L0", "good", (), ""),
        Judgement(SAMPLES[1].uri, "file-L0", "bad", ("content", "markup"), "only tags"),
    ]
    assert "| file-L0 | 4 | 2 | 50 % | 0 % | 50 % | content 1, markup 1 |" in table(SAMPLES, judgements)


def test_a_verdict_on_no_sample_is_refused() -> None:
    with pytest.raises(ValueError, match="no sample"):
        table(SAMPLES, [Judgement("viking://r/other.md", "file-L0", "good", (), "")])


@pytest.mark.parametrize(
    "change",
    [
        {"verdict": "fine"},
        {"level": "L0"},
        {"fails": ["style"]},
        {"verdict": "weak", "fails": ["markup"]},
        {"verdict": "bad", "reason": "x"},
    ],
)
def test_a_malformed_verdict_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    row = {"uri": "viking://r/0.md", "level": "file-L0", "verdict": "good", "fails": [], "reason": ""}
    path = tmp_path / "verdicts.jsonl"
    path.write_text(json.dumps(row | change))
    with pytest.raises(ValueError, match="no verdict"):
        load_judgements(path)
