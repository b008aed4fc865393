"""The tripwire detects what our code opens on a loop's thread, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from recalld.infra.thread_pool import Pool
from tests.tripwire import OURS, Tripwire


def careless(code: str) -> Callable[[Path], object]:
    """A function that looks as if it stood in one of our files."""
    space: dict[str, Callable[[Path], object]] = {}
    exec(compile(f"def act(path):\n    return {code}\n", OURS + "adapters/careless.py", "exec"), space)
    return space["act"]


@pytest.mark.loop_may_block  # the arming under test is the inner one
async def test_a_file_opened_on_the_loop_trips_it(tmp_path: Path) -> None:
    with Tripwire.armed() as wire:
        careless("path.write_text('x')")(tmp_path / "a")
    assert len(wire.trips) == 1
    assert wire.trips[0].startswith("open")
    assert "careless.py" in wire.trips[0]


@pytest.mark.loop_may_block  # the arming under test is the inner one
async def test_a_directory_listed_on_the_loop_trips_it(tmp_path: Path) -> None:
    with Tripwire.armed() as wire:
        careless("list(path.iterdir())")(tmp_path)
    assert [t.split("(")[0] for t in wire.trips] in (["os.listdir"], ["os.scandir"])  # of Python 3.11, of 3.13


async def test_a_file_opened_in_a_pool_does_not(tmp_path: Path) -> None:
    pool = Pool("disk", running_max=1, waiting_max=1)
    with Tripwire.armed() as wire:
        await pool.run(careless("path.write_text('x')"), tmp_path / "a")
    pool.close()
    assert wire.trips == []


def test_a_file_opened_without_a_loop_does_not(tmp_path: Path) -> None:
    with Tripwire.armed() as wire:
        careless("path.write_text('x')")(tmp_path / "a")
    assert wire.trips == []


async def test_files_opened_by_the_loop_itself_are_exempt() -> None:
    with Tripwire.armed() as wire:
        server = await asyncio.start_server(lambda r, w: w.close(), "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.close()
        server.close()
    assert wire.trips == []


async def test_a_test_may_prepare_its_own_files(tmp_path: Path) -> None:
    with Tripwire.armed() as wire:
        (tmp_path / "a").write_text("x")
    assert wire.trips == []


@pytest.mark.loop_may_block  # the arming under test is the inner one
async def test_a_disarmed_wire_keeps_quiet(tmp_path: Path) -> None:
    with Tripwire.armed() as wire:
        pass
    careless("path.write_text('x')")(tmp_path / "a")
    assert wire.trips == []
