"""The import operation and its wait."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.harness import Harness, harness, plant

__all__ = ["harness"]


async def test_an_import_whose_target_is_removed_ends_as_cancelled(harness: Harness, tmp_path: Path) -> None:
    folder = plant(tmp_path / "src", {"a.md": "heron"})
    async with asyncio.TaskGroup() as group:
        waits = group.create_task(harness.engine.add(folder, wait=True))
        while not await harness.engine.tasks.list(status="pending"):
            await asyncio.sleep(0)
        await harness.engine.rm("viking://resources/src", recursive=True)
        while not waits.done():
            await harness.settle()
            await asyncio.sleep(0)
    assert (waits.result().result or {})["status"] == "cancelled"
