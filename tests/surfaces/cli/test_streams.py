"""Commands in a pipeline: closed readers, full outputs, closed streams, Ctrl-C."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.surfaces.recording_server import Wire, serving

RECALLD = [sys.executable, "-m", "recalld"]
PRINTING = [
    ("version",),
    ("version", "--json"),
    ("--help",),
    ("find", "--help"),
    ("config", "show"),
    ("ls",),
    ("glob", "*"),
]
FULL = Path("/dev/full")


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Wire]:
    with serving() as wire:
        for name in ("RECALLD_USER", "RECALLD_ACCOUNT", "RECALLD_API_KEY", "FORCE_COLOR"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("RECALLD_URL", wire.url)
        monkeypatch.chdir(tmp_path)
        wire.ok("GET /api/v1/fs/ls", [{"uri": "viking://resources/a.md", "isDir": False}])
        wire.ok("POST /api/v1/search/glob", {"matches": ["viking://resources/a.md"], "count": 1})
        yield wire


def shell(redirection: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command with a redirection such as ``>&-``."""
    line = 'exec "$@" ' + redirection
    command = ["sh", "-c", line, "sh", *RECALLD, *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("words", PRINTING, ids=" ".join)
def test_a_reader_that_has_gone_ends_a_command_quietly(wire: Wire, words: tuple[str, ...]) -> None:
    left, right = os.pipe()
    os.close(left)
    try:
        done = subprocess.run([*RECALLD, *words], stdout=right, stderr=subprocess.PIPE, check=False, timeout=60)
    finally:
        os.close(right)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.parametrize("words", PRINTING, ids=" ".join)
def test_an_output_that_is_closed_is_an_error_in_a_sentence(wire: Wire, words: tuple[str, ...]) -> None:
    done = shell(">&-", *words)
    assert (done.returncode, done.stderr.count("\n")) == (1, 2)
    assert done.stderr.startswith("error: the output cannot be written: ")


@pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("words", PRINTING, ids=" ".join)
def test_an_output_that_is_full_is_an_error_in_a_sentence(wire: Wire, words: tuple[str, ...]) -> None:
    done = shell(f">{FULL}", *words)
    assert (done.returncode, done.stderr.count("\n")) == (1, 2)
    assert done.stderr.startswith("error: the output cannot be written: No space left")


@pytest.mark.parametrize("redirection", ["2>&-", "<&-", "2>&- <&-", f"2>{FULL}"])
def test_a_closed_stderr_does_not_affect_stdout(wire: Wire, redirection: str) -> None:
    wire.ok("POST /api/v1/search/find", {"memories": [], "resources": [], "skills": [], "total": 0})
    assert shell(redirection, "ls").stdout == "a.md\n"
    assert shell(redirection, "find", "x").returncode == 0  # says on stderr that nothing matched


def test_errors_have_their_exit_code_with_closed_streams(wire: Wire) -> None:
    for redirection in (">&-", "2>&-", "<&- >&- 2>&-"):
        assert shell(redirection, "stat", "viking://resources/never.md").returncode == 3
        assert shell(redirection, "nonsense").returncode == 2


def test_a_closed_stdin_is_an_error_in_a_sentence(wire: Wire) -> None:
    for words in (("write", "viking://resources/a.md"), ("session", "append", "trip")):
        done = shell("<&-", *words)
        assert done.returncode == 2
        assert done.stderr.startswith("error: cannot read stdin: ")
    assert wire.requests == []


def test_no_socket_takes_the_place_of_a_closed_stream(wire: Wire) -> None:
    wire.ok("GET /api/v1/content/read", "text")
    done = shell(">&-", "read", "viking://resources/a.md")
    assert (done.returncode, [one.raw for one in wire.requests]) == (1, [b""])


def heed_interrupts() -> None:
    """A shell has what it starts in the background ignore them, and so would all that starts there."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.parametrize("words", [("ls",), ("task", "wait", "t1"), ("top",), ("ls", "--json")], ids=" ".join)
def test_an_interrupt_ends_a_command_quietly(words: tuple[str, ...], tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        env = {**os.environ, "RECALLD_URL": f"http://127.0.0.1:{silent.getsockname()[1]}"}
        running = subprocess.Popen(
            [*RECALLD, *words],
            env=env,
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            preexec_fn=heed_interrupts,
        )
        asking, _ = silent.accept()
        with asking:
            asking.recv(1)
            running.send_signal(signal.SIGINT)
            out, err = running.communicate(timeout=60)
    assert (running.returncode, out, b"Traceback" in err) == (130, b"", False)
