"""A server of canned answers that records the requests it gets."""

from __future__ import annotations

import json
import threading
from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class RecordedRequest:
    """One request as it arrived."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    raw: bytes

    @property
    def body(self) -> Any:
        return json.loads(self.raw) if self.raw else None


@dataclass
class Canned:
    """One answer. ``drop``: cut the connection instead."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    drop: bool = False


class Wire:
    """Answers are given in the order they were put, the last one for ever; unknown routes are 404."""

    def __init__(self) -> None:
        self.requests: list[RecordedRequest] = []
        self.url = ""
        self._answers: dict[tuple[str, str], deque[Canned]] = defaultdict(deque)

    def put(self, route: str, *answers: Canned) -> None:
        method, path = route.split(" ")
        self._answers[method, path].extend(answers)

    def ok(self, route: str, result: Any = None, **headers: str) -> None:
        """An enveloped answer; header names are written with _ for -."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.put(route, Canned(200, {"status": "ok", "result": result, "error": None}, named))

    def fail(self, route: str, status: int, code: str, message: str = "no", **details: Any) -> None:
        error = {"code": code, "message": message, "details": details}
        self.put(route, Canned(status, {"status": "error", "error": error}))

    def answer(self, request: RecordedRequest) -> Canned:
        self.requests.append(request)
        waiting = self._answers.get((request.method, request.path))
        if not waiting:
            error = {"code": "NOT_FOUND", "message": f"no route {request.path}"}
            return Canned(404, {"status": "error", "error": error})
        return waiting.popleft() if len(waiting) > 1 else waiting[0]

    @property
    def last(self) -> RecordedRequest:
        return self.requests[-1]


@contextmanager
def serving() -> Iterator[Wire]:
    wire = Wire()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def respond(self) -> None:
            parts = urlsplit(self.path)
            query = {key: values[0] for key, values in parse_qs(parts.query, keep_blank_values=True).items()}
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            canned = wire.answer(RecordedRequest(self.command, parts.path, query, dict(self.headers), raw))
            if canned.drop:
                self.close_connection = True
                return
            data = canned.body if isinstance(canned.body, bytes) else json.dumps(canned.body).encode()
            self.send_response(canned.status)
            for name, value in {"Content-Length": str(len(data)), **canned.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_DELETE = do_PUT = respond

        def log_message(self, format: str, *args: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    wire.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield wire
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
