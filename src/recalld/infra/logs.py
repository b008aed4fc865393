"""Logs that never hold a request up: events go to a bounded queue, one strand renders and writes them.

Every module logs through ``get_logger(name)``. A program of ours (``recalld serve``, its worker) calls ``setup``; without it,
as in a program that embeds the engine, events go to the standard library's logger of that name, which prints nothing until
that program configures it. A surface binds ``request_id`` with ``structlog.contextvars.bound_contextvars``. What does not fit
into the queue is dropped and counted, and the count is written as soon as there is room.
"""

from __future__ import annotations

import logging
import queue
import re
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager, suppress
from typing import Any, TextIO

import orjson
import structlog

from recalld.rules.redact import hidden

from .thread_pool import DaemonThread

WAITING_MAX = 10_000
VALUE_CHARS_MAX = 10_000
_SECRET = re.compile(
    r"(api|root|user|private)[_-]?key|passw|secret|authorization|cookie|credential|(^|[_-])token$", re.IGNORECASE
)
_HIDDEN = "[hidden]"
_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


_in_use: list[Logs] = []
"""The process's log, once ``setup`` was called and until it is closed."""


class Logger:
    """Events of one part of the program, each a sentence and facts. ``exc_info``: an exception, or True for the current one."""

    def __init__(self, name: str) -> None:
        self._name = name

    def debug(self, event: str, **facts: Any) -> None:
        """For debugging."""
        self._log("debug", event, facts)

    def info(self, event: str, **facts: Any) -> None:
        """Normal operation."""
        self._log("info", event, facts)

    def warning(self, event: str, **facts: Any) -> None:
        """Something is wrong; work continues."""
        self._log("warning", event, facts)

    def error(self, event: str, **facts: Any) -> None:
        """Something failed."""
        self._log("error", event, facts)

    def exception(self, event: str, **facts: Any) -> None:
        """Something failed with the exception that is being handled."""
        self._log("error", event, {"exc_info": True, **facts})

    def _log(self, level: str, event: str, facts: dict[str, Any]) -> None:
        if _in_use:
            getattr(structlog.get_logger(self._name), level)(event, **facts)
            return
        library = logging.getLogger("recalld")
        if not library.handlers:
            library.addHandler(logging.NullHandler())
        logger = logging.getLogger(self._name)
        if logger.isEnabledFor(_LEVELS[level]):
            logger.log(_LEVELS[level], "%s", _as_text(event, facts))


def get_logger(name: str) -> Logger:
    """The logger of one part, by its dotted name."""
    return Logger(name)


def _as_text(event: str, facts: dict[str, Any]) -> str:
    """One record's text. Its traceback is text as well: a handler that draws the values of variables would draw keys."""
    failure = facts.pop("exc_info", None)
    failure = sys.exc_info()[1] if failure is True else failure
    line = " ".join([event, *(f"{key}={value}" for key, value in redact(facts).items())])
    return line if failure is None else f"{line}\n{_trace(failure)}"


def _trace(failure: BaseException) -> str:
    return hidden("".join(traceback.format_exception(failure)).rstrip())


