"""Server stop: acknowledged writes stay, every request is answered or refused, nothing is left behind."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from bench import corpus
from tests.live import Gone, Line, Server, doctor, launch, serving

pytestmark = pytest.mark.live
SHUTDOWN_S = 10.0
"""The default of ``server.shutdown_timeout_s``; the worker and the store may take a little longer."""


@dataclass(slots=True)
class Client:
    """Appends until the server closes the connection; records the outcome of each append."""

    sid: str
    acknowledged: list[str] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    cut: list[str] = field(default_factory=list)

    def send_until_closed(self, port: int) -> None:
        """Use one keep-alive connection, as plugins do, until the server closes it after an answer or refuses a new
        one."""
        count, line = 0, Line(port, 30)
        while True:
            count += 1
            text = f"{self.sid} said word{count}q"
            try:
                answer = line.ask("POST", f"/sessions/{self.sid}/messages", {"role": "user", "content": text})
            except Gone as cut:
                self.cut.append(str(cut))
                return
            self.statuses[answer.status] += 1
            if answer.status == 200:
                self.acknowledged.append(text)
            if answer.headers.get("connection") == "close":
                line.close()
                return


def until(true: Callable[[], bool], within_s: float = 60) -> None:
    end = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def texts(line: Line, sid: str) -> list[str]:
    got = line.ask("GET", f"/sessions/{sid}/context", token_budget=10_000_000)
    return [m["parts"][0]["text"] for m in got.result["messages"]]


def left_of(data: Path) -> list[str]:
    return [path.name for path in data.iterdir() if path.name.endswith(("-wal", "-shm", "-journal"))]


def test_an_end_under_load_loses_nothing_and_leaves_nothing(tmp_path: Path) -> None:
    data = tmp_path / "store"
    server = launch(data)
    line = server.line()
    packed = line.upload("files.zip", corpus.archive(0, 100))
    task = line.ask("POST", "/resources", {"temp_file_id": packed, "to": "viking://resources/many"}).result["task_id"]
    clients = [Client(f"c{n}") for n in range(4)]
    threads = [threading.Thread(target=client.send_until_closed, args=(server.port,)) for client in clients]
    for thread in threads:
        thread.start()
    until(lambda: all(len(client.acknowledged) >= 10 for client in clients))
    family = psutil.Process(server.pid).children(recursive=True)
    begun = time.monotonic()
    assert server.stop(60) == 0
    took_s = time.monotonic() - begun
    for thread in threads:
        thread.join()

    assert took_s < 2 * SHUTDOWN_S
    assert not [process for process in family if process.is_running()]
    assert left_of(data) == []
    assert [client.cut for client in clients if client.cut] == []
    assert {status for client in clients for status in client.statuses} <= {200, 503}

    moved = tmp_path / "elsewhere" / "renamed"
    moved.parent.mkdir()
    os.rename(data, moved)
    with serving(moved) as again:
        line = again.line()
        for client in clients:
            assert texts(line, client.sid) == client.acknowledged
        line.settle()
        assert line.ask("GET", f"/tasks/{task}").result["status"] == "completed"
        assert len(line.files("viking://resources/many")) == 100
        assert again.stop(60) == 0
    assert doctor(moved)["exit"] == 0


def test_a_request_under_way_is_answered(tmp_path: Path) -> None:
    with serving(tmp_path / "store") as server:
        worker = server.worker_other_than()
        line = server.line()
        line.ask("POST", "/content/write", {"uri": "viking://resources/a/b.md", "content": "x"})
        worker.suspend()  # so that there is work to wait for
        answers: list[int] = []
        packed = line.upload("one.zip", corpus.archive(0, 2))
        body = {"temp_file_id": packed, "to": "viking://resources/w", "wait": True, "timeout": 1}
        waiting = threading.Thread(target=lambda: answers.append(server.line().ask("POST", "/resources", body).status))
        waiting.start()
        until(lambda: bool(line.ask("GET", "/tasks").result))
        server.process.send_signal(signal.SIGTERM)
        waiting.join(30)
        assert answers
        assert answers[0] in (503, 504)
        assert server.process.wait(30) == 0
        assert not worker.is_running()


def test_a_client_that_never_ends_its_request_does_not_hold_the_end_up(tmp_path: Path) -> None:
    with serving(tmp_path / "store", RECALLD_SERVER__SHUTDOWN_TIMEOUT_S="1") as server:
        with socket.create_connection(("127.0.0.1", server.port)) as half:
            half.sendall(b"POST /api/v1/sessions/s/messages HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")
            assert server.line().ask("GET", "/health").status == 200
            assert server.stop(30) == 0
        assert left_of(server.log.with_suffix("")) == []


def test_an_end_before_it_is_ready_is_a_clean_end(tmp_path: Path) -> None:
    for pause_s in (0.0, 0.3):
        server: Server = launch(tmp_path / "store", wait=False)
        server.await_port()
        time.sleep(pause_s)
        assert server.stop(30) == 0, server.output()
    assert left_of(tmp_path / "store") == []
