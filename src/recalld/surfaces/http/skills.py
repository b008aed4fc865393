"""/skills: descriptions of what an agent can do."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import orjson

from recalld.app.skills import SkillOperations
from recalld.domain.errors import Invalid
from recalld.domain.node import Node
from recalld.domain.skill import SKILL_FILE, Finding, Skill, SkillDetails, SkillHit, SkillPackage, StoredSkill
from recalld.rules.skill_form import facts_json, kind_of
from recalld.surfaces.http import serializers
from recalld.surfaces.http.endpoint import Deadline, Endpoint
from recalld.surfaces.http.models.skill import (
    LIMIT_MAX,
    SkillBody,
    SkillCheckBody,
    SkillCheckResult,
    SkillDeletedResult,
    SkillPlaceQuery,
    SkillQuery,
    SkillResult,
    SkillsFindBody,
    SkillsFoundResult,
    SkillsOffered,
    SkillsQuery,
    SkillsResult,
    SkillStoredResult,
)
from recalld.surfaces.http.request import ApiRequest
from recalld.surfaces.http.uploads import open_upload
from recalld.usecases.skill.queries import SkillView

_AT = "/api/v1/skills"
_SOURCE_BYTES_MAX = 16_384
_OVERSAMPLE = 4
"""Several files of one skill may match, so more hits than skills are requested."""


async def add(request: ApiRequest, body: SkillBody) -> dict[str, Any]:
    """Store a skill in ``viking://~/skills`` or ``target_uri``: a ``SKILL.md`` as ``data``, or an upload with other files.

    A skill of the same name is replaced. It is searchable when this answers; ``wait`` also waits for abstracts and vectors.
    """
    if body.list_only or body.skills is not None:
        return await _several(request, body)
    return await _store(request, body, "")


async def _several(request: ApiRequest, body: SkillBody) -> dict[str, Any]:
    """List the skills of an upload or of ``data``, or store those that were named. All are checked before any is stored."""
    skills = request.workspace.skills
    packages = await _packages(request, body, skills)
    offered = [await skills.usable(package) for package in packages]
    result: dict[str, Any] = {
        "status": "success",
        "skills": [{"name": facts.name, "description": facts.description} for facts in offered],
        "total": len(offered),
    }
    if body.list_only:
        return result
    stored = [
        await skills.store(
            package, target_uri=body.target_uri or "", source=_checked(body.source_metadata), watched=not body.wait
        )
        for package in packages
    ]
    if body.wait:
        await request.workspace.wait(timeout_s=body.timeout)
    return result | {
        "root_uri": str(stored[-1].skill.root) if stored else None,
        "task_id": stored[-1].task_id if stored else None,
    }


async def _packages(request: ApiRequest, body: SkillBody, skills: SkillOperations) -> Sequence[SkillPackage]:
    if body.data is not None:
        return [skills.package(body.data)]
    upload = await request.app_state.disk.run(
        open_upload, request.engine.upload_dir, body.temp_file_id or "", request.caller
    )
    return list((await skills.packages(upload.path, upload.filename, chosen=body.skills or ())).values())


async def update(request: ApiRequest, name: str, body: SkillBody) -> dict[str, Any]:
    """Replace a skill and all its files with another of the same name."""
    return {**await _store(request, body, name), "action": "update"}


async def list_(request: ApiRequest, query: SkillsQuery) -> dict[str, Any]:
    """List the caller's skills, then the agents', by name."""
    skills = request.workspace.skills
    found = request.cut(await skills.list(query.target_uri or "", limit=query.node_limit + 1), query.node_limit)
    return _roots(skills, query.target_uri) | {"skills": [_summary(s) for s in found], "total": len(found)}


async def find(request: ApiRequest, body: SkillsFindBody) -> dict[str, Any]:
    """Find skills for a task, best first."""
    skills = request.workspace.skills
    target = body.target_uri or ""
    answer = await request.workspace.find(
        body.query,
        target_uri=[str(root) for root in skills.roots(target)],
        context_type="skill",
        limit=min(body.limit * _OVERSAMPLE, LIMIT_MAX),
        score_threshold=body.score_threshold,
        level=body.level or (),
    )
    request.degraded(answer.degraded)
    found = await skills.of_answer(answer, target, limit=body.limit)
    return _roots(skills, target) | {"skills": [_hit(hit) for hit in found], "total": len(found)}


async def validate(request: ApiRequest, body: SkillCheckBody) -> dict[str, Any]:
    """Validate a ``SKILL.md`` without storing it."""
    skills = request.workspace.skills
    root = skills.roots(body.target_uri or "")[0]
    facts, findings = await skills.validate(body.data, body.skill_dir_name or "")
    result = [*findings]
    if facts is not None and body.skill_dir_name and body.skill_dir_name != facts.name:
        message = f"the folder is called {body.skill_dir_name[:80]!r}, the skill {facts.name!r}"
        result.append(Finding("folder_name", message, "name", error=False))
    errors = [_finding(f, body.strict) for f in result if f.error or body.strict]
    shown = facts_json(facts) if facts is not None else {"name": None, "description": None}
    return {
        "valid": not errors,
        "strict": body.strict,
        "tags": [],
        "allowed_tools": [],
        **shown,
        "errors": errors,
        "warnings": [_finding(f, False) for f in result if not f.error and not body.strict],
        "uri": str(root / facts.name) if facts is not None else None,
        "source_path": body.source_path,
    }


async def show(request: ApiRequest, name: str, query: SkillQuery) -> dict[str, Any]:
    """Return a skill with its text and files. ``include_integrity`` adds the sha256 of every file and a revision of all of them."""
    view = SkillView(
        query.level, query.include_content, query.include_files, query.include_integrity, query.include_source
    )
    shown = await request.workspace.skills.show(name, view, query.target_uri or "")
    return _shown(shown, integrity=query.include_integrity, source=query.include_source)


async def remove(request: ApiRequest, name: str, query: SkillPlaceQuery) -> dict[str, Any]:
    """Delete a skill with its files and its private values."""
    gone = await request.workspace.skills.remove(name, query.target_uri or "")
    return {
        "name": gone.skill.name,
        "uri": str(gone.skill.uri),
        "root_uri": str(gone.skill.root),
        "estimated_deleted_count": gone.removed,
        "privacy_deleted": gone.privacy,
    }


async def _store(request: ApiRequest, body: SkillBody, update_name: str) -> dict[str, Any]:
    upload = None
    if body.temp_file_id and body.data is None:
        upload = await request.app_state.disk.run(
            open_upload, request.engine.upload_dir, body.temp_file_id, request.caller
        )
    before = await request.engine.queues() if body.wait else []
    stored = await request.workspace.skills.add(
        body.data,
        upload=upload.path if upload is not None else None,
        filename=upload.filename if upload is not None else "",
        target_uri=body.target_uri or "",
        update=update_name,
        source=_checked(body.source_metadata),
        watched=not body.wait,
        keep_source=False,
    )
    queues = serializers.progress(before, await request.workspace.wait(timeout_s=body.timeout)) if body.wait else None
    return _stored(stored, queues)


def _checked(source: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    if source is not None and len(orjson.dumps(source)) > _SOURCE_BYTES_MAX:
        raise Invalid(
            "source_metadata is too large",
            remedy=f"at most {_SOURCE_BYTES_MAX} bytes of JSON",
            details={"field": "source_metadata"},
        )
    return source


def _stored(stored: StoredSkill, queues: dict[str, Any] | None) -> dict[str, Any]:
    uri = str(stored.skill.uri)
    shown: dict[str, Any] = {
        "status": "success",
        "root_uri": uri,
        "uri": uri,
        "name": stored.skill.name,
        "auxiliary_files": stored.auxiliary_files,
    }
    shown |= {"task_id": stored.task_id} if queues is None else {"queue_status": queues}
    return shown | ({"warnings": [f"left out {s}" for s in stored.skipped[:100]]} if stored.skipped else {})


def _roots(skills: SkillOperations, target: str | None) -> dict[str, Any]:
    roots = [str(root) for root in skills.roots(target or "")]
    return {"root_uri": roots[0]} if target else {"root_uris": roots}


def _summary(one: Skill) -> dict[str, Any]:
    return {
        "type": "skill",
        **facts_json(one.facts),
        "name": one.name,
        "uri": str(one.uri),
        "root_uri": str(one.root),
        "skill_md_uri": str(one.uri / SKILL_FILE),
    }


def _hit(hit: SkillHit) -> dict[str, Any]:
    below = hit.matched.relative_to(hit.skill.uri)
    return {
        **_summary(hit.skill),
        "score": hit.score if math.isfinite(hit.score) else 0.0,
        "match_reason": f"its {below} answers the task" if below else "it answers the task",
        "level": hit.level,
        "abstract": hit.abstract,
    }


def _shown(shown: SkillDetails, *, integrity: bool, source: bool) -> dict[str, Any]:
    result = {
        **_summary(shown.skill),
        "abstract": shown.abstract,
        "overview": shown.overview,
        "content": shown.content,
        "content_sha256": shown.content_sha256,
    }
    if shown.files is not None:
        result["files"] = [_file(shown.skill, node, integrity) for node in shown.files]
    if integrity:
        result["revision"] = shown.revision
    if source:
        result["source"] = shown.source or None
    return result


def _file(one: Skill, node: Node, integrity: bool) -> dict[str, Any]:
    row: dict[str, Any] = {
        "name": node.uri.name,
        "uri": str(node.uri),
        "path": node.uri.relative_to(one.uri),
        "is_dir": node.is_dir,
        "kind": kind_of(one.uri, node),
    }
    if not node.is_dir:
        row["size"] = node.size
        if integrity:
            row["sha256"] = node.hash
    return row


def _finding(finding: Finding, strict: bool) -> dict[str, Any]:
    result = asdict(finding)
    return {"severity": "error" if result.pop("error") or strict else "warning", **result}


ENDPOINTS = (
    Endpoint("GET", _AT, list_, SkillsResult, "List skills"),
    Endpoint("POST", _AT, add, SkillStoredResult | SkillsOffered, "Add a skill"),
    Endpoint("POST", f"{_AT}/find", find, SkillsFoundResult, "Find a skill for a task", Deadline.RECALL),
    Endpoint("POST", f"{_AT}/validate", validate, SkillCheckResult, "Validate a SKILL.md"),
    Endpoint("GET", f"{_AT}/{{name}}", show, SkillResult, "Show a skill"),
    Endpoint("PUT", f"{_AT}/{{name}}", update, SkillStoredResult, "Replace a skill"),
    Endpoint("DELETE", f"{_AT}/{{name}}", remove, SkillDeletedResult, "Delete a skill"),
)
