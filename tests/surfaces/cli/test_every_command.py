"""Every command against any server ends with a listed exit code and a message, or one line of JSON."""

from __future__ import annotations

import io
import json
import sys
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import typer

from recalld.surfaces.cli.main import app, main

LASTING = frozenset({"serve", "mcp", "top", "work"})
"""Commands that go on until they are stopped; each has tests of its own."""
LOCAL = frozenset({"agent", "config", "doctor", "fsck", "version"})
"""Commands that need no server."""
CODES = frozenset({0, 1, 2, 3, 4, 5, 6, 7, 8})
WORDS = {"uri": "viking://resources/a.md", "to": "viking://resources/b.md", "path": "a.md", "file": "a.ovpack"}
NEEDED = {
    "history restore": ["--at", "1h"],
    "history diff": ["--from", "1h"],
    "history purge": ["--yes"],
    "snapshot commit": ["-m", "x"],
    "snapshot ignore-set": ["--content", "*.tmp"],
    "write": ["--content", "x"],
    "export": ["--force"],
    "backup": ["--force"],
}
NOWHERE = "http://127.0.0.1:9"


def leaves(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name in group.list_commands(typer.Context(group)):
        if not path and name in LASTING:
            continue
        command = group.get_command(typer.Context(group), name)
        if hasattr(command, "list_commands"):
            yield from leaves(command, (*path, name))
        else:
            yield (*path, name), command


COMMANDS = dict(leaves(typer.main.get_group(app)))


def words(path: tuple[str, ...], odd: str = "x1") -> list[str]:
    """A call of a command with all its arguments."""
    arguments = [WORDS.get(p.name, odd) for p in COMMANDS[path].params if p.param_type_name == "argument"]
    arguments = ["folder"] if path[0] == "import-openviking" else arguments
    return [*path, *arguments, *NEEDED.get(" ".join(path), [])]


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("RECALLD_USER", "RECALLD_ACCOUNT", "RECALLD_API_KEY", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RECALLD_STORE__PATH", str(tmp_path / "data"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("recalld.surfaces.client.http_connection.CONNECT_PAUSE_S", 0.0)
    (tmp_path / "a.md").write_text("---\nname: x1\ndescription: d\n---\n# a\n\ntext\n")
    zipfile.ZipFile(tmp_path / "a.ovpack", "w").close()
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a.md").write_text("text")


class Ended:
    """How a command ended: its code, and all that it printed."""

    def __init__(self, code: int, out: bytes, err: bytes) -> None:
        self.code, self.out, self.err = code, out, err


def ended(arguments: list[str], monkeypatch: pytest.MonkeyPatch, encoding: str = "utf-8") -> Ended:
    out, err = io.BytesIO(), io.BytesIO()
    with monkeypatch.context() as streams:
        streams.setattr(sys, "stdout", io.TextIOWrapper(out, encoding=encoding, write_through=True))
        streams.setattr(sys, "stderr", io.TextIOWrapper(err, encoding=encoding, write_through=True))
        streams.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO()))
        try:
            code = main(arguments)
        except SystemExit as end:
            code = int(end.code or 0)
        sys.stdout.flush()
        return Ended(code, out.getvalue(), err.getvalue())


def check(run: Ended, *, as_json: bool) -> None:
    assert run.code in CODES
    assert b"Traceback" not in run.out + run.err
    if as_json:
        assert run.out.count(b"\n") == 1
        assert json.loads(run.out)["ok"] is (run.code == 0)


@pytest.mark.parametrize("as_json", [False, True], ids=["words", "json"])
@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_without_a_server(path: tuple[str, ...], as_json: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECALLD_URL", NOWHERE)
    run = ended([*words(path), *(["--json"] if as_json else [])], monkeypatch)
    check(run, as_json=as_json)
    if path[0] not in LOCAL:
        # These read a file before they call a server.
        assert run.code == {"import-openviking": 2, "eval": 3}.get(path[0], 6)


@pytest.mark.parametrize("encoding", ["ascii", "gbk"])
@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_on_a_console_that_lacks_characters(
    path: tuple[str, ...], encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RECALLD_URL", NOWHERE)
    check(ended(words(path, "蓝 é\udcff🚪"), monkeypatch, encoding), as_json=False)
    check(ended([*words(path, "蓝 é\udcff🚪"), "--json"], monkeypatch, encoding), as_json=True)


ANSWERS = {
    "page": b"<html>welcome</html>",
    "null": b'{"status": "ok", "result": null, "error": null}',
    "list": b'{"status": "ok", "result": [1, "a", null], "error": null}',
}


@pytest.fixture(scope="module")
def foreign_server() -> Iterator[ThreadingHTTPServer]:
    """A server of another kind: it gives one answer to everything."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(self.server.body)))  # type: ignore[attr-defined]
            self.end_headers()
            self.wfile.write(self.server.body)  # type: ignore[attr-defined]

        do_POST = do_PUT = do_DELETE = do_PATCH = do_GET

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("path", [path for path in COMMANDS if path[0] not in LOCAL], ids=" ".join)
def test_with_a_server_of_another_kind(
    path: tuple[str, ...], answer: str, foreign_server: ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    foreign_server.body = ANSWERS[answer]  # type: ignore[attr-defined]
    monkeypatch.setenv("RECALLD_URL", f"http://127.0.0.1:{foreign_server.server_port}")
    monkeypatch.setattr("recalld.surfaces.client.verbs.POLL_S", (0.0,))
    check(ended(words(path), monkeypatch), as_json=False)
    check(ended([*words(path), "--json"], monkeypatch), as_json=True)


@pytest.mark.parametrize(
    "url",
    ["nonsense://x", "http://", "http://[::1", "http://h:99999", "http://h:0", "http://exa mple", "http://a\x00b",
     "http://a\r\nb", "\udcff", "http://\udcff", "http://h:" + "9" * 5_000, " ", "//", "http://a\u2028b"],
    ids=ascii,
)  # fmt: skip
def test_invalid_urls_are_refused_in_one_line(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run = ended(["ls", "--url", url, "--json"], monkeypatch)
    check(run, as_json=True)
    assert (run.code, len(run.out) < 1_000) == (2, True)


def test_a_password_in_an_address_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    run = ended(["ls", "--url", "http://ana:hemlock@127.0.0.1:9"], monkeypatch)
    assert (run.code, b"hemlock" in run.out + run.err, b"RECALLD_API_KEY" in run.err) == (2, False, True)
