"""Long calls: with a bar where somebody looks, silently elsewhere."""

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
    """Send a file; returns its temp_file_id."""
    bar = importlib.import_module(_BARS).upload_bar(title) if watched(call) else nullcontext()
    with bar as progress:
        return call.client.upload(file, progress=progress)


def watch_task(call: Call, task_id: str, title: str) -> dict[str, Any]:
    """Wait for a task, showing its stage and (where it tells) how far it is; returns it ended."""
    bar = importlib.import_module(_BARS).task_bar(title) if watched(call) else nullcontext()
    with bar as seen:
        return call.client.tasks.wait(task_id, on_state=seen)


def watch_vectors(call: Call) -> None:
    """Wait for abstracts and vectors, showing how many vectors there are."""
    if not watched(call):
        call.client.wait()
        return
    with importlib.import_module(_BARS).vector_bar() as seen:
        while not _quiet(call):
            seen(call.client.vectors())


def _quiet(call: Call) -> bool:
    """Whether no work is left, after a moment's wait."""
    try:
        call.client.wait(LOOK_S)
    except Upstream as late:
        if late.code != "DEADLINE_EXCEEDED":
            raise
        return False
    return True


def watched(call: Call) -> bool:
    """True where somebody looks at a terminal."""
    return not call.as_json and sys.stderr.isatty()
