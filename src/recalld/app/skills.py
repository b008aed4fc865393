"""Operations on skills, and on where imports and skills go by default."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from recalld.domain.errors import Invalid
from recalld.domain.query import Answer
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
from recalld.rules.address import import_root
from recalld.rules.settings import ADD_TARGETS, check_skill_root
from recalld.rules.skill import checked_skill, read_skill, skill_name
from recalld.rules.skill_defaults import completed
from recalld.usecases.skill import parse
from recalld.usecases.skill.queries import SkillView, find_skill, list_skills, show_skill, skills_of_hits
from recalld.usecases.skill.store import SkillInput, remove_skill, store_skill

from .operations import Operations, check_range

RESOURCES = "viking://resources"


@dataclass(frozen=True, slots=True)
class Locations:
    """Where imports and skills go. ``override``: what the user has chosen of the two (``resource_uri``, ``skill_uri``)."""

    override: Mapping[str, str]
    resource_uri: str
    skill_uri: str


class LocationOperations(Operations):
    """The default locations of a caller."""

    async def get(self) -> Locations:
        """Return the locations in force."""
        member = await self._ports.registry.member(self.caller.account, self.caller.user)
        return self._in_force(member.settings if member is not None else {})

    async def set(self, changes: Mapping[str, str | None]) -> Locations:
        """Set locations; None restores the default.

        Raises ``Invalid`` for a location that cannot hold imports or skills.
        """
        now = self._ports.clock.now()
        chosen: dict[str, str | None] = {}
        for name, text in changes.items():
            if text is None:
                chosen[name] = None
            elif name == "resource_uri":
                chosen[name] = str(import_root(text, self.caller, now, name))
            else:
                chosen[name] = str(check_skill_root(self._uri(text), self.caller))
        return await self._change(chosen, ADD_TARGETS)

    async def reset(self) -> Locations:
        """Restore the defaults."""
        return await self._change({ADD_TARGETS: None})

    async def _change(self, changes: Mapping[str, str | None], within: str = "") -> Locations:
        account, user = self.caller.account, self.caller.user
        return self._in_force(await self._ports.registry.change_settings(account, user, changes, within=within))

    def _in_force(self, settings: Mapping[str, Any]) -> Locations:
        chosen = dict(settings.get(ADD_TARGETS) or {})
        skills = str(Uri(("user", self.caller.user, "skills")))
        return Locations(chosen, chosen.get("resource_uri", RESOURCES), chosen.get("skill_uri", skills))


LIMIT_MAX, LISTED_MAX = 10_000, 100_000
AGENT_SKILLS = Uri(("agent", "skills"))


class SkillOperations(Operations):
    """Skills of a caller. ``target_uri`` names a directory of skills: ``viking://~/skills`` or ``viking://agent/skills``
    (default: the caller's own, then the agents').
    """

    def roots(self, target_uri: str = "") -> tuple[Uri, ...]:
        """Return the directories of skills that ``target_uri`` names, in order of precedence.

        Raises ``Invalid`` (``INVALID_URI``).
        """
        if not target_uri.strip():
            return (self._own, AGENT_SKILLS)
        uri = self._uri(target_uri)
        if uri != AGENT_SKILLS and not (len(uri.parts) == 3 and uri.parts[0] == "user" and uri.parts[2] == "skills"):
            raise bad_uri(target_uri, "target_uri is viking://~/skills or viking://agent/skills")
        return (uri,)

    @property
    def _own(self) -> Uri:
        return Uri(("user", self.caller.user, "skills"))

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
        """Store a skill. A skill of the same name is replaced with all its files.

        ``data``: the text of a SKILL.md, or an object with the same contents. ``upload``: a folder, a zip or a file;
        ``filename``: its original name. Give one of the two. ``update``: the name of the existing skill to replace; the new one
        must have the same name. ``source``: where it comes from, stored with it. ``watched``: record a task. ``keep_source``
        false: delete ``upload``.

        Raises ``Invalid`` (``SKILL_INVALID``), and ``NotFound`` if ``update`` does not exist.
        """
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
        """Store a parsed skill (see ``package`` and ``packages``), by default in the caller's default location.

        Raises as ``add`` does.
        """
        if update:
            root = (await self._named(update, target_uri)).root
        else:
            place = target_uri or (await LocationOperations(self._ports, self.caller).get()).skill_uri
            root = self.roots(place)[0]
        return await store_skill(SkillInput(package, root, update, source, watched), self.caller, self._ports)

    async def packages(self, folder: Path, name: str = "", *, chosen: Sequence[str] = ()) -> dict[str, SkillPackage]:
        """Parse the skills in a folder or a zip, by the folder of each. ``chosen``: only the skills of these names.

        Raises ``Invalid`` for a name that none of them has.
        """
        found = await parse.of_folder(folder, name, self._ports)
        return await self._ports.compute.run(_chosen, found, chosen)

    def package(self, data: str | dict[str, Any]) -> SkillPackage:
        """Parse a skill given as the text of a SKILL.md, or as an object with the same contents.

        Raises ``Invalid``.
        """
        return parse.of_data(data)

    async def usable(self, package: SkillPackage) -> SkillFacts:
        """Return the facts of a parsed skill.

        Raises ``Invalid`` (``SKILL_INVALID``).
        """
        return await self._ports.compute.run(checked_skill, package.text)

    async def of_answer(self, answer: Answer, target_uri: str = "", *, limit: int = 10) -> list[SkillHit]:
        """Return the skills among the hits of a search, best first.

        Raises ``Invalid`` for ``target_uri``.
        """
        return await skills_of_hits(answer.hits, self.roots(target_uri), limit, self.caller, self._ports)

    async def show(self, name: str, view: SkillView, target_uri: str = "") -> SkillDetails:
        """Return one skill.

        Raises ``NotFound``.
        """
        return await show_skill(await self._named(name, target_uri), view, self.caller, self._ports)

    async def remove(self, name: str, target_uri: str = "") -> DeletedSkill:
        """Delete a skill, and with a skill of the caller's own its private values.

        Raises ``NotFound``.
        """
        skill = await self._named(name, target_uri)
        own = skill.root == self._own
        private = Uri(("user", self.caller.user, "privacy", "skill", skill.name)) if own else None
        return await remove_skill(skill, private, self.caller, self._ports)

    async def validate(
        self, data: str | dict[str, Any], folder: str = ""
    ) -> tuple[SkillFacts | None, tuple[Finding, ...]]:
        """Validate a SKILL.md: its facts (None if it is unusable) and every finding.

        What ``add`` would complete, from ``folder``, is a warning. Raises ``Invalid`` for what is not a SKILL.md.
        """
        return await self._ports.compute.run(_validated, parse.text_of(data), folder)

    async def _named(self, name: str, target_uri: str) -> Skill:
        return await find_skill(self.roots(target_uri), skill_name(name), self.caller, self._ports)

    # Last, because below it the word list means this method.
    async def list(self, target_uri: str = "", *, limit: int = 1000) -> list[Skill]:
        """Return skills by name, the caller's own before the agents'.

        Raises ``Invalid`` for ``limit`` outside 1 to 100,000.
        """
        check_range(limit, 1, LISTED_MAX, "node_limit")
        found: list[Skill] = []
        for root in self.roots(target_uri):
            found += await list_skills(root, limit - len(found), self.caller, self._ports)
        return found


def _validated(text: str, folder: str) -> tuple[SkillFacts | None, tuple[Finding, ...]]:
    facts, findings = read_skill(text)
    if facts is not None:
        return facts, findings
    facts, others = read_skill(completed(text, folder))
    if facts is None:
        return None, findings
    return facts, (*(replace(one, error=False) for one in findings if one.error), *others)


def _chosen(found: Mapping[str, SkillPackage], names: Sequence[str]) -> dict[str, SkillPackage]:
    """Return the skills, by folder, whose SKILL.md or folder has one of ``names`` (() = all). Raises ``Invalid``."""
    if not names:
        return dict(found)
    names_of = {where: read_skill(package.text)[0] for where, package in found.items()}
    chosen: dict[str, SkillPackage] = {}
    for name in names:
        where = next(
            (w for w, facts in names_of.items() if w.rsplit("/", 1)[-1] == name or (facts and facts.name == name)), None
        )
        if where is None:
            raise Invalid(f"there is no skill {name[:80]!r} in it", remedy="list_only shows the available ones")
        chosen[where] = found[where]
    return chosen
