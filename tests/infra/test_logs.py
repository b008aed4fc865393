"""Log events are complete, without secrets, and never block."""

from __future__ import annotations

import io
import json
import logging
import threading
from collections.abc import Iterator

import pytest
import structlog

from recalld.infra import logs


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    own, root = logging.getLogger("recalld"), logging.getLogger()
    handlers, levels = root.handlers[:], (own.level, root.level)
    yield
    root.handlers[:] = handlers
    own.setLevel(levels[0])
    root.setLevel(levels[1])


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_an_event_is_one_json_line_with_level_time_and_request() -> None:
    stream = io.StringIO()
    log = logs.setup(json=True, stream=stream)
    with structlog.contextvars.bound_contextvars(request_id="r1"):
        logs.get_logger("recalld.x").info("found", hits=3)
    log.close()
    (line,) = lines(stream)
    assert (line["event"], line["level"], line["hits"], line["request_id"]) == ("found", "info", 3, "r1")
    assert str(line["timestamp"]).endswith("Z")


def test_secrets_are_hidden_however_deep_and_counts_are_not() -> None:
    nested = {"Authorization": "Bearer k", "list": [{"password": "p"}]}
    assert logs.redact({"api_key": "k", "nested": nested, "tokens": 7}) == {
        "api_key": "[hidden]",
        "nested": {"Authorization": "[hidden]", "list": [{"password": "[hidden]"}]},
        "tokens": 7,
    }


def test_an_exception_is_logged_with_its_traceback() -> None:
    stream = io.StringIO()
    log = logs.setup(json=True, stream=stream)
    try:
        raise ValueError("broken")
    except ValueError:
        logs.get_logger("recalld.x").exception("it failed")
    log.close()
    assert "ValueError: broken" in str(lines(stream)[0]["exception"])


def test_library_logs_go_to_the_same_stream() -> None:
    stream = io.StringIO()
    log = logs.setup(json=True, stream=stream)
    logging.getLogger("uvicorn").warning("slow %s", "start")
    log.close()
    assert [(x["event"], x["logger"]) for x in lines(stream)] == [("slow start", "uvicorn")]


def test_below_the_level_nothing_is_written() -> None:
    stream = io.StringIO()
    log = logs.setup(level="warning", json=True, stream=stream)
    logs.get_logger("recalld.x").info("quiet")
    logs.get_logger("recalld.x").warning("loud")
    log.close()
    assert [x["event"] for x in lines(stream)] == ["loud"]


class Stuck(io.StringIO):
    """A terminal that blocks until `go` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.entered = threading.Event()
        self.go = threading.Event()

    def write(self, text: str) -> int:
        self.entered.set()
        assert self.go.wait(10)
        return super().write(text)


def test_a_stuck_terminal_drops_and_counts_events_instead_of_blocking() -> None:
    stream = Stuck()
    log = logs.Logs(stream, json=True, queued_max=2)
    logging.getLogger().handlers[:] = [log.handler]
    logging.getLogger("recalld").setLevel(logging.INFO)
    logs.get_logger("recalld.x").info("first")
    assert stream.entered.wait(10)
    for number in range(5):
        logs.get_logger("recalld.x").info("more", number=number)
    assert log.handler.dropped == 3
    stream.go.set()
    log.close()
    assert [(line["level"], line["count"]) for line in lines(stream) if line["event"] == "log events dropped"] == [
        ("warning", 3)
    ]


class Hiccup(io.StringIO):
    """A terminal that fails once."""

    def __init__(self) -> None:
        super().__init__()
        self.failures = 1

    def write(self, text: str) -> int:
        if self.failures:
            self.failures -= 1
            raise BrokenPipeError
        return super().write(text)


def test_a_failed_write_loses_one_line() -> None:
    stream = Hiccup()
    log = logs.setup(json=True, stream=stream)
    logs.get_logger("recalld.x").info("lost")
    logs.get_logger("recalld.x").info("kept")
    log.close()
    assert [x["event"] for x in lines(stream)] == ["kept"]


def test_a_library_prints_nothing_by_itself(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        raise ValueError("broken")
    except ValueError:
        logs.get_logger("recalld.x").exception("it failed")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "")


def test_an_embedding_program_gets_failures_without_the_values_of_variables(
    caplog: pytest.LogCaptureFixture,
) -> None:
    try:
        headers = {"Authorization": "Bearer " + "k" * 12}
        raise ValueError(f"broken {len(headers)}")
    except ValueError:
        logs.get_logger("recalld.x").exception("it failed", job=7, api_key="k" * 12)
    (record,) = caplog.records
    assert record.exc_info is None
    assert record.getMessage().startswith("it failed job=7 api_key=[hidden]\nTraceback")
    assert "ValueError: broken 1" in record.getMessage()
    assert "k" * 12 not in record.getMessage()


def test_keys_in_exceptions_are_redacted() -> None:
    stream = io.StringIO()
    log = logs.setup(json=True, stream=stream)
    try:
        raise ValueError("Bearer " + "k" * 12)
    except ValueError:
        logs.get_logger("recalld.x").exception("it failed", error="api_key=" + "k" * 12)
    log.close()
    assert "ValueError" in stream.getvalue()
    assert "k" * 12 not in stream.getvalue()


def test_a_full_queue_and_a_stuck_terminal_do_not_hold_up_the_end() -> None:
    stream = Stuck()
    log = logs.Logs(stream, json=True, queued_max=1)
    for _ in range(3):
        log.handler.handle(logging.makeLogRecord({"msg": "x"}))
    log.close(wait_s=0.05)
    log.close()
    stream.go.set()


def test_values_are_formatted_by_the_thread_of_the_log() -> None:
    class Value:
        def __str__(self) -> str:
            threads.add(threading.current_thread())
            return "v"

    threads: set[threading.Thread] = set()
    stream = io.StringIO()
    log = logs.setup(json=True, stream=stream)
    logs.get_logger("recalld.x").info("event", value=Value())
    log.close()
    assert lines(stream)[0]["value"] == "v"
    assert threading.current_thread() not in threads
