"""Skills: described abilities of an agent, a folder with a ``SKILL.md``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .node import Node
from .uri import Uri

SKILL_FILE = "SKILL.md"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something about a ``SKILL.md``: an ``error`` makes it unusable, anything else is advice. ``field``: the front
    matter's key, "" = the whole file."""

    code: str
    message: str
    field: str = ""
    error: bool = True


@dataclass(frozen=True, slots=True)
class SkillFacts:
    """What a skill's front matter says. ``description`` is on one line."""

    name: str
    description: str
    tags: tuple[str, ...] = ()
    allowed_tools: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SkillPackage:
    """A skill as it was sent: its ``SKILL.md``, the files beside it by path, and what was left out and why."""

    text: str
    files: tuple[tuple[str, bytes], ...] = ()
    skipped: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Skill:
    """A stored skill: its folder, the directory of skills that lies in, and its facts. ``name`` is the folder's."""

    uri: Uri
    facts: SkillFacts

    @property
    def name(self) -> str:
        """The name it is asked for by."""
        return self.uri.name

    @property
    def root(self) -> Uri:
        """The directory of skills it lies in."""
        return self.uri.parent


@dataclass(frozen=True, slots=True)
class StoredSkill:
    """What adding or updating did. ``task_id`` "" where nobody is to watch it; ``created`` False: it was there before."""

    skill: Skill
    auxiliary_files: int
    created: bool
    task_id: str = ""
    skipped: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SkillDetails:
    """A skill with what was asked for; "" and () where it was not. ``files`` are all entries below it, ``revision``
    names exactly these files with these bytes, ``source`` is what its sender said of where it comes from."""

    skill: Skill
    abstract: str = ""
    overview: str = ""
    content: str | None = None
    content_sha256: str = ""
    files: tuple[Node, ...] | None = None
    revision: str = ""
    source: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SkillHit:
    """A found skill. ``matched``: the entry of it that answered; ``level`` and ``abstract`` are that entry's."""

    skill: Skill
    score: float
    matched: Uri
    level: int
    abstract: str


@dataclass(frozen=True, slots=True)
class DeletedSkill:
    """What a deletion took away; ``privacy``: the caller's private values for it went as well."""

    skill: Skill
    removed: int
    privacy: bool
