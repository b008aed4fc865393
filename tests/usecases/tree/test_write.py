"""Writing files: what each mode does, what is seen afterwards, what is refused whole."""

from __future__ import annotations

import asyncio

import pytest

from recalld.domain.errors import Conflict, Invalid, NotFound
from recalld.domain.policy import INLINE_INDEX_CHARS_MAX, WRITE_BYTES_MAX
from tests.house_fixture import House, words

NOTE = "viking://resources/notes/tea.md"


async def test_replace_makes_a_missing_file(house: House) -> None:
    did = await house.r.write(NOTE, "oolong at dawn")
    assert [str(u) for u in did.created] == [NOTE]
    assert await house.r.read(NOTE) == "oolong at dawn"


async def test_what_was_replaced_is_no_longer_found(house: House) -> None:
    await house.write(NOTE, "oolong at dawn")
    await house.write(NOTE, "espresso at noon")
    assert (await house.found("oolong"), await house.found("espresso")) == ([], [NOTE])


async def test_the_same_bytes_again_change_nothing(house: House) -> None:
    await house.write(NOTE, "oolong")
    before = await house.seq()
    did = await house.r.write(NOTE, "oolong")
    assert ([str(u) for u in did.unchanged], await house.seq()) == ([NOTE], before)


async def test_create_refuses_an_existing_file(house: House) -> None:
    await house.write(NOTE, "first", mode="create")
    with pytest.raises(Conflict) as refused:
        await house.write(NOTE, "second", mode="create")
    assert (refused.value.code, await house.r.read(NOTE)) == ("ALREADY_EXISTS", "first")


async def test_create_refuses_an_ending_that_is_no_text(house: House) -> None:
    with pytest.raises(Invalid):
        await house.write("viking://resources/a.exe", "MZ", mode="create")


async def test_append_refuses_a_missing_file(house: House) -> None:
    with pytest.raises(NotFound):
        await house.write(NOTE, "more", mode="append")


async def test_four_appends_at_once_lose_nothing(house: House) -> None:
    await house.write(NOTE, "start\n")
    await asyncio.gather(*(house.write(NOTE, f"line {i}\n", mode="append") for i in range(4)))
    assert sorted((await house.r.read(NOTE)).splitlines()) == ["line 0", "line 1", "line 2", "line 3", "start"]


async def test_an_unknown_mode_is_refused(house: House) -> None:
    with pytest.raises(Invalid, match="mode"):
        await house.write(NOTE, "text", mode="upside-down")


async def test_a_text_too_long_to_index_at_once_is_found_after_its_job(house: House) -> None:
    long = words(INLINE_INDEX_CHARS_MAX // 5) + " quicksilver"
    did = await house.r.write(NOTE, long)
    assert (did.indexed, did.pending, await house.found("quicksilver")) == (False, 1, [])
    await house.settle()
    assert NOTE in await house.found("quicksilver")


async def test_a_text_of_some_length_is_found_at_once_and_summarised_by_a_job(house: House) -> None:
    did = await house.r.write(NOTE, "# Amber\n\n" + words(20_000) + " quicksilver\n")
    assert did.indexed
    assert await house.found("quicksilver") == [NOTE]
    assert (await house.r.stat(NOTE)).abstract == ""
    await house.settle()
    assert (await house.r.stat(NOTE)).abstract != ""


async def test_a_file_beyond_the_limit_is_refused_before_anything_is_stored(house: House) -> None:
    before = await house.state()
    with pytest.raises(Invalid) as refused:
        await house.write(NOTE, b"x" * (WRITE_BYTES_MAX + 1))
    assert (refused.value.code, await house.state()) == ("RESOURCE_EXHAUSTED", before)


async def test_binary_comes_back_as_it_was_and_is_not_shown_as_text(house: House) -> None:
    data, uri = bytes(range(256)) * 400, "viking://resources/blob.bin"
    await house.write(uri, data)
    assert await house.r.read_bytes(uri) == data
    with pytest.raises(Invalid, match="not text"):
        await house.r.read(uri)


async def test_a_directory_is_no_file(house: House) -> None:
    await house.write(NOTE, "tea")
    with pytest.raises(Invalid):
        await house.write("viking://resources/notes", "text")
    with pytest.raises((Invalid, Conflict)):
        await house.write(f"{NOTE}/below.md", "text")


async def test_a_batch_is_written_whole(house: House) -> None:
    root = "viking://resources/batch"
    operations = [house.r.operation(f"{root}/{i}/note.md", b"text %d" % i, "upsert") for i in range(5)]
    did = await house.r.write_many(root, operations, wait=False)
    assert len(did.created) == 5
    assert len(await house.texts_below(root)) == 5


async def test_a_batch_with_one_refusal_writes_nothing(house: House) -> None:
    root = "viking://resources/batch"
    await house.write(f"{root}/there.md", "first")
    before = await house.state()
    operations = [
        house.r.operation(f"{root}/new.md", b"new", "create"),
        house.r.operation(f"{root}/there.md", b"second", "create"),
    ]
    with pytest.raises(Conflict):
        await house.r.write_many(root, operations, wait=False)
    assert await house.state() == before


async def test_a_batch_names_every_file_once_and_below_its_root(house: House) -> None:
    root = "viking://resources/batch"
    one = house.r.operation(f"{root}/a.md", b"x", "upsert")
    beside = house.r.operation("viking://resources/other/a.md", b"x", "upsert")
    for operations in ([one, one], [beside], []):
        with pytest.raises(Invalid):
            await house.r.write_many(root, operations, wait=False)


async def test_a_batch_may_append(house: House) -> None:
    root = "viking://resources/batch"
    await house.write(f"{root}/log.md", "one\n")
    await house.r.write_many(root, [house.r.operation(f"{root}/log.md", b"two\n", "append")], wait=False)
    assert await house.r.read(f"{root}/log.md") == "one\ntwo\n"


async def test_a_write_that_waits_answers_when_its_jobs_are_done(house: House) -> None:
    async with asyncio.TaskGroup() as group:
        waits = group.create_task(house.r.write(NOTE, "# Tea\n\noolong\n", wait=True))
        while not waits.done():
            await house.settle()
            await asyncio.sleep(0)
    assert waits.result().indexed
    assert "tea.md" in await house.r.overview("viking://resources/notes")
