"""Requests and results of /skills."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict, Field

from recalld.surfaces.http.models.envelope import Model, Strict, WaitingBody
from recalld.surfaces.http.models.search import Levels
from recalld.surfaces.http.models.tree import QueueStatus

LIMIT_MAX = 1_000


class SkillBody(WaitingBody):
    """A skill: ``data`` is the text of a ``SKILL.md`` or an object with the same contents, ``temp_file_id`` an upload with other
    files. Of an upload with several skills, ``skills`` names those to store; ``list_only`` lists them and stores nothing.
    """

    data: str | dict[str, Any] | None = None
    temp_file_id: str | None = None
    source_metadata: dict[str, Any] | None = None
    target_uri: str | None = None
    skills: list[str] | None = Field(None, max_length=100)
    list_only: bool = False


class SkillPlaceQuery(Model):
    """The directory of the skill."""

    target_uri: str | None = None


class SkillsQuery(SkillPlaceQuery):
    """Which skills to list."""

    node_limit: int = Field(1_000, ge=1, le=10_000)


class SkillsFindBody(Strict):
    """A task to find a skill for."""

    query: str
    limit: int = Field(10, ge=1, le=LIMIT_MAX)
    score_threshold: float | None = None
    level: Levels | None = None
    target_uri: str | None = None


class SkillCheckBody(Strict):
    """A ``SKILL.md`` to validate. ``strict``: warnings count as errors."""

    data: str | dict[str, Any]
    strict: bool = False
    source_path: str | None = None
    skill_dir_name: str | None = None
    target_uri: str | None = None


class SkillQuery(SkillPlaceQuery):
    """What to return of a skill."""

    include_content: bool | None = None
    include_files: bool = True
    include_integrity: bool = False
    include_source: bool = False
    level: int | None = Field(None, ge=0, le=2)


class SkillPlace(Model):
    """A skill and where it is."""

    name: str
    uri: str
    root_uri: str


class SkillStoredResult(SkillPlace):
    """A stored skill."""

    status: Literal["success"]
    auxiliary_files: int
    action: Literal["update"] | None = None
    task_id: str | None = None
    queue_status: dict[str, QueueStatus] | None = None
    warnings: list[str] = []


class SkillOffered(Model):
    """A skill in an upload."""

    name: str
    description: str


class SkillsOffered(Model):
    """The skills of an upload."""

    status: Literal["success"]
    skills: list[SkillOffered]
    total: int
    root_uri: str | None = None
    task_id: str | None = None


class SkillSummary(SkillPlace):
    """A skill in a list."""

    type: Literal["skill"]
    skill_md_uri: str
    description: str
    tags: list[str]
    allowed_tools: list[str]


class SkillFound(SkillSummary):
    """A found skill, and the entry that matched."""

    score: float
    match_reason: str
    level: int
    abstract: str


class SkillRoots(Model):
    """The searched directories of skills, and how many skills there are."""

    root_uris: list[str] | None = None
    root_uri: str | None = None
    total: int


class SkillsResult(SkillRoots):
    """Skills, the caller's own before the agents'."""

    skills: list[SkillSummary]


class SkillsFoundResult(SkillRoots):
    """Found skills, best first."""

    skills: list[SkillFound]


class SkillFileResult(Model):
    """A file of a skill. ``kind``: skill (its ``SKILL.md``), script, reference, asset or directory."""

    name: str
    uri: str
    path: str
    is_dir: bool
    kind: Literal["skill", "script", "reference", "asset", "directory"]
    size: int | None = None
    sha256: str | None = None


class SkillResult(SkillSummary):
    """A skill."""

    model_config = ConfigDict(extra="forbid")

    abstract: str
    overview: str
    content: str | None
    content_sha256: str
    files: list[SkillFileResult] = []
    revision: str | None = None
    source: dict[str, Any] | None = None


class SkillDeletedResult(SkillPlace):
    """A deleted skill."""

    estimated_deleted_count: int
    privacy_deleted: bool


class SkillFindingResult(Model):
    """A finding about a ``SKILL.md``."""

    severity: Literal["error", "warning"]
    code: str
    field: str
    message: str


class SkillCheckResult(Model):
    """Whether a ``SKILL.md`` is usable, with all findings."""

    valid: bool
    strict: bool
    name: str | None
    description: str | None
    tags: list[str]
    allowed_tools: list[str]
    errors: list[SkillFindingResult]
    warnings: list[SkillFindingResult]
    uri: str | None = None
    source_path: str | None = None
