"""A server's threads share one CPU; code without the GIL and other processes do not."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(
    not hasattr(os, "sched_getaffinity") or len(os.sched_getaffinity(0)) < 2, reason="needs Linux and two processors"
)

SCRIPT = """
import asyncio, json, os, subprocess, sys
from recalld.infra import cpu_affinity
from recalld.infra.thread_pool import Pool

here = lambda: sorted(os.sched_getaffinity(0))
before = here()
with cpu_affinity.unpinned():
    nothing_narrowed = here()
chosen = cpu_affinity.pin_process()

async def main():
    close, spread = (Pool(n, running_max=1, waiting_max=1, allow_all_cpus=n == "spread") for n in ("close", "spread"))
    said = {"before": before, "nothing_narrowed": nothing_narrowed, "chosen": chosen, "after": here()}
    said |= {"close": await close.run(here), "spread": await spread.run(here), "again": here()}
    with cpu_affinity.unpinned():
        child = [sys.executable, "-c", "import os; print(sorted(os.sched_getaffinity(0)))"]
        said["child"] = json.loads(subprocess.run(child, capture_output=True, text=True).stdout)
    close.close(), spread.close()
    print(json.dumps(said))

asyncio.run(main())
"""


def test_threads_share_one_processor_but_for_those_that_need_more() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    report = json.loads(done.stdout)
    assert report["nothing_narrowed"] == report["before"]
    assert report["chosen"] in report["before"]
    assert report["after"] == report["close"] == report["again"] == [report["chosen"]]
    assert report["spread"] == report["child"] == report["before"]


def test_a_single_cpu_is_not_pinned() -> None:
    script = (
        "import os; from recalld.infra import cpu_affinity; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})"
    )
    script += "; print(cpu_affinity.pin_process())"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "None"
