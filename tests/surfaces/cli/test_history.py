"""``recalld undo``, ``recalld history`` and confirmations before deletion, against a server of canned answers."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable

import pytest

from tests.surfaces.cli.test_commands import Ran, run, wire
from tests.surfaces.recording_server import Wire

AT = "/api/v1"
A = "viking://resources/a.md"
Run = Callable[..., Ran]
__all__ = ["run", "wire"]
DONE = {
    "dry_run": False,
    "commits": [7],
    "cause": "undo:7",
    "seq": 9,
    "written": [A],
    "removed": [],
    "restored": [],
    "moved": [{"from": A, "to": "viking://resources/b.md"}],
    "tagged": [],
    "kept": [{"uri": "viking://resources/c.md", "reason": "it has changed since"}],
}


def stdin(monkeypatch: pytest.MonkeyPatch, data: bytes, *, terminal: bool = False) -> None:
    class Typed(io.TextIOWrapper):
        def isatty(self) -> bool:
            return terminal

    monkeypatch.setattr(sys, "stdin", Typed(io.BytesIO(data)))


def test_undo_without_a_name_takes_the_last_change(wire: Wire, run: Run) -> None:
    wire.ok(f"POST {AT}/log/undo", DONE)
    shown = run("undo")
    assert shown.code == 0
    assert wire.last.body == {"dry_run": False, "wait": False}
    assert A in shown.out
    assert "recalld undo undo:7" in shown.err
    assert "it has changed since" in shown.err


@pytest.mark.parametrize(("named", "sent"), [("7", {"seq": 7}), ("task_a1", {"cause": "task_a1"})])
def test_undo_takes_a_number_or_a_cause(wire: Wire, run: Run, named: str, sent: dict[str, object]) -> None:
    wire.ok(f"POST {AT}/log/undo", {**DONE, "dry_run": True, "seq": None})
    shown = run("undo", named, "--dry-run")
    assert wire.last.body == {**sent, "dry_run": True, "wait": False}
    assert "nothing was changed" in shown.err


def test_history_lists_changes_and_with_an_address_versions(wire: Wire, run: Run) -> None:
    entry = {"seq": 7, "commit": 7, "at": "2026-05-01T10:00:00.000Z", "actor": "ana", "op": "write", "uri": A}
    wire.ok(f"GET {AT}/log", {"entries": [{**entry, "before": "", "after": "x", "cause": "task_1"}], "next": 5})
    shown = run("history", "--under", "viking://resources")
    assert shown.out == f"7\t2026-05-01T10:00:00\tana\twrite\t{A}\ttask_1\n"
    assert "--before 5" in shown.err
    version = {**entry, "hash": "ab", "size": 2000, "cause": "", "kept": False}
    wire.ok(f"GET {AT}/fs/history", {"uri": A, "versions": [version], "next": None})
    assert "2.0 kB\tcontent no longer kept" in run("history", A).out
    assert wire.last.query["uri"] == A


def test_history_restore_says_what_it_wrote(wire: Wire, run: Run) -> None:
    wire.ok(f"POST {AT}/fs/history/restore", {"uri": A, "dry_run": False, "written": [A], "removed": []})
    shown = run("history", "restore", A, "--at", "10m")
    assert wire.last.body == {"uri": A, "at": "10m", "dry_run": False}
    assert f"written  {A}" in shown.out


def test_an_empty_stdin_leaves_a_file_as_it_is(wire: Wire, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    stdin(monkeypatch, b"")
    refused = run("write", A)
    assert refused.code == 2
    assert "empty" in refused.err
    wire.ok(f"POST {AT}/content/write", {"uri": A, "written_bytes": 0})
    stdin(monkeypatch, b"")
    assert run("write", A, "--allow-empty").code == 0
    assert run("write", A, "--content", "").code == 0


def test_a_big_removal_asks_on_a_terminal(wire: Wire, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    wire.ok(f"GET {AT}/fs/tree", [{"uri": f"{A}/{n}"} for n in range(101)])
    wire.ok(f"DELETE {AT}/fs", {"uri": A, "estimated_deleted_count": 101})
    stdin(monkeypatch, b"n\n", terminal=True)
    assert run("rm", A, "-r").code == 1
    assert wire.last.method == "GET"
    stdin(monkeypatch, b"y\n", terminal=True)
    assert run("rm", A, "-r").code == 0
    stdin(monkeypatch, b"", terminal=True)
    assert run("rm", A, "-r", "--yes").code == 0
    stdin(monkeypatch, b"")
    assert run("rm", A, "-r").code == 0


def test_purge_erases_only_when_that_is_meant(wire: Wire, run: Run) -> None:
    wire.ok(f"POST {AT}/log/purge", {"contents": 2, "free_bytes": 5_000_000})
    assert run("history", "purge").code != 0
    shown = run("history", "purge", "--older-than", "7d", "--yes")
    assert (shown.code, wire.last.body) == (0, {"older_than": "7d"})
    assert "erased 2 contents" in shown.out
