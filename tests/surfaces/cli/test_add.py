"""``recalld add``: confirmations, requests, output."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from recalld.surfaces.cli import add as module
from recalld.surfaces.client import Client
from recalld.surfaces.client.verbs import Tasks
from tests.surfaces.cli.test_commands import Ran, run, wire
from tests.surfaces.recording_server import Wire

__all__ = ["run", "wire"]
ADD = "POST /api/v1/resources"
UPLOAD = "POST /api/v1/resources/temp_upload"
BEGUN = {"root_uri": "viking://resources/p", "task_id": "t"}
DONE = {
    **BEGUN,
    "new": 3,
    "changed": 1,
    "moved": 1,
    "removed": 2,
    "unchanged": 1_148,
    "conflicts": [
        {"path": f"{i}.md", "uri": f"viking://resources/p/{i}.md", "reason": "changed here"} for i in range(6)
    ],
    "conflicts_total": 6,
    "warnings": ["0.md: changed here (viking://resources/p/0.md)", *(f"{i}.png: not parsed yet" for i in range(90))],
    "notes": {"not parsed yet": 101},
}


def ready(wire: Wire, result: dict[str, Any] | None = None) -> None:
    wire.ok(UPLOAD, {"temp_file_id": "upload_1"})
    wire.ok(ADD, BEGUN)
    wire.ok(
        "GET /api/v1/tasks/t", {"task_id": "t", "task_type": "add_resource", "status": "completed", "result": result}
    )
    wire.ok("POST /api/v1/system/wait", {})


def import_requests(wire: Wire) -> list[dict[str, Any]]:
    return [request.body for request in wire.requests if request.path == "/api/v1/resources"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "p").mkdir()
    for name in ("a.md", "b.md", ".env"):
        (tmp_path / "p" / name).write_text(name)
    return tmp_path / "p"


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """A terminal, and what is answered there."""
    replies: list[bool] = []
    monkeypatch.setattr(module, "asks", lambda call: not call.as_json)
    monkeypatch.setattr("typer.confirm", lambda question, **options: replies.pop(0))
    return replies


def test_the_result_of_an_import_has_counts_and_kinds(wire: Wire, run: Callable[..., Ran], folder: Path) -> None:
    ready(wire, DONE)
    out = run("add", str(folder), "--wait").out
    assert "3 new, 1 changed, 1 moved, 2 removed, 1,148 unchanged" in out
    assert "not parsed yet: 0.png, 1.png, 2.png, 3.png and 97 more" in out
    assert "kept as it is here: 0.md (changed here)" in out
    assert "and 2 more" in out
    assert "left out (credentials, left out by default): .env" in out
    assert out.count("\n") == 8


def test_verbose_names_every_file(wire: Wire, run: Callable[..., Ran], folder: Path) -> None:
    ready(wire, DONE)
    out = run("add", str(folder), "--wait", "-v").out
    assert ("note: 89.png: not parsed yet" in out, "kept as it is here: 5.md" in out) == (True, True)


def test_counts_are_in_the_json(wire: Wire, run: Callable[..., Ran], folder: Path) -> None:
    ready(wire, DONE)
    result = run("add", str(folder), "--wait", "--json").json
    assert {k: result["result"][k] for k in ("new", "unchanged", "removed")} == {
        "new": 3,
        "unchanged": 1148,
        "removed": 2,
    }
    assert result["skipped"] == [{"path": ".env", "why": "credentials, left out by default"}]


def test_skipped_files_are_sent_to_the_server(wire: Wire, run: Callable[..., Ran], folder: Path) -> None:
    ready(wire)
    run("add", str(folder), "--include", "*.md", "--keep-removed")
    (body,) = import_requests(wire)
    assert (body["include"], body["args"]["keep_removed"]) == ("*.md", True)
    assert "left_out" not in body["args"]  # what is not wanted follows from the patterns


def test_a_file_that_cannot_be_read_makes_the_listing_incomplete(
    wire: Wire, run: Callable[..., Ran], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready(wire)
    read = Path.read_bytes
    monkeypatch.setattr(
        Path, "read_bytes", lambda path: (_ for _ in ()).throw(OSError) if path.name == "b.md" else read(path)
    )
    run("add", str(folder))
    (body,) = import_requests(wire)
    assert "b.md" in body["args"]["incomplete"]


def test_a_single_file_is_added_as_a_file_where_no_place_is_named(
    wire: Wire, run: Callable[..., Ran], folder: Path
) -> None:
    ready(wire)
    run("add", str(folder / "a.md"))
    run("add", str(folder / "a.md"), "--to", "viking://resources/x")
    assert [bool(body["args"].get("as_file")) for body in import_requests(wire)] == [True, False]


@pytest.mark.parametrize(("files", "size"), [(1, 10**12), (10**9, 1)])
def test_a_large_import_needs_confirmation_before_the_upload(
    wire: Wire,
    run: Callable[..., Ran],
    folder: Path,
    answers: list[bool],
    monkeypatch: pytest.MonkeyPatch,
    files: int,
    size: int,
) -> None:
    monkeypatch.setattr(module, "FILES_UNASKED_MAX", files)
    monkeypatch.setattr(module, "BYTES_UNASKED_MAX", size)
    answers.append(False)
    result = run("add", str(folder))
    assert (result.code, "nothing was imported" in result.err, wire.requests) == (1, True, [])
    ready(wire)
    answers.append(True)
    assert run("add", str(folder)).code == 0
    assert run("add", str(folder), "--yes").code == 0
    assert answers == []


def refuse(wire: Wire) -> None:
    wire.ok(UPLOAD, {"temp_file_id": "upload_1"})
    details: dict[str, Any] = {"conflict_type": "removal", "would_remove": 30, "files": 40, "first": ["a.md"]}
    wire.fail(ADD, 412, "FAILED_PRECONDITION", "30 files would be removed", **details)


def test_a_large_removal_needs_confirmation_on_a_terminal(
    wire: Wire, run: Callable[..., Ran], folder: Path, answers: list[bool]
) -> None:
    refuse(wire)
    answers.append(False)
    assert run("add", str(folder)).code == 1
    assert [body["args"].get("confirm_removals") for body in import_requests(wire)] == [None]
    answers.append(True)
    run("add", str(folder))
    assert [body["args"].get("confirm_removals") for body in import_requests(wire)] == [None, None, True]


def test_a_large_removal_is_refused_without_a_terminal(wire: Wire, run: Callable[..., Ran], folder: Path) -> None:
    refuse(wire)
    result = run("add", str(folder))
    assert (result.code, "would be removed" in result.err) == (5, True)
    run("add", str(folder), "--yes")
    assert [body["args"].get("confirm_removals") for body in import_requests(wire)] == [None, True]


def test_an_interrupted_wait_prints_how_to_resume(
    wire: Wire, run: Callable[..., Ran], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready(wire)

    def interrupted(self: Tasks, task_id: str, **options: Any) -> dict[str, Any]:
        raise KeyboardInterrupt

    monkeypatch.setattr(Tasks, "wait", interrupted)
    result = run("add", str(folder), "--wait")
    assert result.code == 130
    assert "recalld task wait t" in result.err
    assert "recalld task cancel t" in result.err


def test_a_server_stop_during_the_wait_is_reported(
    wire: Wire, run: Callable[..., Ran], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready(wire)
    other = Client("http://127.0.0.1:1")
    monkeypatch.setattr(Tasks, "wait", lambda self, task_id, **options: other.tasks.get(task_id))
    result = run("add", str(folder), "--wait")
    assert (result.code, "continues when the server runs again" in result.err) == (6, True)
    assert "recalld task wait t" in result.err


def test_waiting_for_the_task_of_an_import_tells_its_counts(wire: Wire, run: Callable[..., Ran]) -> None:
    ready(wire, DONE)
    assert "3 new, 1 changed" in run("task", "wait", "t").out


def test_a_file_of_credentials_is_not_even_sent(wire: Wire, run: Callable[..., Ran], folder: Path) -> None:
    ready(wire)
    result = run("add", str(folder / ".env"))
    assert (result.code, "--include '.env'" in result.err, import_requests(wire)) == (2, True, [])
    assert run("add", str(folder / ".env"), "--include", ".env").code == 0
    assert import_requests(wire)[0]["include"] == ".env"
