"""The import operation, a part of ``Workspace``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from recalld.domain.caller import Caller
from recalld.domain.choice import Choice
from recalld.domain.job import QueueCount, Task, TaskStatus
from recalld.domain.results import Added
from recalld.ports.bundle import Ports
from recalld.rules.search_request import tag
from recalld.usecases.add import accept as adding


class Importing(ABC):
    """Imports for the caller of the workspace."""

    _ports: Ports
    caller: Caller

    @abstractmethod
    async def task(self, task_id: str) -> Task:
        """Return a task. Raises ``NotFound``."""

    @abstractmethod
    async def wait(self, *, timeout_s: float | None = None, task_id: str = "") -> list[QueueCount]:
        """Wait until no job of this caller (or of one task) is left."""

    async def add(
        self,
        upload: Path,
        *,
        name: str = "",
        to: str = "",
        parent: str = "",
        create_parent: bool = False,
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
        ignore_dirs: Sequence[str] = (),
        strict: bool = False,
        split: bool = True,
        tags: Sequence[str] = (),
        origin: str = "",
        wait: bool = False,
        timeout_s: float | None = None,
        keep_source: bool = True,
        unwrap: bool = True,
        tag_mode: str = "replace",
        keep_removed: bool = False,
        confirm_removals: bool = False,
        left_out: Sequence[str] = (),
        incomplete: str = "",
        as_file: bool = False,
    ) -> Added:
        """Import a folder, a file or a zip at ``upload``; ``name`` is its name in the tree (the suffix of a zip is
        dropped). ``origin`` identifies the source: a repeated import of an origin updates its target and removes files
        gone at the source; other imports get a target of their own. ``keep_source`` False: ``upload`` is deleted when
        the import ends. ``unwrap``: a zip's only folder is the top if it has the zip's name. Other options:
        ``usecases/add/accept.ImportRequest``."""
        choice = Choice(name or upload.name, tuple(include), tuple(exclude), tuple(ignore_dirs), unwrap)
        request = adding.ImportRequest(
            upload,
            choice,
            to,
            parent,
            create_parent,
            strict,
            split,
            tuple(tag(t) for t in tags),
            tag_mode,
            origin,
            not keep_source,
            keep_removed,
            confirm_removals,
            tuple(left_out),
            incomplete,
            as_file,
        )
        added = await adding.accept(request, self.caller, self._ports)
        if not wait:
            return added
        await self.wait(timeout_s=timeout_s, task_id=added.task_id)
        task = await self.task(added.task_id)
        if task.status is TaskStatus.COMPLETED:
            await self.wait(timeout_s=timeout_s)
        ended = {"status": str(task.status), "error": task.error}
        return replace(added, result=task.result if task.status is TaskStatus.COMPLETED else ended)
