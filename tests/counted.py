"""The cost of work, counted instead of timed."""

from __future__ import annotations

from collections.abc import Callable

import apsw


def steps(c: apsw.Connection, work: Callable[[], object]) -> int:
    """Steps of SQLite's machine that ``work`` takes on this connection."""
    taken = 0

    def step() -> bool:
        nonlocal taken
        taken += 1
        return False

    c.set_progress_handler(step, 1)
    try:
        work()
    finally:
        c.set_progress_handler(None)
    return taken
