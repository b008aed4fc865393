"""The limit of open files is raised as far as the process may."""

from __future__ import annotations

import subprocess
import sys

import pytest

SCRIPT = """
import resource
from recalld.infra import fd_limit
resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))
print(fd_limit.raise_limit({wanted}), fd_limit.limit())
"""


@pytest.mark.parametrize(
    ("soft", "hard", "wanted", "held"),
    [(256, 512, 400, 400), (256, 512, 4_000, 512), (256, 256, 4_000, 256), (512, 512, 100, 512)],
    ids=["raised", "as far as may be", "not at all", "left alone"],
)
def test_the_limit_is_raised_as_far_as_may_be(soft: int, hard: int, wanted: int, held: int) -> None:
    script = SCRIPT.format(soft=soft, hard=hard, wanted=wanted)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == [str(held)] * 2
