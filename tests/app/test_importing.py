"""Imports as a verb: what who waits is told."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.house_fixture import House, house, plant

__all__ = ["house"]


async def test_an_import_whose_place_is_removed_half_way_is_told_as_cancelled(house: House, tmp_path: Path) -> None:
    folder = plant(tmp_path / "src", {"a.md": "heron"})
    async with asyncio.TaskGroup() as group:
        waits = group.create_task(house.r.add(folder, wait=True))
        while not await house.r.tasks(status="pending"):
            await asyncio.sleep(0)
        await house.r.rm("viking://resources/src", recursive=True)
        while not waits.done():
            await house.settle()
            await asyncio.sleep(0)
    assert (waits.result().result or {})["status"] == "cancelled"
