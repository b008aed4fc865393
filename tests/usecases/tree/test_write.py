"""Writing files: modes, visibility, atomic refusals."""

from __future__ import annotations

import asyncio

import pytest

from recalld.domain.errors import Conflict, Invalid, NotFound
from recalld.domain.policy import INLINE_INDEX_CHARS_MAX, WRITE_BYTES_MAX
from tests.harness import Harness, words

NOTE = "viking://resources/notes/tea.md"


async def test_replace_makes_a_missing_file(harness: Harness) -> None:
    did = await harness.engine.write(NOTE, "oolong at dawn")
    assert [str(u) for u in did.created] == [NOTE]
    assert await harness.engine.read(NOTE) == "oolong at dawn"


async def test_replaced_text_is_no_longer_found(harness: Harness) -> None:
    await harness.write(NOTE, "oolong at dawn")
    await harness.write(NOTE, "espresso at noon")
    assert (await harness.found("oolong"), await harness.found("espresso")) == ([], [NOTE])


async def test_the_same_bytes_again_change_nothing(harness: Harness) -> None:
    await harness.write(NOTE, "oolong")
    before = await harness.seq()
    did = await harness.engine.write(NOTE, "oolong")
    assert ([str(u) for u in did.unchanged], await harness.seq()) == ([NOTE], before)


async def test_create_refuses_an_existing_file(harness: Harness) -> None:
    await harness.write(NOTE, "first", mode="create")
    with pytest.raises(Conflict) as refused:
        await harness.write(NOTE, "second", mode="create")
    assert (refused.value.code, await harness.engine.read(NOTE)) == ("ALREADY_EXISTS", "first")


async def test_create_refuses_an_ending_that_is_no_text(harness: Harness) -> None:
    with pytest.raises(Invalid):
        await harness.write("viking://resources/a.exe", "MZ", mode="create")


async def test_append_refuses_a_missing_file(harness: Harness) -> None:
    with pytest.raises(NotFound):
        await harness.write(NOTE, "more", mode="append")


async def test_four_appends_at_once_lose_nothing(harness: Harness) -> None:
    await harness.write(NOTE, "start\n")
    await asyncio.gather(*(harness.write(NOTE, f"line {i}\n", mode="append") for i in range(4)))
    assert sorted((await harness.engine.read(NOTE)).splitlines()) == ["line 0", "line 1", "line 2", "line 3", "start"]


async def test_an_unknown_mode_is_refused(harness: Harness) -> None:
    with pytest.raises(Invalid, match="mode"):
        await harness.write(NOTE, "text", mode="upside-down")


async def test_a_text_too_long_to_index_at_once_is_found_after_its_job(harness: Harness) -> None:
    long = words(INLINE_INDEX_CHARS_MAX // 5) + " quicksilver"
    did = await harness.engine.write(NOTE, long)
    assert (did.indexed, did.pending, await harness.found("quicksilver")) == (False, 1, [])
    await harness.settle()
    assert NOTE in await harness.found("quicksilver")


async def test_a_text_of_some_length_is_found_at_once_and_summarised_by_a_job(harness: Harness) -> None:
    did = await harness.engine.write(NOTE, "# Amber\n\n" + words(20_000) + " quicksilver\n")
    assert did.indexed
    assert await harness.found("quicksilver") == [NOTE]
    assert (await harness.engine.stat(NOTE)).abstract == ""
    await harness.settle()
    assert (await harness.engine.stat(NOTE)).abstract != ""


async def test_a_file_beyond_the_limit_is_refused_before_anything_is_stored(harness: Harness) -> None:
    before = await harness.state()
    with pytest.raises(Invalid) as refused:
        await harness.write(NOTE, b"x" * (WRITE_BYTES_MAX + 1))
    assert (refused.value.code, await harness.state()) == ("RESOURCE_EXHAUSTED", before)


async def test_binary_comes_back_as_it_was_and_is_not_shown_as_text(harness: Harness) -> None:
    data, uri = bytes(range(256)) * 400, "viking://resources/blob.bin"
    await harness.write(uri, data)
    assert await harness.engine.read_bytes(uri) == data
    with pytest.raises(Invalid, match="not text"):
        await harness.engine.read(uri)


async def test_a_directory_is_no_file(harness: Harness) -> None:
    await harness.write(NOTE, "tea")
    with pytest.raises(Invalid):
        await harness.write("viking://resources/notes", "text")
    with pytest.raises((Invalid, Conflict)):
        await harness.write(f"{NOTE}/below.md", "text")


async def test_a_batch_is_written_whole(harness: Harness) -> None:
    root = "viking://resources/batch"
    operations = [harness.engine.operation(f"{root}/{i}/note.md", b"text %d" % i, "upsert") for i in range(5)]
    did = await harness.engine.write_many(root, operations, wait=False)
    assert len(did.created) == 5
    assert len(await harness.texts_below(root)) == 5


async def test_a_batch_with_one_refusal_writes_nothing(harness: Harness) -> None:
    root = "viking://resources/batch"
    await harness.write(f"{root}/there.md", "first")
    before = await harness.state()
    operations = [
        harness.engine.operation(f"{root}/new.md", b"new", "create"),
        harness.engine.operation(f"{root}/there.md", b"second", "create"),
    ]
    with pytest.raises(Conflict):
        await harness.engine.write_many(root, operations, wait=False)
    assert await harness.state() == before


async def test_a_batch_names_every_file_once_and_below_its_root(harness: Harness) -> None:
    root = "viking://resources/batch"
    one = harness.engine.operation(f"{root}/a.md", b"x", "upsert")
    beside = harness.engine.operation("viking://resources/other/a.md", b"x", "upsert")
    for operations in ([one, one], [beside], []):
        with pytest.raises(Invalid):
            await harness.engine.write_many(root, operations, wait=False)


async def test_a_batch_may_append(harness: Harness) -> None:
    root = "viking://resources/batch"
    await harness.write(f"{root}/log.md", "one\n")
    await harness.engine.write_many(root, [harness.engine.operation(f"{root}/log.md", b"two\n", "append")], wait=False)
    assert await harness.engine.read(f"{root}/log.md") == "one\ntwo\n"


async def test_a_write_that_waits_answers_when_its_jobs_are_done(harness: Harness) -> None:
    async with asyncio.TaskGroup() as group:
        waits = group.create_task(harness.engine.write(NOTE, "# Tea\n\noolong\n", wait=True))
        while not waits.done():
            await harness.settle()
            await asyncio.sleep(0)
    assert waits.result().indexed
    assert "tea.md" in await harness.engine.overview("viking://resources/notes")
