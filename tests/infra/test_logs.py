"""Log events are written whole, without secrets, and never make anybody wait."""

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
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_an_event_is_one_json_line_with_level_time_and_request() -> None:
    stream = io.StringIO()
    log = logs.setup(json=True, stream=stream)
    with structlog.contextvars.bound_contextvars(request_id="r1"):
        structlog.get_logger("recalld.x").info("found", hits=3)
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
        structlog.get_logger().exception("it failed")
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
    structlog.get_logger().info("quiet")
    structlog.get_logger().warning("loud")
    log.close()
    assert [x["event"] for x in lines(stream)] == ["loud"]


class Stuck(io.StringIO):
    """A terminal that takes nothing until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.entered = threading.Event()
        self.go = threading.Event()

    def write(self, text: str) -> int:
        self.entered.set()
        assert self.go.wait(10)
        return super().write(text)


def test_a_stuck_terminal_drops_events_and_counts_them_instead_of_blocking() -> None:
    stream = Stuck()
    log = logs.Logs(stream, json=True, waiting_max=2)
    structlog.configure(processors=[log.take])
    structlog.get_logger().info("first")
    assert stream.entered.wait(10)
    for number in range(5):
        structlog.get_logger().info("more", number=number)
    assert log.dropped == 3
    stream.go.set()
    log.close()
    assert {"event": "log events dropped", "level": "warning", "count": 3} in lines(stream)


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


def test_a_write_that_fails_costs_its_line_and_no_other() -> None:
    stream = Hiccup()
    log = logs.setup(json=True, stream=stream)
    structlog.get_logger().info("lost")
    structlog.get_logger().info("kept")
    log.close()
    assert [x["event"] for x in lines(stream)] == ["kept"]


def test_a_library_prints_nothing_by_itself(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        raise ValueError("broken")
    except ValueError:
        logs.get_logger("recalld.x").exception("it failed")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "")


def test_an_embedding_program_hears_of_a_failure_without_the_values_of_variables(
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
