"""add_skill: over HTTP as text or upload, over stdio from the local disk."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from recalld.app.engine import Engine
from recalld.surfaces.mcp.tool_context import ToolContext
from recalld.surfaces.mcp.tools import call
from tests.harness import plant
from tests.live import zipped
from tests.surfaces.mcp.test_mcp import Agent, ana, http
from tests.tripwire import Tripwire

__all__ = ["ana", "http"]


def skill(name: str) -> str:
    return f"---\nname: {name}\ndescription: Waters the {name}.\n---\n\nDo it.\n"


async def test_a_text_becomes_a_skill_that_is_found(ana: Agent) -> None:
    assert "cannot be used" in await ana.call_text("add_skill", data="no front matter", list_only=True)
    assert await ana.call_text("add_skill", data=skill("fern"), list_only=True) == "fern: Waters the fern."
    assert await ana.call_text("find", query="fern", min_score=0.0) == "No matching context found."
    text = await ana.call_text("add_skill", data=skill("fern"))
    assert text.startswith("Added viking://user/ana/skills/fern ")
    found = await ana.call_text("find", query="who waters the fern", min_score=0.0)
    assert "[skill" in found
    assert "viking://user/ana/skills/fern/SKILL.md" in found
    assert (await ana.call_text("add_skill", data=skill("fern"))).startswith("Replaced ")
    agents = await ana.call_text("add_skill", data=skill("fern"), target_uri="viking://agent/skills")
    assert "viking://agent/skills/fern" in agents


async def test_an_upload_brings_its_files_along(ana: Agent) -> None:
    data = zipped({"fern/SKILL.md": skill("fern"), "fern/can.md": "# Can\n"})
    sent = await ana.http.post(
        "/api/v1/resources/temp_upload",
        files={"file": ("fern.zip", data)},
        headers={"X-OpenViking-User": "ana"},
    )
    text = await ana.call_text("add_skill", path=sent.json()["result"]["temp_file_id"])
    assert "(1 file(s) beside SKILL.md)" in text
    assert "# Can" in await ana.call_text("read", uris="viking://user/ana/skills/fern/can.md")


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({}, "data or path"),
        ({"data": "x", "path": "y"}, "one of them"),
        ({"data": "x"}, "SKILL_INVALID"),
        ({"path": "https://example.com/skills.git"}, "not implemented"),
        ({"path": f"upload_{'0' * 32}.zip"}, "PERMISSION_DENIED"),
        ({"data": skill("fern"), "target_uri": "viking://resources"}, "INVALID_URI"),
        ({"data": skill("fern"), "colour": "red"}, "colour"),
    ],
)
async def test_invalid_skills_are_refused(ana: Agent, arguments: dict[str, str], word: str) -> None:
    text, failed = await ana("add_skill", **arguments)
    assert failed
    assert word in text


async def test_over_http_no_path_of_the_servers_disk_is_read(ana: Agent, tmp_path: Path) -> None:
    folder = plant(tmp_path / "mine", {"SKILL.md": skill("fern")})
    assert "temp_upload" in await ana.call_text("add_skill", path=str(folder))
    assert await ana.call_text("find", query="fern", min_score=0.0) == "No matching context found."


@pytest.fixture
async def context(tmp_path: Path, tripwire: Tripwire) -> AsyncIterator[ToolContext]:
    async with Engine.open(tmp_path / "data", embedder={"provider": "none"}) as engine:
        tripwire.trips.clear()  # the wire is stretched for calls, not for making the folder
        yield ToolContext(engine, engine)


async def test_on_this_machine_several_skills_come_out_of_one_folder(context: ToolContext, tmp_path: Path) -> None:
    files = {"a/SKILL.md": skill("fern"), "b/SKILL.md": skill("moss"), "b/x/SKILL.md": skill("inner"), "c.md": "# C"}
    folder = str(plant(tmp_path / "skills", files))
    shown, failed = await call(context, "add_skill", {"path": folder, "list_only": True})
    assert (shown.splitlines()[0], failed) == ("Found 2 skill(s):", False)
    assert "- [b] moss: Waters the moss." in shown
    text, failed = await call(context, "add_skill", {"path": folder, "skills": ["moss"]})
    assert (text, failed) == ("Added viking://user/default/skills/moss (1 file(s) beside SKILL.md).", False)
    _, failed = await call(context, "add_skill", {"path": folder, "skills": "oak"})
    assert failed
    plant(tmp_path / "skills", {"d/SKILL.md": "broken"})
    refused, failed = await call(context, "add_skill", {"path": folder})
    assert (failed, "SKILL_INVALID" in refused) == (True, True)
    below = await context.workspace.ls("viking://~/skills")
    assert [node.uri.name for node in below] == ["moss"]
