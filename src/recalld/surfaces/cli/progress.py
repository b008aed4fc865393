"""Progress bars, for terminals. Loaded only when there is one: the library behind them costs a tenth of a second."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from .render import vectors_words


@contextmanager
def upload_bar(title: str) -> Iterator[Callable[[int, int], None]]:
    """A bar in bytes on stderr; yields what to call with (sent, total)."""
    with Progress(TextColumn("{task.description}"), BarColumn(), DownloadColumn(), **_place()) as bar:
        row = bar.add_task(title, total=None)
        yield lambda sent, total: bar.update(row, completed=sent, total=total)


@contextmanager
def task_bar(title: str) -> Iterator[Callable[[dict[str, Any]], None]]:
    """A bar for a task; yields what to call with each state of it."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[stage]}"))
    with Progress(*columns, TimeElapsedColumn(), **_place()) as bar:
        row = bar.add_task(title, total=None, stage="")

        def update(task: dict[str, Any]) -> None:
            done, total = counts(task)
            stage = task.get("stage") or task.get("status", "")
            bar.update(row, completed=done, total=total or None, stage=stage)

        yield update


@contextmanager
def vector_bar() -> Iterator[Callable[[dict[str, Any] | None], None]]:
    """A bar of vectors; yields what to call with each count of them (None: not known)."""
    columns = (SpinnerColumn(), TextColumn("vectors"), BarColumn(), TextColumn("{task.description}"))
    with Progress(*columns, TimeElapsedColumn(), **_place()) as bar:
        row = bar.add_task("", total=None)

        def update(vectors: dict[str, Any] | None) -> None:
            if vectors is not None:
                bar.update(row, completed=vectors["made"], total=vectors["wanted"], description=vectors_words(vectors))

        yield update


@contextmanager
def count_bar(title: str, total: int) -> Iterator[Callable[[], None]]:
    """A bar of ``total`` steps; yields what to call after each."""
    with Progress(
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total}"), **_place()
    ) as bar:
        row = bar.add_task(title, total=total)
        yield lambda: bar.advance(row)


def counts(task: dict[str, Any]) -> tuple[int, int]:
    """(done, total) of a task whose stage tells them ("parsing 3/40"), else (0, 0)."""
    match = re.search(r"(\d+)/(\d+)", str(task.get("stage") or ""))
    return (int(match[1]), int(match[2])) if match else (0, 0)


def _place() -> dict[str, Any]:
    return {"console": Console(stderr=True), "transient": True}
