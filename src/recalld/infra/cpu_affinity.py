"""How the threads of a process that is ours alone share processors and the interpreter. An application that embeds the engine is
left as it is: nothing here is called for it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from threadpoolctl import threadpool_limits

SWITCH_INTERVAL_S = 0.0005
_allowed: set[int] = set()
"""What this process may use; empty while nothing was narrowed."""


def pin_process() -> int | None:
    """For a server, before its threads start: have them all run on one processor, whose number is returned. Does nothing (None)
    where there is only one, or where the system cannot do that.

    One thread at a time has Python's interpreter. On several processors the thread that waits for it is woken on another one at
    every moment it is free, mostly to find it taken again: a third of a busy server's processor time (decision 0012). On one
    processor it runs when the other one sleeps or has had its turn. Work that does without the interpreter for long is done
    ``unpinned``, and so are other processes.
    """
    try:
        allowed = os.sched_getaffinity(0)
        if len(allowed) < 2:
            return None
        # Several servers on one machine are to keep to several processors.
        chosen = sorted(allowed)[os.getpid() % len(allowed)]
        os.sched_setaffinity(0, {chosen})
    except (AttributeError, OSError):  # not Linux; or forbidden
        return None
    _allowed.update(allowed)
    return chosen


def shorten_switch_interval() -> None:
    """For a server and its worker: a computing thread lets the loop have the interpreter (decisions 0009 and 0011)."""
    sys.setswitchinterval(SWITCH_INTERVAL_S)


def limit_blas_threads() -> None:
    """For a server and its worker, once numpy is loaded: two BLAS threads cost eight times the processor time of one at the
    sizes that are computed here."""
    threadpool_limits(limits=1, user_api="blas")


@contextmanager
def unpinned() -> Iterator[None]:
    """The calling thread, and what it starts, may use every processor that the process may."""
    if not _allowed:
        yield
        return
    here = os.sched_getaffinity(0)
    _set_affinity(_allowed)
    try:
        yield
    finally:
        _set_affinity(here)


def _set_affinity(processors: set[int]) -> None:
    with suppress(OSError):  # they were taken from this process meanwhile: the system has given it others
        os.sched_setaffinity(0, processors)
