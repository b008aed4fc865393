"""Versions of files that grew by appends: readable as long as history is kept, and no longer."""

from __future__ import annotations

import random

import pytest

from recalld.domain.errors import NotFound, RecalldError
from tests.harness import Harness

LOG, OTHER = "viking://resources/notes/log.md", "viking://resources/notes/other.md"
LARGE = "amber birch cedar\n" * 5_000
DAY_S = 86_400.0


async def verified(harness: Harness) -> None:
    """What ``fsck`` looks at."""
    assert harness.ports.maintenance is not None
    done = await harness.ports.maintenance.verify(after="", bytes_max=1 << 40)
    assert done.damaged == ()
    assert await harness.engine.check() == []


async def read_at(harness: Harness, uri: str, seq: int) -> str:
    return await harness.engine.history.read_at(uri, str(seq))


@pytest.mark.parametrize("first", ["one\n", LARGE], ids=["small", "large"])
async def test_every_version_of_an_appended_file_is_read_as_it_was(harness: Harness, first: str) -> None:
    await harness.write(LOG, first)
    held = {await harness.seq(): first}
    for n in range(30):
        await harness.write(LOG, f"line {n}\n" * 20, mode="append")
        held[await harness.seq()] = await harness.engine.read(LOG)
        harness.clock.advance(DAY_S)
    await harness.settle()
    await harness.ports.maintenance.prune(keep_s=60 * DAY_S)
    assert {seq: await read_at(harness, LOG, seq) for seq in held} == held
    await verified(harness)
    await harness.ports.maintenance.prune(keep_s=10 * DAY_S)
    for seq, text in list(held.items())[-10:]:
        assert await read_at(harness, LOG, seq) == text
    with pytest.raises(NotFound):
        await read_at(harness, LOG, sorted(held)[1])  # the first may be what all others begin with
    assert await harness.engine.read(LOG) == list(held.values())[-1]
    await verified(harness)


@pytest.mark.parametrize("seed", [0, 1, 2, *(pytest.param(n, marks=pytest.mark.slow) for n in range(3, 20))])
async def test_no_prune_takes_what_a_version_a_removed_file_or_a_longer_version_needs(
    harness: Harness, seed: int
) -> None:
    chance, keep_s = random.Random(seed), 5 * DAY_S
    held: list[tuple[float, str, int, str]] = []
    uris = [LOG, OTHER]
    for n in range(40):
        uri = chance.choice(uris)
        await act(harness, chance, uri, n)
        for each in uris:
            try:
                held.append((harness.clock.now(), each, await harness.seq(), await harness.engine.read(each)))
            except NotFound:
                continue
        harness.clock.advance(DAY_S / 4)
        if chance.random() < 0.3:
            await harness.settle()
            await harness.ports.maintenance.prune(keep_s=keep_s)
            await verified(harness)
    now = harness.clock.now()
    for at, uri, seq, text in held:
        if now - at < keep_s:
            assert await read_at(harness, uri, seq) == text, (uri, seq)
    await verified(harness)


async def act(harness: Harness, chance: random.Random, uri: str, n: int) -> None:
    """One change; what cannot be done is not."""
    other = replace_name(uri)
    try:
        match chance.randrange(8):
            case 0:
                await harness.write(uri, f"begun {n}\n" + (LARGE if chance.random() < 0.3 else ""))
            case 1:
                await harness.engine.rm(uri)
            case 2:
                await harness.engine.history.undo()
            case 3:
                await harness.engine.cp(uri, other)
            case 4:
                await harness.engine.mv(uri, other)
            case _:
                await harness.write(uri, f"more {n}\n" * chance.choice([1, 30, 400]), mode="append")
    except RecalldError:
        return


def replace_name(uri: str) -> str:
    """The other one of the two."""
    return OTHER if uri == LOG else LOG
