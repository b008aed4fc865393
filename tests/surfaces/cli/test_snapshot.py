"""``recalld snapshot`` against a server of canned answers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.surfaces.cli.test_commands import Ran, run, wire
from tests.surfaces.recording_server import Canned, Wire

AT = "/api/v1/snapshot"
ONE = {
    "oid": "ab" * 20,
    "tree": "cd" * 20,
    "parents": [],
    "author": {"name": "Ana", "email": "ana@x", "time_seconds": 0, "tz_offset_seconds": 0},
    "message": "why\n\nmore",
}
Run = Callable[..., Ran]
__all__ = ["run", "wire"]


def test_a_commit_says_what_it_recorded(wire: Wire, run: Run) -> None:
    wire.ok(f"POST {AT}/commit", {"result": "created", "commit_oid": "ab" * 20, "changed": 2, "ignored": 0})
    shown = run("snapshot", "commit", "-m", "why", "--paths", "viking://resources/a", "--author-name", "Ana")
    assert shown.out.startswith("abababababab: changed files: 2")
    assert wire.last.body == {
        "message": "why",
        "paths": ["viking://resources/a"],
        "branch": "main",
        "author_name": "Ana",
    }


def test_a_log_is_a_table(wire: Wire, run: Run) -> None:
    wire.ok(f"GET {AT}/log", [ONE])
    assert run("snapshot", "log", "-n", "3").out == "abababababab\t1970-01-01 00:00:00Z\tAna\twhy\n"
    assert wire.last.query == {"branch": "main", "limit": "3"}


def test_a_file_as_it_was_goes_into_a_file(wire: Wire, run: Run, tmp_path: Path) -> None:
    wire.put(f"GET {AT}/show", Canned(200, b"\x00bytes"))
    done = run("snapshot", "show", "abab", "--path", "resources/a", "--out-file", str(tmp_path / "a"))
    assert done.code == 0
    assert (tmp_path / "a").read_bytes() == b"\x00bytes"
    assert wire.last.query == {"target_ref": "abab", "path": "resources/a"}


def test_a_missing_snapshot_has_its_exit_code(wire: Wire, run: Run) -> None:
    wire.fail(f"GET {AT}/show", 404, "NOT_FOUND")
    assert run("snapshot", "show", "abab", "--path", "resources/a").code == 3
    assert run("snapshot", "show", "abab").code == 3


def test_a_diff_is_printed_as_it_is(wire: Wire, run: Run) -> None:
    text = "--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n"
    wire.ok(f"GET {AT}/diff", {"path": "viking://x", "change_type": "modified", "diff_text": text})
    assert run("snapshot", "diff", "x", "--from", "abab").out == text
    assert wire.last.query == {"path": "x", "from": "abab", "to": "HEAD"}


@pytest.mark.parametrize(
    ("result", "words"),
    [
        ({"result": "noop"}, "as it was"),
        ({"result": "applied", "written": 1, "deleted": 2, "new_commit_oid": "ef" * 20}, "1 written, 2 removed"),
        (
            {
                "result": "dry_run",
                "diff": {"to_write": [{"path": "p", "oid": "o"}], "to_delete": ["q"], "unchanged": []},
            },
            "write   p\nremove  q\n",
        ),
    ],
)
def test_a_restore_says_what_it_did(wire: Wire, run: Run, result: dict[str, object], words: str) -> None:
    wire.ok(f"POST {AT}/restore", result)
    assert words in run("snapshot", "restore", "abab", "viking://resources").out
    assert wire.last.body["project_dir"] == "viking://resources"


def test_patterns_are_read_set_and_removed(wire: Wire, run: Run) -> None:
    wire.ok(f"GET {AT}/ignore", "*.tmp\n")
    wire.ok(f"PUT {AT}/ignore", {"size": 5})
    wire.ok(f"DELETE {AT}/ignore", {"size": 0})
    assert run("snapshot", "ignore-get").out == "*.tmp\n"
    assert run("snapshot", "ignore-set", "--content", "*.tmp").code == 0
    assert wire.last.body == {"content": "*.tmp"}
    assert run("snapshot", "ignore-set").code == 2
    assert run("snapshot", "ignore-delete").code == 0
