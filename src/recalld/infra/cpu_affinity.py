"""CPU affinity and the GIL switch interval of our own processes. Nothing here is called in an application that embeds the
engine."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from threadpoolctl import threadpool_limits

SWITCH_INTERVAL_S = 0.0005
_allowed: set[int] = set()
"""The CPUs this process may use; empty while it is not pinned."""


def pin_process() -> int | None:
    """For a server, before its threads start: pin the process to one CPU, whose number is returned. Does nothing (None)
    where there is only one, or where the system cannot do that.

    With several CPUs, a thread that waits for the GIL is woken on another CPU at every release, mostly to find the GIL
    taken again: GIL contention took a third of a busy server's CPU time (decision 0012). On one CPU it runs when the other
    thread sleeps or has used its switch interval. Work that releases the GIL for long runs ``unpinned``, and so do other
    processes.
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
    """For a server and its worker: shorten the GIL switch interval, so that computing threads delay the loop less
    (decisions 0009 and 0011)."""
    sys.setswitchinterval(SWITCH_INTERVAL_S)


def limit_blas_threads() -> None:
    """For a server and its worker, once numpy is loaded: at the sizes computed here, two BLAS threads cost eight times the
    CPU time of one."""
    threadpool_limits(limits=1, user_api="blas")


@contextmanager
def unpinned() -> Iterator[None]:
    """Let the calling thread, and what it starts, use every CPU that the process may use."""
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
