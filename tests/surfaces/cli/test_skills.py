"""``recalld skills``: requests and exit codes."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.surfaces.cli.test_commands import Ran, run, wire
from tests.surfaces.recording_server import Wire

__all__ = ["run", "wire"]

Run = Callable[..., Ran]
SKILL = "---\nname: tea\ndescription: Brews tea.\n---\n\nBoil water.\n"
ROW: dict[str, Any] = {
    "type": "skill",
    "name": "tea",
    "uri": "viking://user/default/skills/tea",
    "root_uri": "viking://user/default/skills",
    "skill_md_uri": "viking://user/default/skills/tea/SKILL.md",
    "description": "Brews tea.",
    "tags": ["kitchen"],
    "allowed_tools": [],
}
STORED = {"status": "success", "root_uri": ROW["uri"], "uri": ROW["uri"], "name": "tea", "auxiliary_files": 1}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "tea" / "scripts").mkdir(parents=True)
    (tmp_path / "tea" / "SKILL.md").write_text(SKILL)
    (tmp_path / "tea" / "scripts" / "boil.py").write_text("print(1)\n")
    return tmp_path / "tea"


def test_a_folder_is_sent_as_one_zip_with_its_target(wire: Wire, run: Run, folder: Path) -> None:
    wire.ok("POST /api/v1/resources/temp_upload", {"temp_file_id": "upload_1"})
    wire.ok("POST /api/v1/skills", STORED)
    assert "added viking://user/default/skills/tea" in run("skills", "add", str(folder), "-p", "viking://~/skills").out
    sent = wire.requests[0].raw
    archive = zipfile.ZipFile(io.BytesIO(sent[sent.index(b"PK\x03\x04") : sent.rindex(b"\r\n--")]))
    assert sorted(archive.namelist()) == ["SKILL.md", "scripts/boil.py"]
    assert wire.last.body == {"temp_file_id": "upload_1", "target_uri": "viking://~/skills", "wait": False}


def test_an_update_goes_to_the_name(wire: Wire, run: Run, folder: Path) -> None:
    wire.ok("POST /api/v1/resources/temp_upload", {"temp_file_id": "upload_1"})
    wire.ok("PUT /api/v1/skills/tea", {**STORED, "action": "update"})
    assert "updated" in run("skills", "update", "tea", str(folder / "SKILL.md"), "--wait").out
    assert wire.last.body == {"temp_file_id": "upload_1", "wait": True}


def test_lists_and_finds_show_name_and_description(wire: Wire, run: Run) -> None:
    wire.ok("GET /api/v1/skills", {"root_uris": [], "skills": [ROW], "total": 1})
    found = {**ROW, "score": 0.5, "match_reason": "", "level": 2, "abstract": ""}
    wire.ok("POST /api/v1/skills/find", {"root_uris": [], "skills": [found], "total": 1})
    assert run("skills", "list", "-n", "5").out.split("\t")[:2] == ["tea", "Brews tea."]
    assert wire.last.query == {"node_limit": "5"}
    shown = run("skills", "find", "a cup", "-n", "3", "-t", "0.2", "-L", "2").out
    assert "0.50" in shown
    assert "Brews tea." in shown
    assert wire.last.body == {"query": "a cup", "limit": 3, "score_threshold": 0.2, "level": [2]}


def test_show_prints_facts_files_and_text(wire: Wire, run: Run) -> None:
    files = [{"name": "SKILL.md", "path": "SKILL.md", "kind": "skill", "is_dir": False, "size": 9, "sha256": "ab"}]
    wire.ok("GET /api/v1/skills/tea", {**ROW, "overview": "", "content": SKILL, "files": files})
    shown = run("skills", "show", "tea", "--files").out
    assert "kitchen" in shown
    assert "SKILL.md\tskill\t9\tab" in shown
    assert wire.last.query["include_integrity"] == "true"
    assert run("skills", "show", "tea", "--content").out == SKILL


def test_all_of_a_place_are_removed_only_when_it_is_meant(wire: Wire, run: Run) -> None:
    wire.ok("GET /api/v1/skills", {"root_uri": "", "skills": [ROW], "total": 1})
    wire.ok("DELETE /api/v1/skills/tea", ROW)
    assert run("skills", "remove").code == 2
    assert run("skills", "remove", "--all", "-p", "viking://~/skills").code == 2
    assert run("skills", "remove", "tea", "--all", "-y", "-p", "viking://~/skills").code == 2
    assert wire.requests == []
    assert "removed" in run("skills", "remove", "--all", "-y", "-p", "viking://~/skills").out
    assert (wire.last.method, wire.last.query) == ("DELETE", {"target_uri": "viking://~/skills"})


def test_a_skill_that_cannot_be_used_ends_with_2(wire: Wire, run: Run, folder: Path) -> None:
    finding = {"severity": "error", "code": "name", "field": "name", "message": "name is odd"}
    report = {"valid": False, "name": None, "errors": [finding], "warnings": []}
    wire.ok("POST /api/v1/skills/validate", report)
    judged = run("skills", "validate", str(folder), "--strict")
    assert (judged.code, "name is odd" in judged.out) == (2, True)
    assert wire.last.body["skill_dir_name"] == "tea"
    assert (wire.last.body["data"], wire.last.body["strict"]) == (SKILL, True)
    wire.fail("POST /api/v1/skills/validate", 500, "INTERNAL")
    assert run("skills", "add", str(folder / "nothing")).code == 2
