"""Storing skills: atomic, within limits, under concurrency."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from recalld.app.skills import SkillOperations
from recalld.domain.caller import Caller, Role
from recalld.domain.errors import Conflict, Denied, Invalid, NotFound
from recalld.domain.history import LogFilter
from recalld.domain.skill import SkillPackage
from recalld.usecases.skill import parse
from recalld.usecases.skill.queries import SkillView
from tests.harness import Harness, plant, words
from tests.live import zipped
from tests.usecases.conftest import dense_harness, harness

__all__ = ["dense_harness", "harness"]

OWN = "viking://user/default/skills"


def skill(name: str = "fern", body: str = "Do it.") -> str:
    return f"---\nname: {name}\ndescription: Waters the {name} on the balcony.\n---\n\n{body}\n"


def verbs(harness: Harness, caller: Caller | None = None) -> SkillOperations:
    return harness.engine.as_caller(caller or Caller()).skills


async def test_adding_is_one_commit_and_what_it_acknowledged_is_found(harness: Harness) -> None:
    package = SkillPackage(skill(), (("can.md", b"# The blue can\n"), ("scripts/pour.py", b"print(1)\n")))
    await verbs(harness).store(package)
    assert await harness.found("water the fern on the balcony", context_type="skill", limit=1) == [
        f"{OWN}/fern/SKILL.md"
    ]
    assert f"{OWN}/fern/can.md" in await harness.found("blue can")
    entries = (await harness.ports.history.past(Caller()).log(LogFilter(), limit=1_000)).entries
    causes = {(e.op, e.at) for e in entries if "/fern" in e.uri}
    assert len({at for _, at in causes}) == 1
    await harness.settle()
    assert await harness.found("water the fern", level=[0], limit=1) == [f"{OWN}/fern/.abstract.md"]


async def test_a_refused_update_leaves_the_skill_unchanged(harness: Harness) -> None:
    await verbs(harness).add(skill())
    before = await harness.state()
    for refused in ("---\nname: fern\n---\n", skill("moss")):
        with pytest.raises(Invalid):
            await verbs(harness).add(refused, update="fern")
    with pytest.raises(NotFound):
        await verbs(harness).add(skill("moss"), update="moss")
    # Two files that cannot both be there: the whole commit is undone.
    with pytest.raises(Conflict):
        await verbs(harness).store(SkillPackage(skill(body="new"), (("a", b"1"), ("a/b", b"2"))))
    assert await harness.state() == before
    assert await harness.texts_below(f"{OWN}/fern") == {"SKILL.md": skill()}


async def test_of_several_at_once_one_stands_whole(harness: Harness) -> None:
    packages = [SkillPackage(skill(body=f"way {n}"), ((f"only{n}.md", b"x"),)) for n in range(4)]
    await asyncio.gather(*(verbs(harness).store(p) for p in packages))
    texts = await harness.texts_below(f"{OWN}/fern")
    (winner,) = [n for n in range(4) if texts["SKILL.md"] == skill(body=f"way {n}")]
    assert set(texts) == {"SKILL.md", f"only{winner}.md"}


async def test_the_same_again_changes_no_file(harness: Harness) -> None:
    package = SkillPackage(skill(), (("can.md", b"# Can\n"),))
    first = await verbs(harness).store(package)
    uri = f"{OWN}/fern/can.md"
    version = (await harness.engine.stat(uri)).version
    second = await verbs(harness).store(package)
    assert (first.created, second.created) == (True, False)
    assert (await harness.engine.stat(uri)).version == version


async def test_a_long_appendix_is_indexed_by_a_job(harness: Harness) -> None:
    pages = tuple((f"page{n}.md", words(20_000, of=(f"page{n}", "amber")).encode()) for n in range(4))
    await verbs(harness).store(SkillPackage(skill(), pages))
    assert await harness.found("water the fern on the balcony", limit=1) == [f"{OWN}/fern/SKILL.md"]
    assert await harness.found("page3") == []
    await harness.settle()
    assert await harness.found("page3", limit=1) == [f"{OWN}/fern/page3.md"]


async def test_skills_of_other_users_are_hidden_and_agent_skills_shared(harness: Harness) -> None:
    ana, bob = (verbs(harness, Caller("default", who, Role.USER)) for who in ("ana", "bob"))
    await ana.add(skill())
    assert await bob.list() == []
    with pytest.raises(NotFound):
        await bob.show("fern", SkillView())
    for theirs in ("viking://user/ana/skills",):
        with pytest.raises(Denied):
            await bob.add(skill(), target_uri=theirs)
        with pytest.raises(Denied):
            await bob.remove("fern", theirs)
    await ana.add(skill("moss"), target_uri="viking://agent/skills")
    assert [s.name for s in await bob.list()] == ["moss"]
    assert (await bob.remove("moss")).removed == 2
    assert [s.name for s in await ana.list()] == ["fern"]


@pytest.mark.parametrize("name", ["../fern", "fern/..", ".", "", "a b"])
async def test_invalid_names_address_no_skill(harness: Harness, name: str) -> None:
    with pytest.raises(Invalid):
        await verbs(harness).show(name, SkillView())
    with pytest.raises(Invalid):
        await verbs(harness).remove(name)


async def test_too_much_is_refused(harness: Harness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = plant(tmp_path / "fern", {"SKILL.md": skill(), "a.md": "x" * 200, "b.md": "y"})
    for limit, value in (("ENTRIES_MAX", 2), ("FILE_BYTES_MAX", 150), ("TOTAL_BYTES_MAX", 250)):
        with monkeypatch.context() as lowered:
            lowered.setattr(parse, limit, value)
            with pytest.raises(Invalid) as refused:
                await verbs(harness).add(upload=folder)
        assert refused.value.code == "RESOURCE_EXHAUSTED"
    with pytest.raises(Invalid) as large:
        await verbs(harness).add(skill(body="x" * 1_100_000))
    assert large.value.code == "SKILL_INVALID"
    assert await verbs(harness).list() == []


async def test_integrity_of_what_is_too_large_is_refused_and_the_rest_is_shown(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    await verbs(harness).store(SkillPackage(skill(), tuple((f"f{n}.md", b"x") for n in range(5))))
    monkeypatch.setattr("recalld.usecases.skill.queries.ENTRIES_MAX", 5)
    with pytest.raises(Invalid) as refused:
        await verbs(harness).show("fern", SkillView(integrity=True))
    assert refused.value.code == "RESOURCE_EXHAUSTED"
    shown = await verbs(harness).show("fern", SkillView())
    assert len(shown.files or ()) == 6


async def test_a_hostile_archive_is_refused(harness: Harness, tmp_path: Path) -> None:
    bad = tmp_path / "x.zip"
    bad.write_bytes(zipped({"SKILL.md": skill(), "../../out.md": "x"}))
    with pytest.raises(Invalid):
        await verbs(harness).add(upload=bad)
    bad.write_bytes(b"PK\x03\x04 nothing")
    with pytest.raises(Invalid):
        await verbs(harness).add(upload=bad)
    assert await verbs(harness).list() == []


async def test_excluded_archive_entries_are_skipped_and_named(harness: Harness, tmp_path: Path) -> None:
    files = {"SKILL.md": skill(), ".abstract.md": "mine", "tool.exe": "x", "logo.png": "\x89PNG\r\n"}
    stored = await verbs(harness).add(upload=plant(tmp_path / "fern", files))
    assert stored.auxiliary_files == 1
    assert {line.split(":")[0] for line in stored.skipped} == {".abstract.md", "tool.exe"}
