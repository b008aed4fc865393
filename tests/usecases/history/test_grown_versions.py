"""Versions of files that grew by appends: each is read as it was for as long as history is kept, and no longer."""

from __future__ import annotations

import random

import pytest

from recalld.app.history import HistoryVerbs
from recalld.domain.errors import NotFound, RecalldError
from tests.house_fixture import House

LOG, OTHER = "viking://resources/notes/log.md", "viking://resources/notes/other.md"
LARGE = "amber birch cedar\n" * 5_000
DAY_S = 86_400.0


async def verified(house: House) -> None:
    """What ``fsck`` looks at."""
    assert house.ports.maintenance is not None
    done = await house.ports.maintenance.verify(after="", bytes_max=1 << 40)
    assert done.damaged == ()
    assert await house.r.check() == []


async def read_at(house: House, uri: str, seq: int) -> str:
    return await house.r.verbs(HistoryVerbs).read_at(uri, str(seq))


@pytest.mark.parametrize("first", ["one\n", LARGE], ids=["small", "large"])
async def test_every_version_of_an_appended_file_is_read_as_it_was(house: House, first: str) -> None:
    await house.write(LOG, first)
    held = {await house.seq(): first}
    for n in range(30):
        await house.write(LOG, f"line {n}\n" * 20, mode="append")
        held[await house.seq()] = await house.r.read(LOG)
        house.clock.advance(DAY_S)
    await house.settle()
    await house.ports.ledger.prune(keep_s=60 * DAY_S)
    assert {seq: await read_at(house, LOG, seq) for seq in held} == held
    await verified(house)
    await house.ports.ledger.prune(keep_s=10 * DAY_S)
    for seq, text in list(held.items())[-10:]:
        assert await read_at(house, LOG, seq) == text
    with pytest.raises(NotFound):
        await read_at(house, LOG, sorted(held)[1])  # the first may be what all others begin with
    assert await house.r.read(LOG) == list(held.values())[-1]
    await verified(house)


@pytest.mark.parametrize("seed", range(6))
async def test_no_prune_takes_what_a_version_a_removed_file_or_a_longer_version_needs(house: House, seed: int) -> None:
    chance, keep_s = random.Random(seed), 5 * DAY_S
    held: list[tuple[float, str, int, str]] = []
    uris = [LOG, OTHER]
    for n in range(40):
        uri = chance.choice(uris)
        await act(house, chance, uri, n)
        for each in uris:
            try:
                held.append((house.clock.now(), each, await house.seq(), await house.r.read(each)))
            except NotFound:
                continue
        house.clock.advance(DAY_S / 4)
        if chance.random() < 0.3:
            await house.settle()
            await house.ports.ledger.prune(keep_s=keep_s)
            await verified(house)
    now = house.clock.now()
    for at, uri, seq, text in held:
        if now - at < keep_s:
            assert await read_at(house, uri, seq) == text, (uri, seq)
    await verified(house)


async def act(house: House, chance: random.Random, uri: str, n: int) -> None:
    """One change; what cannot be done is not."""
    other = replace_name(uri)
    try:
        match chance.randrange(8):
            case 0:
                await house.write(uri, f"begun {n}\n" + (LARGE if chance.random() < 0.3 else ""))
            case 1:
                await house.r.rm(uri)
            case 2:
                await house.r.verbs(HistoryVerbs).undo()
            case 3:
                await house.r.cp(uri, other)
            case 4:
                await house.r.mv(uri, other)
            case _:
                await house.write(uri, f"more {n}\n" * chance.choice([1, 30, 400]), mode="append")
    except RecalldError:
        return


def replace_name(uri: str) -> str:
    """The other one of the two."""
    return OTHER if uri == LOG else LOG
