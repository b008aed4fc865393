"""Logs that do not block the event loop: records go to a bounded queue, and one thread formats and writes them.

Modules log through ``get_logger(name)``: a standard logger whose keyword arguments are facts of the event. A program of ours
(``recalld serve``, its worker) calls ``setup``. Without it, as in a program that embeds the engine, records go to the
handlers of that program, and nothing is printed if it has none. A surface binds ``request_id`` with
``structlog.contextvars.bound_contextvars``. Records that do not fit into the queue are dropped, and their number is logged.
"""

from __future__ import annotations

import logging
import queue
import re
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from logging.handlers import QueueHandler, QueueListener
from typing import Any, TextIO, cast

import orjson
import structlog

from recalld.rules.redact import hidden

QUEUED_MAX = 10_000
VALUE_CHARS_MAX = 10_000
_SECRET = re.compile(
    r"(api|root|user|private)[_-]?key|passw|secret|authorization|cookie|credential|(^|[_-])token$", re.IGNORECASE
)
_Queue = queue.Queue[logging.LogRecord | None]
_HIDDEN = "[hidden]"
VERBOSE_LIBRARIES = ("httpx2", "httpcore2")
"""Libraries that log a line for every call to a provider."""


@dataclass(frozen=True, slots=True, repr=False)
class Event:
    """The message of a record: a sentence, facts and the exception. It becomes text where a handler formats it."""

    name: str
    facts: Mapping[str, Any]
    failure: BaseException | None = None

    def __str__(self) -> str:
        # A handler of another program gets the traceback as text too: one that prints local variables would print keys.
        line = " ".join([self.name, *(f"{key}={value}" for key, value in redact(self.facts).items())])
        return line if self.failure is None else f"{line}\n{_trace(self.failure)}"

    __repr__ = __str__


class Logger(logging.LoggerAdapter[logging.Logger]):
    """A logger of facts: ``log.info("worker started", pid=7)``. ``exc_info``: an exception, or True for the current one."""

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        """Put the facts into the message."""
        failure = kwargs.pop("exc_info", None)
        return Event(msg, kwargs, sys.exc_info()[1] if failure is True else failure), {}


def get_logger(name: str) -> Logger:
    """The logger of one part, by its dotted name. It prints nothing by itself."""
    logger = logging.getLogger(name)
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
    return Logger(logger)


class _NonBlockingHandler(QueueHandler):
    """Queues records; drops and counts them if the queue is full."""

    dropped = 0

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        """Add the context of the caller. The text is made by the listener's thread."""
        event = record.msg
        if not isinstance(event, Event):
            event = Event(record.getMessage(), {}, record.exc_info[1] if record.exc_info else None)
        record.msg = Event(event.name, {**structlog.contextvars.get_contextvars(), **event.facts}, event.failure)
        record.args = None
        return record

    def enqueue(self, record: logging.LogRecord) -> None:
        """Never wait."""
        try:
            self.queue.put_nowait(record)
        except queue.Full:
            self.dropped += 1


class _Listener(QueueListener):
    """Writes queued records, and how many were dropped."""

    def __init__(self, source: _NonBlockingHandler, queued: _Queue, output: logging.Handler) -> None:
        super().__init__(queued, output)
        self._source, self._queued = source, queued
        self._reported = 0

    def handle(self, record: logging.LogRecord) -> None:
        """Write a record."""
        super().handle(record)
        count = self._source.dropped - self._reported
        if count:
            self._reported += count
            dropped = Event("log events dropped", {"count": count})
            super().handle(logging.makeLogRecord({"msg": dropped, "levelname": "WARNING", "name": __name__}))

    def enqueue_sentinel(self) -> None:
        """Wait for space in the queue: ``Logs.close`` calls this on a thread."""
        self._queued.put(None)


class _Output(logging.StreamHandler[TextIO]):
    """Writes lines. A failure (a closed terminal, a value that cannot be formatted) costs its own line only."""

    def __init__(self, stream: TextIO, *, json: bool) -> None:
        super().__init__(stream)
        self._render: Callable[[Any, str, dict[str, Any]], Any] = (
            _as_json if json else structlog.dev.ConsoleRenderer(colors=stream.isatty())
        )

    def format(self, record: logging.LogRecord) -> str:
        """One line, secrets hidden."""
        stamp = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        event = cast("Event", record.msg)
        standard = {"event": event.name, "level": record.levelname.lower(), "logger": record.name, "timestamp": stamp}
        trace = {} if event.failure is None else {"exception": _trace(event.failure)}
        return str(self._render(None, "", {**redact(event.facts), **trace, **standard}))

    def handleError(self, record: logging.LogRecord) -> None:
        """Drop the line."""


class Logs:
    """The log of a process."""

    def __init__(self, stream: TextIO, *, json: bool, queued_max: int = QUEUED_MAX) -> None:
        queued: _Queue = queue.Queue(queued_max)
        self.handler = _NonBlockingHandler(queued)
        self._listener: _Listener | None = _Listener(self.handler, queued, _Output(stream, json=json))
        self._listener.start()

    def close(self, wait_s: float = 2.0) -> None:
        """Write what is queued, then stop; a stream that takes nothing for ``wait_s`` loses the rest. May be called twice."""
        if self._listener is not None:
            stopping = threading.Thread(target=self._listener.stop, daemon=True)
            self._listener = None
            stopping.start()
            stopping.join(wait_s)


def setup(*, level: str = "info", json: bool = False, stream: TextIO | None = None) -> Logs:
    """Send every record of the process to one ``Logs``. ``level``: debug, info, warning, error; libraries log from info on."""
    logs = Logs(stream or sys.stderr, json=json)
    own, root = logging.getLogger("recalld"), logging.getLogger()
    own.setLevel(level.upper())
    root.setLevel(max(own.level, logging.INFO))
    root.handlers[:] = [logs.handler]
    for name in VERBOSE_LIBRARIES:
        logging.getLogger(name).setLevel(logging.WARNING)
    return logs


@contextmanager
def on_stderr(level: str = "warning") -> Iterator[None]:
    """Log to stderr meanwhile: for commands that open a store, whose stdout is for the answer."""
    own, root = logging.getLogger("recalld"), logging.getLogger()
    handlers, levels = root.handlers[:], (own.level, root.level)
    logs = setup(level=level)
    try:
        yield
    finally:
        logs.close()
        root.handlers[:] = handlers
        own.setLevel(levels[0])
        root.setLevel(levels[1])


def redact(facts: Mapping[str, Any], depth_max: int = 4) -> dict[str, Any]:
    """A copy without secrets, at most ``depth_max`` levels deep; long texts are truncated. Errors may quote a key."""
    return {
        str(key): _HIDDEN
        if value and _SECRET.search(str(key))
        else hidden(value)
        if key == "error" and isinstance(value, str)
        else _clean(value, depth_max)
        for key, value in facts.items()
    }


def _clean(value: Any, depth_max: int) -> Any:
    if isinstance(value, Mapping):
        return redact(value, depth_max - 1) if depth_max > 0 else "{...}"
    if isinstance(value, list | tuple):
        return [_clean(item, depth_max - 1) for item in value] if depth_max > 0 else "[...]"
    if isinstance(value, str) and len(value) > VALUE_CHARS_MAX:
        return value[:VALUE_CHARS_MAX] + "..."
    return value


def _trace(failure: BaseException) -> str:
    return hidden("".join(traceback.format_exception(failure)).rstrip())


def _as_json(_logger: object, _name: str, values: Mapping[str, Any]) -> str:
    return orjson.dumps(values, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
