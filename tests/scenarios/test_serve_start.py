"""Server start: the answers before the store is open, and refused configurations."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live import QUIET, Server, launch, serving

MESSAGE = {"role": "user", "content": "the jasmine is in the blue pot", "id": "m1"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("serve") / "store") as running:
        yield running


def refused(*arguments: str) -> subprocess.CompletedProcess[str]:
    """A start that is expected to fail."""
    command = [sys.executable, "-m", "recalld", "serve", *arguments]
    environment = {**os.environ, **QUIET}
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment, check=False)


def sentences(done: subprocess.CompletedProcess[str]) -> list[str]:
    """The lines written for a person: neither log lines nor a traceback."""
    assert "Traceback" not in done.stderr + done.stdout
    return [line for line in done.stderr.splitlines() if line and not line.startswith("{")]


def test_a_request_before_the_store_is_open_gets_retry_after(tmp_path: Path) -> None:
    with serving(tmp_path / "store", wait=False) as server:
        server.await_port()
        line, statuses = server.line(), []
        for _ in range(600):
            alive = line.ask("GET", "/health")
            assert alive.status == 200
            answer = line.ask("POST", "/sessions/first/messages", MESSAGE)
            statuses.append(answer.status)
            if answer.status == 200:
                break
            assert (answer.status, answer.code) == (503, "UNAVAILABLE")
            assert int(answer.headers["retry-after"]) >= 1
            time.sleep(0.02)
        assert statuses[-1] == 200
        assert set(statuses) <= {503, 200}
        assert len(line.found("jasmine")) == 1


def test_ready_says_no_before_it_says_yes(tmp_path: Path) -> None:
    with serving(tmp_path / "store", wait=False) as server:
        server.await_port()
        first = server.line().ask("GET", "/ready")
        assert first.status in (200, 503)
        if first.status == 503:
            assert first.body["status"] == "not_ready"
            assert int(first.headers["retry-after"]) >= 1
        server.await_ready(time.monotonic())


def test_a_folder_in_use_is_refused_in_one_sentence(server: Server) -> None:
    data = server.log.with_suffix("")
    done = refused("--data", str(data), "--port", "0")
    assert done.returncode == 5
    lines = sentences(done)
    assert lines[0] == f"error: another recalld has {data} open"
    assert len(lines) == 2
    assert server.line().ask("POST", "/sessions/unhurt/messages", MESSAGE).status == 200


def test_a_port_in_use_is_refused_in_one_sentence_and_touches_nothing(server: Server, tmp_path: Path) -> None:
    done = refused("--data", str(tmp_path / "other"), "--port", str(server.port))
    assert done.returncode == 5
    lines = sentences(done)
    assert lines[0] == f"error: 127.0.0.1:{server.port} is in use by another program"
    assert len(lines) == 2
    assert not (tmp_path / "other").exists()


def test_a_host_others_can_reach_is_refused(tmp_path: Path) -> None:
    done = refused("--data", str(tmp_path / "other"), "--port", "0", "--host", "0.0.0.0")
    assert done.returncode == 4
    assert len(sentences(done)) == 2


def test_port_0_is_a_free_port_each(server: Server, tmp_path: Path) -> None:
    with serving(tmp_path / "second") as second:
        assert second.port != server.port
        assert second.line().ask("GET", "/health").status == 200


def test_the_same_port_can_be_taken_again_at_once(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    first = launch(tmp_path / "store", port=port)
    connection = first.line()  # a client that stays connected leaves the port in TIME_WAIT
    assert connection.ask("GET", "/health").status == 200
    first.kill()
    second = launch(tmp_path / "store", port=port)
    try:
        assert second.port == port
    finally:
        second.kill()
