"""The GIL switch interval and BLAS threads: set by a server, unchanged in an application that embeds the engine."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from recalld.app.engine import Engine
from recalld.infra import cpu_affinity


@contextmanager
def as_it_was() -> Iterator[None]:
    interval = sys.getswitchinterval()
    with threadpool_limits(limits=2, user_api="blas"):
        yield
    sys.setswitchinterval(interval)


def blas_threads() -> set[int]:
    return {lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == "blas"}


@pytest.mark.loop_may_block  # opening makes the folder
async def test_an_application_that_embeds_the_engine_is_left_as_it_is(tmp_path: Path) -> None:
    with as_it_was():
        before = sys.getswitchinterval(), blas_threads()
        async with Engine.open(tmp_path, embedder={"provider": "hash"}) as r:
            await r.write("viking://resources/a.md", "the heron stood still")
            await r.wait(timeout_s=60)
            assert (await r.find("heron")).hits
        assert (sys.getswitchinterval(), blas_threads()) == before


def test_a_server_computes_with_one_thread_and_hands_the_interpreter_over_soon() -> None:
    with as_it_was():
        cpu_affinity.shorten_switch_interval()
        cpu_affinity.limit_blas_threads()
        assert sys.getswitchinterval() == pytest.approx(cpu_affinity.SWITCH_INTERVAL_S)
        assert blas_threads() == {1}
