"""How the C library keeps memory that was given back."""

from __future__ import annotations

import ctypes
import os

_SETTINGS = (
    # (its variable in the environment, its number for mallopt, ours)
    ("MALLOC_ARENA_MAX", -8, 2),
    ("MALLOC_MMAP_THRESHOLD_", -3, 64 << 10),
    # With a fixed limit above, the end of a heap goes back and comes again at every turn: four page faults for one.
    ("MALLOC_TRIM_THRESHOLD_", -1, 16 << 20),
    ("MALLOC_TOP_PAD_", -2, 1 << 20),
)


def tune_malloc() -> bool:
    """For a process that runs for weeks; before its threads start. Does nothing (False) where the C library is not GNU's.

    Left alone, it gives each thread a heap of its own, and takes from the heap what a query needs for a moment, next to what
    stays: with a store that grows, no hole fits the next, slightly larger array, and memory grows for ever. Two heaps for all
    threads, and larger things mapped and unmapped by themselves, kept 150 MB where there had been 240 (decision 0010). What
    the environment says is left as it is.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    for variable, number, value in _SETTINGS:
        if variable not in os.environ:
            mallopt(number, value)
    return True