class Logs:
    """The process's log. ``setup`` makes it the one structlog and the standard library write to."""

    def __init__(self, stream: TextIO, *, json: bool, waiting_max: int = WAITING_MAX) -> None:
        self._queue: queue.Queue[MutableMapping[str, Any] | None] = queue.Queue(waiting_max)
        self._dropped = 0
        self._written = 0
        self._stream = stream
        self._render = _as_json if json else structlog.dev.ConsoleRenderer(colors=stream.isatty())
        self._thread = DaemonThread("logs", self._work)

    @property
    def dropped(self) -> int:
        """Events that found the queue full, since the start."""
        return self._dropped

    def take(self, _logger: object, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """Last structlog processor: hand the event over, never wait."""
        if event.get("exc_info") is True:
            # The exception is only known here and now; its text is made by the strand.
            event["exc_info"] = sys.exc_info()
        try:
            self._queue.put_nowait(event)
        except queue.Full:
            self._dropped += 1
        raise structlog.DropEvent

    def close(self, wait_s: float = 2.0) -> None:
        """Write what waits, then stop. Harmless when called twice."""
        with suppress(queue.Full):
            self._queue.put_nowait(None)
        self._thread.stop(wait_s)
        if self in _in_use:
            _in_use.remove(self)

    def _work(self, stopping: threading.Event) -> None:
        reported = 0
        while True:
            try:
                event = self._queue.get(timeout=0.5)
            except queue.Empty:
                if stopping.is_set():
                    return
                continue
            if event is None:
                return
            self._write(event)
            if self._dropped > reported:
                self._write({"event": "log events dropped", "level": "warning", "count": self._dropped - reported})
                reported = self._dropped

    def _write(self, event: MutableMapping[str, Any]) -> None:
        cleaned = redact(structlog.processors.format_exc_info(None, "", event))
        for key in ("exception", "error"):
            if isinstance(cleaned.get(key), str):
                cleaned[key] = hidden(cleaned[key])
        try:
            self._stream.write(str(self._render(None, "", cleaned)) + "\n")
            self._stream.flush()
        except (OSError, ValueError, TypeError):
            return  # the terminal has gone, or a value cannot be rendered: a log line is not worth a crash


class Bridge(logging.Handler):
    """Takes what libraries log through the standard library into the same queue."""

    def __init__(self, logs: Logs) -> None:
        super().__init__()
        self._logs = logs

    def emit(self, record: logging.LogRecord) -> None:
        """Turn a record into an event."""
        event: MutableMapping[str, Any] = {
            "event": record.getMessage(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "timestamp": _stamp(),
        }
        if record.exc_info:
            event["exc_info"] = record.exc_info
        try:
            self._logs.take(None, "", structlog.contextvars.merge_contextvars(None, "", event))
        except structlog.DropEvent:
            return


CHATTY = ("httpx2", "httpcore2")
"""Libraries that would write a line for every call to a provider."""


def setup(*, level: str = "info", json: bool = False, stream: TextIO | None = None) -> Logs:
    """Route structlog and the standard library through one ``Logs``. ``level``: debug, info, warning, error."""
    logs = Logs(stream or sys.stderr, json=json)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            _add_stamp,
            logs.take,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=_factory,
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    root.handlers[:] = [Bridge(logs)]
    root.setLevel(max(_LEVELS[level], logging.INFO))
    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
    _in_use[:] = [logs]
    return logs


@contextmanager
def on_stderr(level: str = "warning") -> Iterator[None]:
    """For a command that opens a store: what is logged meanwhile goes to stderr, since stdout is for its answer."""
    root, before = logging.getLogger(), structlog.get_config()
    handlers, root_level = root.handlers[:], root.level
    logs = setup(level=level)
    try:
        yield
    finally:
        logs.close()
        structlog.configure(**before)
        root.handlers[:] = handlers
        root.setLevel(root_level)


def redact(event: Mapping[str, Any], depth_max: int = 4) -> dict[str, Any]:
    """A copy whose secrets are hidden, told by their keys, at most ``depth_max`` levels deep; long texts are cut."""
    return {
        str(key): _HIDDEN if value and _SECRET.search(str(key)) else _clean(value, depth_max)
        for key, value in event.items()
    }


def _clean(value: Any, depth_max: int) -> Any:
    if isinstance(value, Mapping):
        return redact(value, depth_max - 1) if depth_max > 0 else "{...}"
    if isinstance(value, list | tuple):
        return [_clean(item, depth_max - 1) for item in value] if depth_max > 0 else "[...]"
    if isinstance(value, str) and len(value) > VALUE_CHARS_MAX:
        return value[:VALUE_CHARS_MAX] + "..."
    return value


def _as_json(_logger: object, _name: str, event: Mapping[str, Any]) -> str:
    return orjson.dumps(event, default=str, option=orjson.OPT_NON_STR_KEYS).decode()


def _add_stamp(_logger: object, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    event["timestamp"] = _stamp()
    return event


def _stamp() -> str:
    now = time.time()
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now % 1 * 1000):03d}Z"


def _factory(*names: str) -> structlog.PrintLogger:
    # Never printed through: take() ends the chain.
    return structlog.PrintLogger(sys.stderr)
