"""Skills: add, list, find, show, update, delete, validate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from recalld.domain.caller import Caller
from recalld.domain.errors import Invalid
from recalld.domain.hit import Answer
from recalld.domain.skill import (
    DeletedSkill,
    Finding,
    Skill,
    SkillDetails,
    SkillFacts,
    SkillHit,
    SkillPackage,
    StoredSkill,
)
from recalld.domain.uri import Uri, bad_uri
from recalld.ports.bundle import Ports
from recalld.rules.address import resolve
from recalld.rules.skill import checked_skill, read_skill, skill_name
from recalld.rules.skill_defaults import completed
from recalld.usecases.skill import parse
from recalld.usecases.skill.queries import SkillView, find_skill, list_skills, show_skill, skills_of_hits
from recalld.usecases.skill.store import SkillInput, remove_skill, store_skill

from .default_locations import LocationOperations

LIMIT_MAX, LISTED_MAX = 10_000, 100_000
AGENT_SKILLS = Uri(("agent", "skills"))


class SkillOperations:
    """Operations bound to a caller, created by ``workspace.facade(SkillOperations)``. ``target_uri``: a directory of
    skills, ``viking://~/skills`` or ``viking://agent/skills``; "" = the caller's own, then the agent's."""

    def __init__(self, ports: Ports, caller: Caller) -> None:
        self._ports = ports
        self._caller = caller

    def roots(self, target_uri: str = "") -> tuple[Uri, ...]:
        """Return the directories of skills for a target, in order of precedence. Raises ``Invalid``
        (``INVALID_URI``)."""
        if not target_uri.strip():
            return (self._own, AGENT_SKILLS)
        uri = resolve(target_uri, self._caller, self._ports.clock.now())
        if uri != AGENT_SKILLS and not (len(uri.parts) == 3 and uri.parts[0] == "user" and uri.parts[2] == "skills"):
            raise bad_uri(target_uri, "target_uri is viking://~/skills or viking://agent/skills")
        return (uri,)

    @property
    def _own(self) -> Uri:
        return Uri(("user", self._caller.user, "skills"))

    async def add(
        self,
        data: str | dict[str, Any] | None = None,
        *,
        upload: Path | None = None,
        filename: str = "",
        target_uri: str = "",
        update: str = "",
        source: Mapping[str, Any] | None = None,
        watched: bool = False,
        keep_source: bool = True,
    ) -> StoredSkill:
        """Store a skill: ``data`` is a SKILL.md or an equivalent object, ``upload`` a folder, a zip or a file
        (``filename``: its original name). An existing skill of that name is replaced with all its files. ``update``:
        the name of an existing skill, which stays. ``watched``: create a task. ``keep_source`` False: ``upload`` is
        deleted."""
        match data, upload:
            case None, Path():
                package = await parse.of_upload(upload, filename, self._ports)
            case ((str() | dict()), None):
                package = parse.of_data(data)
            case _:
                raise Invalid(
                    "one of data and temp_file_id is needed",
                    remedy="send a SKILL.md as data, or upload a zip first",
                    details={"field": "data"},
                )
        stored = await self.store(package, target_uri=target_uri, update=update, source=source, watched=watched)
        if upload is not None and not keep_source:
            await parse.discard(upload, self._ports)
        return stored

    async def store(
        self,
        package: SkillPackage,
        *,
        target_uri: str = "",
        update: str = "",
        source: Mapping[str, Any] | None = None,
        watched: bool = False,
    ) -> StoredSkill:
        """Store a parsed skill (see ``add``), by default in the caller's chosen location."""
        if update:
            root = (await self._named(update, target_uri)).root
        else:
            place = target_uri or (await LocationOperations(self._ports, self._caller).locations()).skill_uri
            root = self.roots(place)[0]
        return await store_skill(SkillInput(package, root, update, source, watched), self._caller, self._ports)

    async def packages(self, folder: Path, name: str = "", *, chosen: Sequence[str] = ()) -> dict[str, SkillPackage]:
        """Parse the skills in a local folder or zip, by folder; only those ``chosen`` by name (() = all). Raises
        ``Invalid`` for an unknown name."""
        found = await parse.of_folder(folder, name, self._ports)
        return await self._ports.compute.run(_chosen, found, chosen)

    def package(self, data: str | dict[str, Any]) -> SkillPackage:
        """Parse a skill from its text or an equivalent object."""
        return parse.of_data(data)

    async def usable(self, package: SkillPackage) -> SkillFacts:
        """Return the facts of a parsed skill. Raises ``Invalid`` (``SKILL_INVALID``)."""
        return await self._ports.compute.run(checked_skill, package.text)

    async def of_answer(self, answer: Answer, target_uri: str = "", *, limit: int = 10) -> list[SkillHit]:
        """Return the skills of a search result, best first."""
        return await skills_of_hits(answer.hits, self.roots(target_uri), limit, self._caller, self._ports)

    async def show(self, name: str, view: SkillView, target_uri: str = "") -> SkillDetails:
        """One skill. Raises ``NotFound``."""
        return await show_skill(await self._named(name, target_uri), view, self._caller, self._ports)

    async def remove(self, name: str, target_uri: str = "") -> DeletedSkill:
        """Delete a skill and, for the caller's own, its private values. Raises ``NotFound``."""
        skill = await self._named(name, target_uri)
        own = skill.root == self._own
        private = Uri(("user", self._caller.user, "privacy", "skill", skill.name)) if own else None
        return await remove_skill(skill, private, self._caller, self._ports)

    async def judge(
        self, data: str | dict[str, Any], called: str = ""
    ) -> tuple[SkillFacts | None, tuple[Finding, ...]]:
        """Return the facts of a SKILL.md (None if it is unusable) and all findings. Fields that adding it (from a
        folder ``called`` so) would complete are advice."""
        return await self._ports.compute.run(_judged, parse.text_of(data), called)

    async def _named(self, name: str, target_uri: str) -> Skill:
        return await find_skill(self.roots(target_uri), skill_name(name), self._caller, self._ports)

    # Last, because below it the word list means this method.
    async def list(self, target_uri: str = "", *, limit: int = 1000) -> list[Skill]:
        """Return skills by name, the caller's own before the agent's."""
        if not 1 <= limit <= LISTED_MAX:
            raise Invalid(
                f"node_limit {limit} is out of range", remedy=f"1 to {LISTED_MAX}", details={"field": "node_limit"}
            )
        found: list[Skill] = []
        for root in self.roots(target_uri):
            found += await list_skills(root, limit - len(found), self._caller, self._ports)
        return found


def _judged(text: str, called: str) -> tuple[SkillFacts | None, tuple[Finding, ...]]:
    facts, findings = read_skill(text)
    if facts is not None:
        return facts, findings
    facts, others = read_skill(completed(text, called))
    if facts is None:
        return None, findings
    return facts, (*(replace(one, error=False) for one in findings if one.error), *others)


def _chosen(found: Mapping[str, SkillPackage], names: Sequence[str]) -> dict[str, SkillPackage]:
    """Return the skills whose SKILL.md or folder has one of ``names`` (() = all). Raises ``Invalid``."""
    if not names:
        return dict(found)
    called = {where: read_skill(package.text)[0] for where, package in found.items()}
    chosen: dict[str, SkillPackage] = {}
    for name in names:
        where = next(
            (w for w, facts in called.items() if w.rsplit("/", 1)[-1] == name or (facts and facts.name == name)), None
        )
        if where is None:
            raise Invalid(f"there is no skill {name[:80]!r} in it", remedy="list_only shows the available ones")
        chosen[where] = found[where]
    return chosen
