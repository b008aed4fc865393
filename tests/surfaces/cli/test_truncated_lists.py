"""Every listing command reports a truncated list, and how to see more."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.surfaces.cli.test_commands import Ran, run, wire
from tests.surfaces.recording_server import Wire

API = "/api/v1"
ENTRY = {"uri": "viking://resources/a.md", "size": 1, "isDir": False, "modTime": "", "abstract": "", "rel_path": "a.md"}
SNAPSHOT = {"oid": "ab" * 20, "author": {"name": "Ana", "time_seconds": 0}, "message": "why"}
TASK = {"task_id": "t1", "task_type": "add_resource", "status": "running"}
SKILL = {"name": "s", "description": "d", "root_uri": "viking://agent/skills"}
Run = Callable[..., Ran]
LISTS: list[tuple[str, str, Any, str]] = [
    ("ls", "GET /fs/ls", [ENTRY], "raise --limit"),
    ("tree", "GET /fs/tree", [ENTRY], "raise --limit"),
    ("grep amber", "POST /search/grep", {"matches": [], "count": 0}, "raise --limit"),
    ("glob **", "POST /search/glob", {"matches": [ENTRY["uri"]]}, "raise --limit"),
    ("session list -n 7", "GET /sessions", [{"session_id": "s", "uri": "u"}], "--offset 7"),
    ("session list -n 7 --offset 7", "GET /sessions", [{"session_id": "s", "uri": "u"}], "--offset 14"),
    ("task list -n 7", "GET /tasks", [TASK], "--offset 7"),
    ("skills list", "GET /skills", {"skills": [SKILL]}, "raise --limit"),
    ("snapshot log", "GET /snapshot/log", [SNAPSHOT], f"--before {'ab' * 6}"),
]
__all__ = ["run", "wire"]


@pytest.mark.parametrize(("command", "route", "result", "more"), LISTS)
def test_a_cut_list_says_so(wire: Wire, run: Run, command: str, route: str, result: Any, more: str) -> None:
    method, path = route.split(" ")
    wire.ok(f"{method} {API}{path}", result, X_Recalld_Truncated="1")
    wire.ok(f"{method} {API}{path}", result, X_Recalld_Truncated="1")
    wire.ok(f"{method} {API}{path}", result)
    shown = run(*command.split(" "))
    assert f"only 1 are shown; there are more: {more}" in shown.err
    assert run(*command.split(" "), "--json").json["truncated"] == 1
    whole = run(*command.split(" "), "--json").json
    assert "truncated" not in whole
