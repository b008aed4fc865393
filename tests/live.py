"""A real ``recalld serve`` process for tests: on a free port over a folder, used over HTTP, killed at will."""

from __future__ import annotations

import http.client
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import psutil

API = "/api/v1"
GIVE_UP_S = 60.0
_URL = re.compile(r'"url":"http://127\.0\.0\.1:(\d+)"')
QUIET = {"RECALLD_EMBEDDER__PROVIDER": "none", "RECALLD_LOG__FORMAT": "json"}
"""No vectors: what is proved here does not depend on them, and every start is quicker."""


class Gone(Exception):
    """No answer came: whether the request was done is not known."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, body as JSON, headers in lower case."""

    status: int
    body: Any
    headers: Mapping[str, str]

    @property
    def result(self) -> Any:
        """The envelope's result; a refusal fails the test."""
        assert self.status == 200, f"{self.status}: {self.body}"
        return self.body["result"]

    @property
    def code(self) -> str:
        """The envelope's error code."""
        return str(self.body["error"]["code"])


class Line:
    """One kept-alive connection. Not for two threads at once."""

    def __init__(self, port: int, timeout_s: float = GIVE_UP_S, user: str = "") -> None:
        self._http = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)
        self._always = {"X-OpenViking-User": user} if user else {}
        self.headers: dict[str, str] = {}

    def ask(self, method: str, path: str, body: object = None, **query: object) -> Answer:
        """One request, never repeated. Raises ``Gone`` if the answer does not come whole."""
        data, kind = (body, "") if isinstance(body, bytes) else (json.dumps(body).encode(), "application/json")
        return self.send(method, path, None if body is None else data, kind, **query)

    def send(self, method: str, path: str, data: bytes | None, kind: str, **query: object) -> Answer:
        """The same with bytes of any kind."""
        where = (path if path.startswith(("/health", "/ready")) else API + path) + (
            "?" + urlencode(query) if query else ""
        )
        headers = self._always | self.headers | ({"Content-Type": kind} if kind else {})
        try:
            self._http.request(method, where, data, headers)
            answer = self._http.getresponse()
            raw = answer.read()
        except (OSError, http.client.HTTPException) as cut:
            self._http.close()
            raise Gone(f"{method} {path}: {cut!r}") from cut
        header_values = {name.lower(): value for name, value in answer.getheaders()}
        return Answer(answer.status, json.loads(raw) if raw else None, header_values)

    def upload(self, name: str, data: bytes) -> str:
        """temp_upload; returns the id."""
        edge = "recalld-live-edge"
        head = f'--{edge}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
        whole = head.encode() + data + f"\r\n--{edge}--\r\n".encode()
        kind = f"multipart/form-data; boundary={edge}"
        return str(self.send("POST", "/resources/temp_upload", whole, kind).result["temp_file_id"])

    def read(self, uri: str) -> str | None:
        """A file's text; None if it is not there."""
        got = self.ask("GET", "/content/read", uri=uri)
        return None if got.status == 404 else str(got.result)

    def files(self, uri: str) -> dict[str, str]:
        """Every file below ``uri`` with its text, by path; {} if ``uri`` is not there."""
        got = self.ask("GET", "/fs/tree", uri=uri, node_limit=100_000, level_limit=30)
        if got.status == 404:
            return {}
        paths = [row["rel_path"] for row in got.result if not row["isDir"]]
        return {path: self.read(f"{uri}/{path}") or "" for path in paths}

    def found(self, query: str, limit: int = 10, **more: object) -> list[str]:
        """Addresses of hits."""
        got = self.ask("POST", "/search/find", {"query": query, "limit": limit, **more}).result
        return [hit["uri"] for kind in ("memories", "resources", "skills") for hit in got[kind]]

    def settle(self, timeout_s: float = 120) -> None:
        """Until this user's background work is done."""
        assert self.ask("POST", "/system/wait", {"timeout": timeout_s}).status == 200

    def close(self) -> None:
        """Hang up."""
        self._http.close()


