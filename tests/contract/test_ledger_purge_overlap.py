"""A purge beside the hourly sweep and the job that cleans: whatever the order of their slices, the result is the same."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import apsw
import pytest

from recalld.adapters.sqlite.ledger import retention, trash
from recalld.adapters.sqlite.ledger.access import Access
from recalld.domain.commit import INLINE_BYTES_MAX, Remove
from tests.contract.ledger_harness import LedgerHarness, append, at, open_harness, put
from tests.overlapping import Turn, Work, first_takes, overlapped

T = TypeVar("T")
DAY = 86_400.0
LARGE = "a long line of words\n" * (INLINE_BYTES_MAX // 20 + 1)


class Stepping(Access):
    """Waits for its turn before every read and write."""

    def __init__(self, access: Access, turn: Turn) -> None:
        self.__dict__.update(vars(access))
        self._turn = turn

    async def read(self, work: Callable[[apsw.Connection], T]) -> T:
        await self._turn()
        return await super().read(work)

    async def scan(self, work: Callable[[apsw.Connection], T]) -> T:
        await self._turn()
        return await super().scan(work)

    async def write(self, work: Callable[[apsw.Connection], T], **how: Any) -> T:  # type: ignore[override]
        await self._turn()
        return await super().write(work, **how)


async def plant(harness: LedgerHarness) -> None:
    """Contents of a removed tree, former versions, a removed session, and a content that something living shares."""
    await harness.blobs.put(LARGE.encode())
    await harness.do(
        *(put(f"resources/gone/{n}.md", f"gone {n}") for n in range(12)), put("resources/gone/l.md", LARGE)
    )
    await harness.do(put("resources/a.md", "first"))
    await harness.do(put("resources/a.md", "second"))
    await harness.do(put("resources/gone/shared.md", "second"))
    await harness.do(append("s", "a", "b", "c"))
    await harness.do(Remove(at("resources/gone"), recursive=True))
    await harness.do(Remove(at("user/ana/sessions/s"), recursive=True))
    harness.clock.advance(DAY)


def works(harness: LedgerHarness) -> list[Work]:
    now = harness.clock.now()

    async def purge(turn: Turn) -> int:
        return await retention.prune(Stepping(harness.ledger.access, turn), now=now, keep_s=0)

    async def sweep(turn: Turn) -> int:
        return await retention.prune(Stepping(harness.ledger.access, turn), now=now, keep_s=10 * DAY)

    async def clean(turn: Turn) -> int:
        while await trash.purge(Stepping(harness.ledger.access, turn), 3):
            pass
        return 0

    return [purge, sweep, clean]


async def state(harness: LedgerHarness) -> object:
    rows = [
        await harness.rows(f"SELECT count(*) FROM {table}")
        for table in ("node", "message", "session", "chunk", "fts_docsize", "trash", "blob", "released")
    ]
    return (
        rows,
        await harness.text("resources/a.md"),
        await harness.ledger.maintenance.check(),
        sorted(harness.blobs._held),
    )


async def outcome(folder: Path, order: list[int], choose: Callable[[int], int]) -> tuple[int, object]:
    harness = await open_harness(folder)
    try:
        await plant(harness)
        chosen = works(harness)
        counts = await overlapped([chosen[n] for n in order], choose)
        return sum(counts), await state(harness)
    finally:
        await harness.ledger.close()


@pytest.fixture(scope="module")
def serial(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, object]]:
    """Filled by the first test that needs it."""
    return {}


async def expected(serial: dict[str, tuple[int, object]], tmp_path: Path) -> tuple[int, object]:
    if not serial:
        serial["one"] = await outcome(tmp_path / "serial", [2, 0, 1], lambda going: 0)
    assert serial["one"][0] > 12
    return serial["one"]


@pytest.mark.parametrize("order", [[0, 1], [0, 2], [0, 0]], ids=str)
async def test_one_at_any_step_of_the_other(
    tmp_path: Path, serial: dict[str, tuple[int, object]], order: list[int]
) -> None:
    wanted = await expected(serial, tmp_path)
    for steps in range(1, 14):
        assert await outcome(tmp_path / str(steps), order, first_takes(steps)) == wanted, steps


@pytest.mark.parametrize("seed", range(6))
async def test_all_of_them_step_by_step(tmp_path: Path, serial: dict[str, tuple[int, object]], seed: int) -> None:
    choose = random.Random(seed).randrange
    assert await outcome(tmp_path / "mixed", [0, 1, 2], choose) == await expected(serial, tmp_path)
