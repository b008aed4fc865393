"""Odd arguments and input: decoded, or refused with a message before a request."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest

from recalld.surfaces.cli.main import main
from tests.surfaces.recording_server import Canned, Wire, serving

APPENDED = {"session_id": "x", "message_count": 1, "pending_tokens": 1, "added": 1}
HITS = {
    "memories": [],
    "skills": [],
    "total": 1,
    "resources": [
        {
            "context_type": "resource",
            "uri": "viking://resources/蓝.md",
            "level": 2,
            "score": 0.8,
            "abstract": "蓝色按钮 – „blau“",
            "tags": [],
        }
    ],
}
NOTHING = {"memories": [], "resources": [], "skills": [], "total": 0}


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Iterator[Wire]:
    with serving() as wire:
        for name in ("RECALLD_USER", "RECALLD_ACCOUNT", "RECALLD_API_KEY", "FORCE_COLOR"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("RECALLD_URL", wire.url)
        yield wire


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    def run(*words: str) -> tuple[int, str]:
        try:
            code = main(words)
        except SystemExit as ended:
            code = int(ended.code or 0)
        printed = capsys.readouterr()
        return code, printed.out + printed.err

    return run


@pytest.mark.parametrize("session", ["会话一", "séance", "a b", "a%2Fb?c#d", "50%"])
def test_a_session_id_in_any_script_reaches_the_server_whole(
    wire: Wire, run: Callable[..., tuple[int, str]], session: str
) -> None:
    assert run("session", "append", session, "你好")[0] == 3  # this server knows no session
    assert unquote(wire.last.path) == f"/api/v1/sessions/{session}/messages/batch"


def test_a_decomposed_session_id_is_sent_composed(wire: Wire, run: Callable[..., tuple[int, str]]) -> None:
    run("session", "show", "se\u0301ance")
    assert unquote(wire.last.path) == "/api/v1/sessions/s\u00e9ance"


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (("session", "append", "a/b", "hi"), "session_id"),
        (("session", "append", "", "hi"), "session_id"),
        (("session", "show", ".."), "session_id"),
        (("task", "show", "../x"), "task id"),
        (("session", "append", "trip", "hi", "--at", "yesterday"), "--at"),
        (("session", "append", "trip", "hi", "--at", "2026-13-45"), "--at"),
        (("session", "append", "trip", "hi", "--role", "robot"), "--role"),
        (("session", "append", "trip", "   "), "empty"),
        (("find", ""), "empty"),
        (("find", "x", "--type", "banana"), "--type"),
        (("find", "x", "--threshold", "5"), "threshold"),
        (("find", "x", "--level", "7"), "level"),
        (("ls", "--user", "陈"), "user"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_invalid_arguments_are_refused_before_a_request(
    wire: Wire, run: Callable[..., tuple[int, str]], words: tuple[str, ...], names: str
) -> None:
    code, output = run(*words)
    assert (code, wire.requests) == (2, [])
    assert names in output
    assert "Traceback" not in output


@pytest.mark.parametrize("at", ["2026-05-01", "2026-05-01T10:00:00+08:00", "1709632800"])
def test_times_that_are_times_are_sent(wire: Wire, run: Callable[..., tuple[int, str]], at: str) -> None:
    wire.ok("POST /api/v1/sessions/trip/messages/batch", APPENDED)
    assert run("session", "append", "trip", "hi", "--at", at)[0] == 0
    assert wire.last.body["messages"][0]["created_at"] == at


def test_unreadable_times_are_reported(wire: Wire, run: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    wire.ok("POST /api/v1/sessions/trip/messages/batch", APPENDED | {"unread_created_at": ["soon"]})
    (tmp_path / "talk.jsonl").write_text('{"role": "user", "content": "x", "created_at": "soon"}')
    code, output = run("session", "append", "trip", "--from-file", str(tmp_path / "talk.jsonl"))
    assert (code, "'soon' is not a time" in output) == (0, True)


@pytest.mark.parametrize(
    "data",
    [
        b'\xef\xbb\xbf[{"role": "user", "content": "caf\xc3\xa9"}]',
        '[{"role": "user", "content": "café"}]'.encode("utf-16"),
        '{"role": "user", "content": "café"}'.encode("cp1252"),
        '{\n "messages": [\n {"role": "user", "content": "café"}]}'.encode(),
        '{"role": "user", "content": "café"}\r\n\r\n'.encode(),
        '{"messages": [{"role": "user", "content": "café"}]}'.encode(),
        '{"role": "user",\n "content": "café"}'.encode(),
    ],
)
def test_files_of_messages_are_read_as_editors_and_shells_save_them(
    wire: Wire, run: Callable[..., tuple[int, str]], tmp_path: Path, data: bytes
) -> None:
    wire.ok("POST /api/v1/sessions/trip/messages/batch", APPENDED)
    (tmp_path / "talk.json").write_bytes(data)
    assert run("session", "append", "trip", "--from-file", str(tmp_path / "talk.json"))[0] == 0
    assert [m["content"] for m in wire.last.body["messages"]] == ["café"]


@pytest.mark.parametrize("text", ['{\n "sessions": []\n}', '{"sessions": []}', "{", "[1]"])
def test_a_file_without_messages_is_refused_before_it_is_sent(
    wire: Wire, run: Callable[..., tuple[int, str]], tmp_path: Path, text: str
) -> None:
    (tmp_path / "talk.json").write_text(text)
    code, output = run("session", "append", "trip", "--from-file", str(tmp_path / "talk.json"))
    assert (code, wire.requests, "talk.json holds" in output) == (2, [], True)


@pytest.mark.parametrize("words", [("import", "viking://resources/x"), ("restore",), ("import-openviking",)])
@pytest.mark.parametrize("name", ["passwd", "nothing"])
def test_files_other_than_packs_are_refused_by_name(
    wire: Wire, run: Callable[..., tuple[int, str]], tmp_path: Path, words: tuple[str, ...], name: str
) -> None:
    (tmp_path / "passwd").write_text("root:x:0:0")
    code, output = run(words[0], str(tmp_path / name), *words[1:])
    assert (code, wire.requests, str(tmp_path / name) in output) == (2, [], True)


def test_status_works_with_the_root_key(wire: Wire, run: Callable[..., tuple[int, str]]) -> None:
    wire.put("GET /ready", Canned(200, {"status": "ready", "state": "ready"}))
    wire.put("GET /health", Canned(200, {"status": "ok", "healthy": True, "version": "1.2.3"}))
    wire.ok("GET /api/v1/system/status", {"initialized": True, "user": "default"})
    wire.fail("GET /api/v1/debug/vector/count", 403, "PERMISSION_DENIED")
    code, output = run("status")
    assert (code, "1.2.3" in output) == (0, True)


def test_stdin_that_is_not_utf8_is_appended(
    wire: Wire, run: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    wire.ok("POST /api/v1/sessions/trip/messages/batch", APPENDED)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("Größe überprüft".encode("cp1252"))))
    assert run("session", "append", "trip")[0] == 0
    assert wire.last.body["messages"][0]["content"] == "Größe überprüft"


def test_an_argument_that_is_not_utf8_is_read_as_a_text_would_be(
    wire: Wire, run: Callable[..., tuple[int, str]]
) -> None:
    wire.ok("POST /api/v1/search/find", HITS)
    assert run("find", os.fsdecode("Größe überprüft".encode("cp1252")))[0] == 0
    assert wire.last.body["query"] == "Größe überprüft"


def test_a_search_below_what_does_not_exist_says_so(wire: Wire, run: Callable[..., tuple[int, str]]) -> None:
    wire.ok("POST /api/v1/search/find", NOTHING)
    wire.fail("GET /api/v1/fs/stat", 404, "NOT_FOUND", "viking://resources/nothere does not exist")
    code, output = run("find", "x", "-u", "viking://resources/nothere")
    assert (code, "does not exist" in output) == (3, True)


def test_a_search_that_finds_nothing_in_what_exists_is_an_answer(
    wire: Wire, run: Callable[..., tuple[int, str]]
) -> None:
    wire.ok("POST /api/v1/search/find", NOTHING)
    wire.ok("GET /api/v1/fs/stat", {"isDir": True})
    code, output = run("find", "x", "-u", "viking://resources")
    assert (code, "nothing matched" in output) == (0, True)


def test_a_server_may_be_named_without_its_scheme(wire: Wire, run: Callable[..., tuple[int, str]]) -> None:
    wire.ok("GET /api/v1/fs/ls", [])
    assert run("ls", "--url", wire.url.removeprefix("http://"))[0] == 0


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "gbk", "utf-8"])
@pytest.mark.parametrize("more", [(), ("--json",)], ids=["text", "json"])
def test_consoles_of_any_encoding_show_what_they_can(wire: Wire, encoding: str, more: tuple[str, ...]) -> None:
    wire.ok("POST /api/v1/search/find", HITS)
    done = subprocess.run(
        [sys.executable, "-m", "recalld", "find", "蓝色按钮", *more],
        env={**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"},
        capture_output=True,
        check=False,
    )
    assert (done.returncode, b"Traceback" in done.stderr) == (0, False)
    if more:
        assert json.loads(done.stdout)["result"] == HITS
    else:
        assert b"0.80" in done.stdout


def test_a_reader_that_leaves_early_ends_the_command_quietly(wire: Wire) -> None:
    wire.ok("GET /api/v1/fs/ls", [{"uri": f"viking://resources/{n:06}.md", "isDir": False} for n in range(20_000)])
    for more in ((), ("--json",)):
        left, right = os.pipe()
        os.close(left)
        done = subprocess.run(
            [sys.executable, "-m", "recalld", "ls", *more], stdout=right, stderr=subprocess.PIPE, check=False
        )
        os.close(right)
        assert done.stderr == b""
        assert done.returncode == 141
