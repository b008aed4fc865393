"""Long calls, with a progress bar on a terminal."""

from __future__ import annotations

import importlib
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from recalld.domain.errors import Upstream

from .options import Call

LOOK_S = 0.5
_BARS = "recalld.surfaces.cli.progress"


def upload(call: Call, file: Path, title: str) -> str:
    """Upload a file and return its temp_file_id."""
    bar = importlib.import_module(_BARS).upload_bar(title) if watched(call) else nullcontext()
    with bar as progress:
        return call.client.upload(file, progress=progress)


def watch_task(call: Call, task_id: str, title: str) -> dict[str, Any]:
    """Wait for a task, showing its stage and progress, and return it."""
    bar = importlib.import_module(_BARS).task_bar(title) if watched(call) else nullcontext()
    with bar as seen:
        return call.client.tasks.wait(task_id, on_state=seen)


def watch_vectors(call: Call) -> None:
    """Wait for abstracts and vectors, showing the number of vectors."""
    if not watched(call):
        call.client.wait()
        return
    with importlib.import_module(_BARS).vector_bar() as seen:
        while not _quiet(call):
            seen(call.client.vectors())


def _quiet(call: Call) -> bool:
    """Whether no work is left, after a short wait."""
    try:
        call.client.wait(LOOK_S)
    except Upstream as late:
        if late.code != "DEADLINE_EXCEEDED":
            raise
        return False
    return True


def watched(call: Call) -> bool:
    """Whether to show progress: on a terminal, without --json."""
    return not call.as_json and sys.stderr.isatty()
