"""Lines from a pipe: complete, in order, without a thread that blocks the exit."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from recalld.surfaces.mcp.protocol import lines

PING = b'{"jsonrpc":"2.0","id":1,"method":"ping"}\n'


async def test_lines_come_whole_however_they_were_written() -> None:
    reading, writing = os.pipe()
    found = []
    os.write(writing, b"one\ntw")

    async for line in lines(reading):
        found.append(line)
        if line == "one":
            os.write(writing, "o é".encode()[:-1])
            os.write(writing, "é".encode()[1:] + b"\n\xff\nlast")
            os.close(writing)
    os.close(reading)
    assert found == ["one", "two é", "\N{REPLACEMENT CHARACTER}", "last"]


@pytest.mark.loop_may_block  # the file is the test's own
async def test_a_file_is_read_to_its_end(tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(b"one\n" * 40_000)
    with (tmp_path / "in").open("rb") as file:
        assert len([line async for line in lines(file.fileno())]) == 40_000


async def test_waiting_for_a_line_can_be_interrupted() -> None:
    reading, writing = os.pipe()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await anext(lines(reading))
    os.close(reading)
    os.close(writing)


@pytest.mark.slow
@pytest.mark.parametrize(("how", "code"), [("interrupt", 130), ("client gone", 0), ("end", 0)])
def test_tools_on_stdin_end_quietly(tmp_path: Path, how: str, code: int) -> None:
    command = [sys.executable, "-m", "recalld", "mcp", "--data", str(tmp_path / "data")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdin.write(PING)
        running.stdin.flush()
        assert b"result" in running.stdout.readline()
        if how == "interrupt":
            running.send_signal(signal.SIGINT)
        elif how == "end":
            running.stdin.close()
        else:
            running.stdout.close()
            running.stdin.write(PING)
            running.stdin.flush()
        errors = running.stderr.read()
        assert (running.wait(60), b"Traceback" in errors) == (code, False)
