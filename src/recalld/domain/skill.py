"""Skills: described abilities of an agent, a folder with a ``SKILL.md``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .node import Node
from .uri import Uri

SKILL_FILE = "SKILL.md"


@dataclass(frozen=True, slots=True)
class Finding:
    """A finding about a ``SKILL.md``: an ``error`` makes it unusable, anything else is advice. ``field``: the front
    matter's key, "" = the whole file."""

    code: str
    message: str
    field: str = ""
    error: bool = True


@dataclass(frozen=True, slots=True)
class SkillFacts:
    """The front matter of a skill. ``description`` is on one line."""

    name: str
    description: str
    tags: tuple[str, ...] = ()
    allowed_tools: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SkillPackage:
    """A skill as received: its ``SKILL.md``, other files by path, and skipped files with reasons."""

    text: str
    files: tuple[tuple[str, bytes], ...] = ()
    skipped: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Skill:
    """A stored skill: its folder, the parent of that folder, and its facts. ``name`` is the folder's."""

    uri: Uri
    facts: SkillFacts

    @property
    def name(self) -> str:
        """The name by which it is requested."""
        return self.uri.name

    @property
    def root(self) -> Uri:
        """The directory of skills that contains it."""
        return self.uri.parent


@dataclass(frozen=True, slots=True)
class StoredSkill:
    """The result of adding or updating a skill. ``task_id`` "": without a task; ``created`` False: it existed
    before."""

    skill: Skill
    auxiliary_files: int
    created: bool
    task_id: str = ""
    skipped: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SkillDetails:
    """A skill with the requested parts; "" and () for others. ``files``: all entries below it; ``revision`` identifies
    exactly these files and bytes; ``source``: its origin according to the sender."""

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
    """A found skill. ``matched``: the matching entry; ``level`` and ``abstract`` are that entry's."""

    skill: Skill
    score: float
    matched: Uri
    level: int
    abstract: str


@dataclass(frozen=True, slots=True)
class DeletedSkill:
    """The result of a deletion; ``privacy``: the caller's private values for it were deleted as well."""

    skill: Skill
    removed: int
    privacy: bool
