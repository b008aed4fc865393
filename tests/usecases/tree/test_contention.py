"""Many callers on one file: no caller is refused because of another, and no acknowledged write is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from recalld.app.worker_loop import run_job
from recalld.domain.caller import Caller
from recalld.domain.errors import Conflict, Invalid, NotFound
from recalld.domain.policy import WRITE_BYTES_MAX
from recalld.domain.results import Operation
from recalld.domain.uri import Uri
from recalld.ports.bundle import Ports
from recalld.usecases.tree.edit import edit
from recalld.usecases.tree.write import replace_sidecar, write, write_many
from tests.harness import Harness
from tests.interleaving import interleaved

NOTE = "viking://resources/notes/tea.md"
AT = Uri.parse(NOTE)
ME = Caller()


async def at_every_await(
    harness: Harness,
    verb: Callable[[Ports], Awaitable[object]],
    intruder: Callable[[], Awaitable[object]],
    prepare: Callable[[], Awaitable[object]],
    check: Callable[[], Awaitable[None]],
) -> int:
    """Run ``check`` after the verb met the intruder, for every position; returns how many there were."""
    for at in range(100):
        await prepare()
        _, met = await interleaved(verb, intruder, harness.ports, at)
        if not met:
            return at
        await check()
    raise AssertionError("the verb has no end")


async def test_twenty_four_edits_at_once_are_all_in_the_file(harness: Harness) -> None:
    await harness.write(NOTE, "".join(f"slot{i:02d}: open\n" for i in range(24)))
    await asyncio.gather(*(harness.engine.edit(NOTE, f"slot{i:02d}: open", f"slot{i:02d}: taken") for i in range(24)))
    assert (await harness.engine.read(NOTE)).count("taken") == 24


async def test_thirty_appends_at_once_are_all_taken(harness: Harness) -> None:
    await harness.write(NOTE, "journal\n")
    await asyncio.gather(*(harness.write(NOTE, f"entry {i}\n", mode="append") for i in range(30)))
    assert sorted((await harness.engine.read(NOTE)).splitlines()[1:]) == sorted(f"entry {i}" for i in range(30))


async def test_appends_beside_replacements_beside_batches_lose_no_line(harness: Harness) -> None:
    root = "viking://resources/notes"

    def batch(i: int) -> Operation:
        return harness.engine.operation(NOTE, f"batch {i}\n".encode(), "append")

    await harness.write(NOTE, "start\n")
    await asyncio.gather(
        *(harness.write(NOTE, f"single {i}\n", mode="append") for i in range(8)),
        *(harness.engine.write_many(root, [batch(i)], wait=False) for i in range(8)),
        *(harness.engine.edit(NOTE, "start", "start") for _ in range(4)),
    )  # fmt: skip
    assert len((await harness.engine.read(NOTE)).splitlines()) == 17


@pytest.mark.parametrize("kind", ["single", "batch", "edit"])
async def test_a_write_between_any_two_awaits_of_a_change_is_kept(harness: Harness, kind: str) -> None:
    async def verb(ports: Ports) -> object:
        if kind == "single":
            return await write(AT, b"mine\n", "append", ME, ports)
        if kind == "edit":
            return await edit(AT, "one\n", "one\nmine\n", every=False, caller=ME, ports=ports)
        return await write_many(AT.parent, [harness.engine.operation(NOTE, b"mine\n", "append")], ME, ports)

    async def check() -> None:
        assert sorted((await harness.engine.read(NOTE)).splitlines()) == ["mine", "one", "theirs"]

    met = await at_every_await(
        harness,
        verb,
        lambda: harness.write(NOTE, "theirs\n", mode="append"),
        lambda: harness.write(NOTE, "one\n"),
        check,
    )
    assert met >= 2


async def test_an_append_to_what_is_removed_meanwhile_is_refused_and_makes_nothing(harness: Harness) -> None:
    for at in range(2):
        await harness.write(NOTE, "one\n")
        with pytest.raises(NotFound):
            await interleaved(
                lambda ports: write(AT, b"mine\n", "append", ME, ports),
                lambda: harness.engine.rm(NOTE),
                harness.ports,
                at,
            )
        with pytest.raises(NotFound):
            await harness.engine.stat(NOTE)


async def test_an_edit_whose_text_is_gone_by_then_says_so(harness: Harness) -> None:
    await harness.write(NOTE, "one\n")
    with pytest.raises(Conflict, match="does not occur"):
        await interleaved(
            lambda ports: edit(AT, "one", "two", every=False, caller=ME, ports=ports),
            lambda: harness.write(NOTE, "other\n"),
            harness.ports,
            1,
        )
    assert await harness.engine.read(NOTE) == "other\n"


@pytest.mark.parametrize("batch", [False, True])
async def test_a_file_cannot_be_grown_beyond_the_limit_by_appends(harness: Harness, batch: bool) -> None:
    half = b"x" * (WRITE_BYTES_MAX // 2)
    await harness.write("viking://resources/notes/big.bin", half)

    async def append(data: bytes) -> None:
        if batch:
            one = harness.engine.operation("viking://resources/notes/big.bin", data, "append")
            await harness.engine.write_many("viking://resources/notes", [one], wait=False)
        else:
            await harness.write("viking://resources/notes/big.bin", data, mode="append")

    with pytest.raises(Invalid) as refused:
        await append(half + b"x")
    assert refused.value.code == "RESOURCE_EXHAUSTED"
    await append(half)
    assert (await harness.engine.stat("viking://resources/notes/big.bin")).size == WRITE_BYTES_MAX


async def test_concurrent_abstract_and_overview_writes_both_stay(harness: Harness) -> None:
    folder = AT.parent

    async def prepare() -> None:
        await harness.write(NOTE, "oolong at dawn")
        await harness.settle()
        await harness.write(f"{folder}/.abstract.md", "former")
        await harness.write(f"{folder}/.overview.md", "former")

    async def check() -> None:
        tiers = (await harness.engine.abstract(str(folder)), await harness.engine.overview(str(folder)))
        assert tiers == ("my abstract", "their overview")

    met = await at_every_await(
        harness,
        lambda ports: replace_sidecar(folder / ".abstract.md", lambda _: "my abstract", ME, ports),
        lambda: harness.write(f"{folder}/.overview.md", "their overview"),
        prepare,
        check,
    )
    assert met >= 2


async def test_a_refresh_does_not_overwrite_what_a_caller_has_just_written(harness: Harness) -> None:
    count = 0

    async def prepare() -> None:
        nonlocal count
        count += 1
        await harness.write(f"{AT.parent}/{count}.md", "oolong at dawn")
        await harness.settle()
        await harness.write(f"{AT.parent}/.abstract.md", "former")
        await harness.write(f"{AT.parent}/{count}.md", "espresso at noon")
        harness.clock.advance(1.0)

    async def check() -> None:
        await harness.settle()
        assert await harness.engine.abstract(str(AT.parent)) == "my own words"

    async def refresh(ports: Ports) -> object:
        return await run_job(await harness.lease_of("tiers"), ports)

    met = await at_every_await(
        harness, refresh, lambda: harness.write(f"{AT.parent}/.abstract.md", "my own words"), prepare, check
    )
    assert met >= 3


async def test_an_edit_keeps_windows_line_ends_and_the_encoding(harness: Harness) -> None:
    await harness.write(NOTE, "\ufeff# Title\r\nfirst line\r\nsecond line\r\n".encode())
    await harness.engine.edit(NOTE, "first line\nsecond line", "one\ntwo")
    assert await harness.engine.read_bytes(NOTE) == "\ufeff# Title\r\none\r\ntwo\r\n".encode()


async def test_a_text_that_occurs_twice_is_changed_only_when_all_are_meant(harness: Harness) -> None:
    await harness.write(NOTE, "tea tea")
    with pytest.raises(Conflict, match="2 times"):
        await harness.engine.edit(NOTE, "tea", "mate")
    _, times = await harness.engine.edit(NOTE, "tea", "mate", replace_all=True)
    assert (times, await harness.engine.read(NOTE)) == (2, "mate mate")


async def test_an_empty_old_text_is_refused(harness: Harness) -> None:
    await harness.write(NOTE, "tea")
    with pytest.raises(Invalid):
        await harness.engine.edit(NOTE, "", "mate")
    assert await harness.engine.read(NOTE) == "tea"
