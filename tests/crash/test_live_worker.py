"""The worker of a live server crashes, hangs or is orphaned: imports complete, and other requests are unaffected."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import psutil
import pytest

from bench import corpus
from tests.live import Line, Server, serving

pytestmark = pytest.mark.live
FILES = 80
ROOT = "viking://resources/notes"
POLL_S = 0.05


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with serving(
        tmp_path / "store", RECALLD_WORKER__HEARTBEAT_TIMEOUT_S="4", RECALLD_WORKER__LEASE_TIMEOUT_S="30"
    ) as running:
        running.worker_other_than()
        yield running


def begin(line: Line, files: int = FILES) -> str:
    """An import under way: its task."""
    upload = line.upload("notes.zip", corpus.archive(0, files))
    task_id = line.ask("POST", "/resources", {"temp_file_id": upload, "to": ROOT}).result["task_id"]
    while line.ask("GET", f"/tasks/{task_id}").result["status"] == "pending":
        time.sleep(0.01)
    return str(task_id)


def status(line: Line, task_id: str) -> str:
    return str(line.ask("GET", f"/tasks/{task_id}").result["status"])


def alive(line: Line, count: int) -> None:
    """Health, capture and recall, each at once."""
    assert line.ask("GET", "/health").status == 200
    message = {"role": "user", "content": f"The heron number {count} nests here.", "id": f"heron{count}"}
    assert line.ask("POST", "/sessions/talk/messages", message).status == 200
    assert f"viking://user/default/sessions/talk/messages/heron{count}.md" in line.found(f"heron number {count}")


def complete(line: Line, task_id: str, files: int = FILES) -> None:
    """The import ends well while everybody is served; every file is there once."""
    count = 0
    while (now := status(line, task_id)) in {"pending", "running"}:
        count += 1
        alive(line, count)
        time.sleep(POLL_S)
    assert now == "completed", line.ask("GET", f"/tasks/{task_id}").result
    seen = line.files(ROOT)
    assert seen == {corpus.path(number): corpus.note(number) for number in range(files)}


def moments(server: Server, event: str) -> list[float]:
    log_lines = [json.loads(row) for row in server.output().splitlines() if row.startswith("{")]
    return [datetime.fromisoformat(one["timestamp"]).timestamp() for one in log_lines if one["event"] == event]


def test_a_worker_killed_at_its_work_is_replaced_and_the_work_is_done(server: Server) -> None:
    line = server.line()
    worker = server.worker_other_than()
    task_id = begin(line)
    worker.send_signal(signal.SIGKILL)
    complete(line, task_id)
    assert server.worker_other_than().pid != worker.pid
    assert "background task failed" not in server.output()  # a death among workers is foreseen


@pytest.mark.slow  # waits for the pauses; tests/app/test_supervisor.py has them on a clock of its own
def test_a_worker_that_keeps_dying_is_started_less_and_less_often(server: Server) -> None:
    pid = 0
    for _ in range(3):
        worker = server.worker_other_than(pid)
        pid = worker.pid
        worker.kill()
    while len(moments(server, "worker started")) < 4:  # the log is written a moment later
        time.sleep(0.02)
    ended, started = moments(server, "worker exited"), moments(server, "worker started")
    pauses = [begun - end for end, begun in zip(ended, started[1:], strict=False)]
    assert pauses[0] >= 0.49
    assert pauses[1] >= 0.99
    assert pauses[2] >= 1.99


def test_a_worker_that_hangs_is_replaced_and_its_work_given_to_the_next(server: Server) -> None:
    line = server.line()
    worker = server.worker_other_than()
    task_id = begin(line)
    worker.suspend()
    # Its lease runs for thirty seconds: that the import ends long before shows that it was taken from it.
    begun = time.monotonic()
    complete(line, task_id)
    assert not worker.is_running()
    assert "worker heartbeat timeout" in server.output()
    assert time.monotonic() - begun < 30


@pytest.mark.parametrize("hanging", [pytest.param(False, marks=pytest.mark.slow), True])
def test_a_worker_does_not_outlive_a_killed_server(server: Server, hanging: bool) -> None:
    line = server.line()
    worker = server.worker_other_than()
    begin(line)
    if hanging:
        worker.suspend()
    server.kill()
    psutil.wait_procs([worker], timeout=10)
    assert not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE


def test_a_worker_killed_while_it_starts_is_started_again(tmp_path: Path) -> None:
    with serving(tmp_path / "store") as server:
        server.worker_other_than().kill()
        line = server.line()
        task_id = begin(line, 20)
        complete(line, task_id, 20)