class Server:
    """A running server. ``ready_s`` and ``polls``: how long and how many questions until /ready said yes."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path, log_from: int) -> None:
        self.process = process
        self.log = log
        self._log_from = log_from
        self.port = 0
        self.ready_s = 0.0
        self.polls = 0

    @property
    def pid(self) -> int:
        return self.process.pid

    def output(self) -> str:
        """What this server has logged."""
        with self.log.open("rb") as file:
            file.seek(self._log_from)
            return file.read().decode(errors="replace")

    def line(self, user: str = "", timeout_s: float = GIVE_UP_S) -> Line:
        return Line(self.port, timeout_s, user)

    def worker(self) -> psutil.Process | None:
        """The process beside it, if it is there and alive."""
        try:
            found = psutil.Process(self.pid).children()
            alive = [child for child in found if child.status() != psutil.STATUS_ZOMBIE]
        except psutil.NoSuchProcess:
            return None
        return alive[0] if alive else None

    def worker_other_than(self, pid: int = 0, within_s: float = GIVE_UP_S) -> psutil.Process:
        """Wait for a worker that is not ``pid``."""
        end = time.monotonic() + within_s
        while time.monotonic() < end:
            worker = self.worker()
            if worker is not None and worker.pid != pid:
                return worker
            time.sleep(0.02)
        raise AssertionError(f"no other worker than {pid} in {within_s} s:\n{self.output()[-3_000:]}")

    def kill(self) -> None:
        """SIGKILL, and wait until it has gone."""
        self.process.kill()
        self.process.wait()

    def stop(self, within_s: float = 30) -> int:
        """SIGTERM; its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(within_s)

    def await_port(self, begun: float | None = None) -> None:
        """Until it has said where it listens."""
        begun = time.monotonic() if begun is None else begun
        while not (found := _URL.search(self.output())):
            self._still_alive(begun)
            time.sleep(0.005)
        self.port = int(found[1])

    def await_ready(self, begun: float) -> None:
        """Poll /ready every 5 ms."""
        self.await_port(begun)
        line = self.line()
        while True:
            self.polls += 1
            try:
                if line.ask("GET", "/ready").status == 200:
                    break
            except Gone:
                pass  # a kept connection may be closed on a machine that stood still for seconds: ask on a new one
            self._still_alive(begun)
            time.sleep(0.005)
        line.close()
        self.ready_s = time.monotonic() - begun

    def _still_alive(self, begun: float) -> None:
        if self.process.poll() is not None:
            raise AssertionError(f"the server left with {self.process.returncode}:\n{self.output()[-3_000:]}")
        if time.monotonic() - begun > GIVE_UP_S:
            raise AssertionError(f"the server is not ready after {GIVE_UP_S} s:\n{self.output()[-3_000:]}")


def launch(data: Path, *, wait: bool = True, port: int = 0, **environment: str) -> Server:
    """Start a server over ``data``; its log goes to ``data``.log. The caller kills or stops it."""
    log = data.with_name(data.name + ".log")
    command = [sys.executable, "-m", "recalld", "serve", "--data", str(data), "--port", str(port)]
    begun = time.monotonic()
    with log.open("ab") as out:
        log_from = out.tell()
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=data.parent,
            env={**os.environ, **QUIET, **environment},
        )  # fmt: skip
    server = Server(process, log, log_from)
    try:
        if wait:
            server.await_ready(begun)
    except BaseException:
        server.kill()
        raise
    return server


@contextmanager
def serving(data: Path, *, wait: bool = True, **environment: str) -> Iterator[Server]:
    """A server for the block; what is left of it at the end is killed."""
    server = launch(data, wait=wait, **environment)
    try:
        yield server
    finally:
        server.kill()


def doctor(data: Path) -> dict[str, Any]:
    """What ``recalld doctor --json`` says of a stopped folder's store."""
    command = [sys.executable, "-m", "recalld", "doctor", "--json", "--data", str(data)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=120, env={**os.environ, **QUIET}, check=False
    )
    report = json.loads(done.stdout)
    return {"exit": done.returncode, **report}


def zipped(files: Mapping[str, str]) -> bytes:
    """A zip of texts by path."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return out.getvalue()


def quoted(text: str) -> str:
    """As part of a path."""
    return quote(text, safe="")
