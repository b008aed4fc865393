"""Fixtures of every test: the tripwire on running loops, and hypothesis without wall-clock limits."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.tripwire import Tripwire

# Shared machines are slow at random: a deadline would test the neighbours.
settings.register_profile("suite", deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("deep", deadline=None, max_examples=1_000, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("RECALLD_HYPOTHESIS", "suite"))
# Thousands of stores of a few pages, servers' among them: none sets space aside unless its test says so.
os.environ.setdefault("RECALLD_STORAGE__RESERVE_MIB", "0")
# Nor does each compute MiniLM's vectors in the background: what two models do is tested with cheap ones.
os.environ.setdefault("RECALLD_EMBEDDER__PROVIDER", "static")
# A shell ignores SIGINT in what it runs in the background, and so would the servers that tests interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Without bytecode every server, worker and command that a test starts compiles recalld again, and every worker of the suite
# rewrites the assertions of all tests.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

MEMORY_FILES = Path("/dev/shm")
MEMORY_FILES_BYTES_MIN = 1 << 30


def pytest_configure() -> None:
    """Keep temporary folders in memory where there is space: tests kill processes, not machines, so no fact needs the disk.

    A sync takes 3 ms on a busy disk and 4 us here, and the suite commits some ten thousand times.
    """
    if os.access(MEMORY_FILES, os.W_OK) and shutil.disk_usage(MEMORY_FILES).free > MEMORY_FILES_BYTES_MIN:
        os.environ.setdefault("TMPDIR", str(MEMORY_FILES))
        tempfile.tempdir = None  # read again


@pytest.fixture(autouse=True)
def tripwire(request: pytest.FixtureRequest) -> Iterator[Tripwire | None]:
    """Fail a test in which our code opened a file, a connection or a process on a running loop's own thread.

    What the test itself opens is excused. ``@pytest.mark.loop_may_block`` turns the wire off, and says why beside it.
    """
    if request.node.get_closest_marker("loop_may_block"):
        yield None
        return
    with Tripwire.armed() as wire:
        yield wire
    if wire.trips:
        pytest.fail("blocking call on a running loop's thread:\n" + "\n".join(wire.trips), pytrace=False)
