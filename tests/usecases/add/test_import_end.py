"""The end of an import: completed, failed, cancelled, interrupted; and its upload."""

from __future__ import annotations

import asyncio
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from recalld.adapters.model.extractive import ExtractiveModel
from recalld.adapters.source.opening import FolderSource
from recalld.adapters.source.selection import SourceSettings
from recalld.app.worker_loop import run_job
from recalld.domain.document import Document, Tiers
from recalld.domain.job import ImportPayload, TaskStatus
from recalld.ports.source import UPLOAD_NOTE, Found, Skipped
from recalld.usecases.add.run_import import FILES_PER_PLAN, run_import
from tests.harness import Harness, plant

ROOT = "viking://resources/src"


def upload(tmp_path: Path, name: str = "src.md", text: str = "# Src\n\nheron\n") -> Path:
    """A file as a server keeps it, with its note."""
    folder = plant(tmp_path / "uploads", {name: text, name + UPLOAD_NOTE: "{}"})
    return folder / name


async def test_an_upload_of_ours_is_gone_when_it_is_in(harness: Harness, tmp_path: Path) -> None:
    path = upload(tmp_path)
    await harness.add(path, keep_source=False)
    assert list(path.parent.iterdir()) == []


async def test_somebody_elses_file_stays(harness: Harness, tmp_path: Path) -> None:
    path = upload(tmp_path)
    await harness.add(path)
    assert path.exists()


async def test_an_upload_that_vanished_fails_the_task_at_once_and_says_so(harness: Harness, tmp_path: Path) -> None:
    path = upload(tmp_path)
    added = await harness.engine.add(path, keep_source=False)
    path.unlink()
    await harness.settle()
    task = await harness.engine.tasks.get(added.task_id)
    assert (task.status, "not there" in task.error) == (TaskStatus.FAILED, True)
    assert (await harness.queue("import")).dead == 1
    assert list(path.parent.iterdir()) == []


async def test_a_zip_replaced_by_rubbish_fails_for_good(harness: Harness, tmp_path: Path) -> None:
    path = upload(tmp_path, "src.zip", "")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.md", "x")
    added = await harness.engine.add(path, keep_source=False)
    path.write_bytes(b"rubbish")
    await harness.settle()
    assert (await harness.engine.tasks.get(added.task_id)).status is TaskStatus.FAILED
    assert list(path.parent.iterdir()) == []


class Vanishing(FolderSource):
    """A folder that loses a file between the look at it and its reading."""

    def entries(self) -> Iterator[Found | Skipped]:
        yield from list(super().entries())
        (self._root / "b.md").unlink()


async def test_a_file_that_vanishes_is_reported_and_the_rest_is_imported(harness: Harness, tmp_path: Path) -> None:
    added = await harness.engine.add(plant(tmp_path / "src", {"a.md": "heron", "b.md": "stork", "c.md": "crane"}))
    ports = replace(harness.ports, open_source=lambda path, choice: Vanishing(SourceSettings(path, choice)))
    await run_job(await harness.lease_of("import"), ports)
    task = await harness.engine.tasks.get(added.task_id)
    assert task.status is TaskStatus.COMPLETED
    assert "b.md: it vanished" in " ".join((task.result or {})["warnings"])
    assert sorted(await harness.texts_below(ROOT)) == ["a.md", "c.md"]


async def test_a_cancelled_import_that_waits_does_nothing(harness: Harness, tmp_path: Path) -> None:
    added = await harness.engine.add(plant(tmp_path / "src", {"a.md": "heron"}))
    assert (await harness.engine.tasks.cancel(added.task_id)).status is TaskStatus.CANCELLED
    await harness.settle()
    assert await harness.texts_below(ROOT) == {}


class Cancelling(ExtractiveModel):
    """A model in whose first call the user cancels the task."""

    def __init__(self, harness: Harness, task_id: str) -> None:
        super().__init__()
        self._harness, self._task_id = harness, task_id

    async def tiers_of_document(self, name: str, document: Document) -> Tiers:
        if self._task_id:
            task_id, self._task_id = self._task_id, ""
            await self._harness.engine.tasks.cancel(task_id)
        return await super().tiers_of_document(name, document)


async def test_a_cancelled_import_stops_after_its_current_batch(harness: Harness, tmp_path: Path) -> None:
    path = upload(tmp_path, "src.zip", "")
    with zipfile.ZipFile(path, "w") as archive:
        for i in range(FILES_PER_PLAN * 3):
            archive.writestr(f"{i:03d}.md", f"bird {i}")
    added = await harness.engine.add(path, keep_source=False)
    model = Cancelling(harness, added.task_id)
    await run_job(await harness.lease_of("import"), replace(harness.ports, model=model))
    await model.close()
    await harness.settle()
    assert len(await harness.texts_below(ROOT)) == FILES_PER_PLAN
    assert (await harness.engine.tasks.get(added.task_id)).status is TaskStatus.CANCELLED
    assert list(path.parent.iterdir()) == []


async def test_an_import_whose_worker_died_goes_on_where_it_was(harness: Harness, tmp_path: Path) -> None:
    path = upload(tmp_path, "src.zip", "")
    with zipfile.ZipFile(path, "w") as archive:
        for i in range(FILES_PER_PLAN * 2):
            archive.writestr(f"{i:03d}.md", f"bird {i}")
    added = await harness.engine.add(path, keep_source=False)
    job = await harness.lease_of("import")
    with pytest.raises(Killed):
        await run_import(ImportPayload.decode(job), replace(harness.ports, model=Killing(FILES_PER_PLAN + 3)))
    await harness.ports.jobs.release(worker="harness")
    await harness.settle()
    task = await harness.engine.tasks.get(added.task_id)
    assert (task.status, len(await harness.texts_below(ROOT))) == (TaskStatus.COMPLETED, FILES_PER_PLAN * 2)
    result = task.result or {}
    assert (result["new"], result["unchanged"]) == (FILES_PER_PLAN * 2, 0)  # counted once, whoever did it


class Killed(BaseException):
    """The end of a process, as far as a step can tell."""


class Killing(ExtractiveModel):
    """A model in whose call number ``call`` the worker dies."""

    def __init__(self, call: int) -> None:
        super().__init__()
        self._left = call

    async def tiers_of_document(self, name: str, document: Document) -> Tiers:
        self._left -= 1
        if self._left < 0:
            raise Killed
        return await super().tiers_of_document(name, document)


async def test_wait_returns_the_result(harness: Harness, tmp_path: Path) -> None:
    path = upload(tmp_path, "gone.md")
    folder = plant(tmp_path / "src", {"a.md": "heron"})
    for source, unlink, status in ((folder, False, "success"), (path, True, "failed")):
        async with asyncio.TaskGroup() as group:
            waits = group.create_task(harness.engine.add(source, wait=True))
            while not await harness.engine.tasks.list(status="pending"):
                await asyncio.sleep(0)
            if unlink:
                source.unlink()
            while not waits.done():
                await harness.settle()
                await asyncio.sleep(0)
        assert (waits.result().result or {})["status"] == status


async def test_waiting_for_a_cancelled_import_raises(harness: Harness, tmp_path: Path) -> None:
    folder = plant(tmp_path / "src", {"a.md": "heron"})
    async with asyncio.TaskGroup() as group:
        waits = group.create_task(harness.engine.add(folder, wait=True))
        while not (tasks := await harness.engine.tasks.list(status="pending")):
            await asyncio.sleep(0)
        await harness.engine.tasks.cancel(tasks[0].id)
    assert (waits.result().result or {})["status"] == "cancelled"
