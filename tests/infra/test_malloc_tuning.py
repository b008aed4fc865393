"""Freed memory returns to the system despite long-lived objects in between."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

_PROGRAM = """
import sys
from pathlib import Path
from recalld.infra import malloc_tuning

def own_kb():
    return int(Path("/proc/self/status").read_text(encoding="ascii").split("RssAnon:")[1].split()[0])

if sys.argv[1] == "settled":
    assert malloc_tuning.tune_malloc()
before = own_kb()
passing, staying = [], []
for _ in range(500):
    passing.append(bytearray(b"x" * 100_000))
    staying.append(bytearray(b"x" * 1_000))
passing.clear()
print(own_kb() - before)
"""


def grown_kb(how: str, **environment: str) -> int:
    """What a process keeps of 50 MB, freed, between 500 small things that stay."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, how], env={**clean, **environment}, capture_output=True, text=True, check=True
    )
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="GNU's C library only")
def test_freed_memory_returns_to_the_system() -> None:
    assert grown_kb("settled") < 0.2 * grown_kb("left alone")


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="GNU's C library only")
def test_malloc_settings_of_the_environment_are_unchanged() -> None:
    environment = {"MALLOC_ARENA_MAX": "4", "MALLOC_MMAP_THRESHOLD_": "10000000"}
    assert grown_kb("settled", **environment) > 0.8 * grown_kb("left alone", **environment)
