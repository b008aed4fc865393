"""Repeated imports: files gone at the source are removed, moved files move, files changed here stay, and all of it is
reported."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from recalld.domain.errors import Conflict
from recalld.domain.history import LogFilter
from recalld.domain.job import TaskStatus
from recalld.usecases.add.mirror import REMOVED_UNASKED_MAX
from tests.harness import Harness, plant
from tests.usecases.add.test_import import long_document

ROOT = "viking://resources/src"
FILES = {"a.md": "heron stands", "b.md": "stork flies", "sub/c.md": "crane calls"}


async def again(harness: Harness, folder: Path, **options: Any) -> dict[str, Any]:
    task = await harness.add(folder, **{"origin": "here", **options})
    assert task.status is TaskStatus.COMPLETED, task.error
    return task.result or {}


def counts(result: dict[str, Any]) -> tuple[int, int, int, int, int]:
    return result["new"], result["changed"], result["moved"], result["removed"], result["unchanged"]


async def test_files_gone_at_the_source_are_removed(harness: Harness, tmp_path: Path) -> None:
    folder = plant(tmp_path / "src", FILES)
    assert counts(await again(harness, folder)) == (3, 0, 0, 0, 0)
    (folder / "b.md").unlink()
    assert counts(await again(harness, folder)) == (0, 0, 0, 1, 2)
    assert sorted(await harness.texts_below(ROOT)) == ["a.md", "sub/c.md"]
    assert await harness.found("stork") == []


async def test_a_directory_that_is_empty_then_goes_with_its_last_file(harness: Harness, tmp_path: Path) -> None:
    folder = plant(tmp_path / "src", FILES)
    await again(harness, folder)
    shutil.rmtree(folder / "sub")
    await again(harness, folder)
    assert [n.uri.name for n in await harness.engine.ls(ROOT)] == ["a.md", "b.md"]


async def test_the_result_has_all_five_counts(harness: Harness, tmp_path: Path) -> None:
    folder = plant(tmp_path / "src", {**FILES, "d.md": "d d d", "e.md": "e e e"})
    await again(harness, folder)
    plant(folder, {"new1.md": "one", "new2.md": "two", "a.md": "heron runs"})
    (folder / "sub" / "c.md").rename(folder / "moved.md")
    (folder / "b.md").unlink()
    assert counts(await again(harness, folder)) == (2, 1, 1, 1, 2)


async def test_a_moved_file_is_the_same_node_with_its_vectors(dense_harness: Harness, tmp_path: Path) -> None:
    harness = dense_harness
    folder = plant(tmp_path / "src", FILES)
    await again(harness, folder)
    before = await harness.engine.stat(f"{ROOT}/sub/c.md")
    vectors = (await harness.engine.usage()).vectors
    (folder / "elsewhere").mkdir()
    (folder / "sub" / "c.md").rename(folder / "elsewhere" / "c.md")
    result = await again(harness, folder)
    after = await harness.engine.stat(f"{ROOT}/elsewhere/c.md")
    assert (counts(result), after.id, after.version) == ((0, 0, 1, 0, 2), before.id, before.version)
    assert (await harness.found("crane calls", level=[2]))[0] == f"{ROOT}/elsewhere/c.md"
    assert (await harness.engine.usage()).vectors <= vectors + 4  # of directories alone
    assert counts(await again(harness, folder)) == (0, 0, 0, 0, 3)


async def test_a_moved_document_of_sections_moves_whole(harness: Harness, tmp_path: Path) -> None:
    text = long_document("Alpha", "Beta", "Gamma")
    folder = plant(tmp_path / "src", {"guide.md": text, "a.md": "x"})
    await again(harness, folder)
    ids = {n.id for n in await harness.engine.ls(f"{ROOT}/guide")}
    (folder / "deep").mkdir()
    (folder / "guide.md").rename(folder / "deep" / "guide.md")
    assert counts(await again(harness, folder)) == (0, 0, 1, 0, 1)
    assert {n.id for n in await harness.engine.ls(f"{ROOT}/deep/guide")} == ids
    assert [n.uri.name for n in await harness.engine.ls(ROOT)] == ["deep", "a.md"]


async def test_files_of_other_origins_stay(harness: Harness, tmp_path: Path) -> None:
    folder = plant(tmp_path / "src", FILES)
    await again(harness, folder)
    await harness.write(f"{ROOT}/mine.md", "my own")
    await harness.write(f"{ROOT}/sub/mine.md", "my own")
    shutil.rmtree(folder / "sub")
    result = await again(harness, folder)
    assert (result["removed"], result["conflicts"]) == (1, [])
    assert sorted(await harness.texts_below(ROOT)) == ["a.md", "b.md", "mine.md", "sub/mine.md"]


async def test_files_changed_here_stay_and_are_named(harness: Harness, tmp_path: Path) -> None:
    folder = plant(tmp_path / "src", FILES)
    await again(harness, folder)
    await harness.write(f"{ROOT}/a.md", "my words")
    await harness.engine.write(f"{ROOT}/b.md", "\nmore words", mode="append")
    (folder / "a.md").unlink()
    plant(folder, {"b.md": "the source's new words"})
    result = await again(harness, folder)
    assert (await harness.texts_below(ROOT))["a.md"] == "my words"
    assert "more words" in (await harness.texts_below(ROOT))["b.md"]
    assert sorted(c["path"] for c in result["conflicts"]) == ["a.md", "b.md"]
    assert all(any(name in w for w in result["warnings"]) for name in ("a.md", "b.md"))
    assert counts(result) == (0, 0, 0, 0, 1)


async def test_files_moved_here_stay_where_they_are(harness: Harness, tmp_path: Path) -> None:
    folder = plant(tmp_path / "src", FILES)
    await again(harness, folder)
    await harness.engine.mv(f"{ROOT}/a.md", f"{ROOT}/mine/a.md")
    assert counts(await again(harness, folder)) == (0, 0, 0, 0, 3)
    (folder / "a.md").unlink()
    result = await again(harness, folder)
    assert [c["path"] for c in result["conflicts"]] == ["a.md"]
    assert (await harness.texts_below(ROOT))["mine/a.md"] == "heron stands"


async def test_a_file_written_here_under_a_name_the_source_gets_later_is_kept_and_named(
    harness: Harness, tmp_path: Path
) -> None:
    folder = plant(tmp_path / "src", FILES)
    await again(harness, folder)
    await harness.write(f"{ROOT}/late.md", "mine")
    plant(folder, {"late.md": "theirs"})
    result = await again(harness, folder)
    assert ((await harness.texts_below(ROOT))["late.md"], [c["path"] for c in result["conflicts"]]) == (
        "mine",
        ["late.md"],
    )


@pytest.mark.parametrize(
    "options", [{"include": ["a.md"]}, {"exclude": ["b.md"]}, {"ignore_dirs": ["x"]}, {"keep_removed": True}]
)
async def test_a_narrower_import_removes_nothing_and_says_so(
    harness: Harness, tmp_path: Path, options: dict[str, Any]
) -> None:
    folder = plant(tmp_path / "src", FILES)
    await again(harness, folder)
    (folder / "b.md").unlink()
    (folder / "sub" / "c.md").unlink()
    result = await again(harness, folder, **options)
    assert (result["removed"], sorted(await harness.texts_below(ROOT))) == (0, sorted(FILES))
    assert "kept" in " ".join(result["warnings"])
    assert (await again(harness, folder))["removed"] == 2


async def test_the_same_include_again_mirrors_what_it_takes(harness: Harness, tmp_path: Path) -> None:
    folder = plant(tmp_path / "src", {**FILES, "x.py": "x = 1"})
    await again(harness, folder, include=["*.md"])
    (folder / "b.md").unlink()
    assert counts(await again(harness, folder, include=["*.md"])) == (0, 0, 0, 1, 2)


async def test_a_narrow_import_in_between_does_not_narrow_what_is_remembered(harness: Harness, tmp_path: Path) -> None:
    folder = plant(tmp_path / "src", {**FILES, "x.py": "x = 1"})
    await again(harness, folder)
    for _ in range(2):
        assert (await again(harness, folder, include=["*.md"]))["removed"] == 0
    assert "x.py" in await harness.texts_below(ROOT)


async def test_another_origin_at_the_same_place_removes_nothing_of_it(harness: Harness, tmp_path: Path) -> None:
    one = plant(tmp_path / "one", {"a.md": "heron", "same.md": "both"})
    two = plant(tmp_path / "two", {"b.md": "stork", "same.md": "both"})
    await again(harness, one, to=ROOT, origin="one")
    await again(harness, two, to=ROOT, origin="two")
    (one / "same.md").unlink()
    assert (await again(harness, one, to=ROOT, origin="one"))["removed"] == 0
    assert sorted(await harness.texts_below(ROOT)) == ["a.md", "b.md", "same.md"]
    (two / "same.md").unlink()
    assert (await again(harness, two, to=ROOT, origin="two"))["removed"] == 1
    assert sorted(await harness.texts_below(ROOT)) == ["a.md", "b.md"]


async def test_an_import_without_an_origin_removes_nothing(harness: Harness, tmp_path: Path) -> None:
    folder = plant(tmp_path / "src", FILES)
    await again(harness, folder, to=ROOT, origin="")
    (folder / "b.md").unlink()
    assert (await again(harness, folder, to=ROOT, origin=""))["removed"] == 0


async def test_skipped_files_are_not_removed(harness: Harness, tmp_path: Path) -> None:
    folder = plant(tmp_path / "src", FILES)
    await again(harness, folder)
    (folder / "b.md").unlink()
    (folder / "sub" / "c.md").unlink()
    assert (await again(harness, folder, left_out=["b.md", "sub/"]))["removed"] == 0
    assert (await again(harness, folder, incomplete="x.md: cannot be read"))["removed"] == 0


async def test_newly_ignored_files_are_not_removed(harness: Harness, tmp_path: Path) -> None:
    folder = plant(tmp_path / "src", FILES)
    await again(harness, folder)
    plant(folder, {".gitignore": "b.md\n"})
    assert (await again(harness, folder))["removed"] == 0


MANY = {f"{i:03d}.md": f"bird {i}" for i in range(REMOVED_UNASKED_MAX * 2)}


async def test_the_removal_of_most_is_refused_and_nothing_changed_until_it_is_confirmed(
    harness: Harness, tmp_path: Path
) -> None:
    folder = plant(tmp_path / "src", MANY)
    await again(harness, folder)
    for name in list(MANY)[: REMOVED_UNASKED_MAX + 1]:
        (folder / name).unlink()
    before = await harness.state()
    with pytest.raises(Conflict, match="would be removed") as refused:
        await harness.engine.add(folder, origin="here")
    assert refused.value.details["would_remove"] == REMOVED_UNASKED_MAX + 1
    assert await harness.state() == before
    assert (await again(harness, folder, confirm_removals=True))["removed"] == REMOVED_UNASKED_MAX + 1


async def test_the_removal_of_half_needs_no_word(harness: Harness, tmp_path: Path) -> None:
    folder = plant(tmp_path / "src", MANY)
    await again(harness, folder)
    for name in list(MANY)[:REMOVED_UNASKED_MAX]:
        (folder / name).unlink()
    assert (await again(harness, folder))["removed"] == REMOVED_UNASKED_MAX


async def test_a_renamed_folder_of_many_is_a_move_that_needs_no_word(harness: Harness, tmp_path: Path) -> None:
    folder = plant(tmp_path / "src", {f"old/{name}": text for name, text in MANY.items()})
    await again(harness, folder)
    (folder / "old").rename(folder / "new")
    assert counts(await again(harness, folder)) == (0, 0, len(MANY), 0, 0)
    assert [n.uri.name for n in await harness.engine.ls(ROOT)] == ["new"]


async def test_tags_of_unchanged_files_follow(harness: Harness, tmp_path: Path) -> None:
    folder = plant(tmp_path / "src", FILES)
    await again(harness, folder, tags=["team=red"])
    result = await again(harness, folder, tags=["team=blue"])
    assert counts(result) == (0, 0, 0, 0, 3)
    assert await harness.found("heron", tags=["team=blue"]) == [f"{ROOT}/a.md"]
    assert await harness.found("heron", tags=["team=red"]) == []


async def test_tags_may_be_added_to_those_that_are_there(harness: Harness, tmp_path: Path) -> None:
    folder = plant(tmp_path / "src", FILES)
    await again(harness, folder, tags=["team=red"])
    plant(folder, {"a.md": "heron runs"})
    await again(harness, folder, tags=["year=1"], tag_mode="append")
    assert {(await harness.engine.stat(f"{ROOT}/{p}")).tags for p in ("a.md", "b.md")} == {("team=red", "year=1")}


async def test_a_file_that_became_a_folder_and_back(harness: Harness, tmp_path: Path) -> None:
    folder = plant(tmp_path / "src", {"x": "one", "a.md": "a"})
    await again(harness, folder)
    (folder / "x").unlink()
    plant(folder, {"x/y.md": "two"})
    assert counts(await again(harness, folder)) == (1, 0, 0, 1, 1)
    assert sorted(await harness.texts_below(ROOT)) == ["a.md", "x/y.md"]
    shutil.rmtree(folder / "x")
    plant(folder, {"x": "three"})
    assert counts(await again(harness, folder)) == (1, 0, 0, 1, 1)
    assert sorted(await harness.texts_below(ROOT)) == ["a.md", "x"]


async def test_all_an_import_did_is_in_the_log_under_its_task(harness: Harness, tmp_path: Path) -> None:
    folder = plant(tmp_path / "src", {**FILES, "d.md": "d"})
    await again(harness, folder)
    before = await harness.seq()
    plant(folder, {"a.md": "heron runs", "new.md": "n"})
    (folder / "sub" / "c.md").rename(folder / "moved.md")
    (folder / "b.md").unlink()
    task = await harness.add(folder, origin="here")
    past = harness.ports.history.past(harness.engine.caller)
    entries = (await past.log(LogFilter(), after=before, limit=1_000)).entries
    assert {e.cause for e in entries if e.op in {"create", "write", "move", "remove", "attrs"}} == {task.id}
    assert {e.op for e in entries if e.cause == task.id} >= {"create", "write", "move", "remove"}


async def test_a_file_moved_into_a_folder_of_its_own_name(harness: Harness, tmp_path: Path) -> None:
    folder = plant(tmp_path / "src", {"x": "one and the same", "a.md": "a"})
    await again(harness, folder)
    (folder / "x").unlink()
    plant(folder, {"x/x.md": "one and the same"})
    await again(harness, folder)
    assert await harness.texts_below(ROOT) == {"a.md": "a", "x/x.md": "one and the same"}
