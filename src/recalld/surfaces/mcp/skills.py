"""The tool that adds skills. It answers in plain text."""

from __future__ import annotations

import re
from pathlib import Path

from recalld.app.skills import SkillOperations
from recalld.domain.errors import Invalid
from recalld.domain.skill import StoredSkill

from . import arguments as args
from .tool_context import ToolContext, not_implemented

_REMOTE = re.compile(r"(?:https?|ssh|git|tos)://|git@", re.IGNORECASE)
_UPLOAD = re.compile(r"(?:upload|shared)_[0-9A-Za-z_.-]+")
_UPLOAD_FIRST = (
    "This server does not read your disk. Send the text of the SKILL.md as data; or, for a skill with files beside it,\n"
    "upload it first:\n"
    "  POST /api/v1/resources/temp_upload as multipart/form-data with the field file (the folder as one zip),\n"
    "then call add_skill with the temp_file_id it answers as path."
)


async def add_skill(context: ToolContext, params: args.AddSkill) -> str:
    """Add a skill: the text of a SKILL.md as data, or a folder, zip or file as path. Of several skills in one path, skills
    names those to add; list_only lists them and adds nothing.
    """
    skills = context.workspace.skills
    if params.data and params.path:
        raise Invalid("data and path were both given", remedy="give one of them", details={"field": "path"})
    if params.data:
        if params.list_only:
            return await _validated(skills, params.data)
        return _summary([await skills.add(params.data, target_uri=params.target_uri)])
    if not params.path:
        raise Invalid("data or path is needed", remedy="send the text of a SKILL.md", details={"field": "data"})
    if _REMOTE.match(params.path):
        raise not_implemented("fetching skills from repositories", "download them and add the folder")
    return await _from_path(context, skills, params)


async def _from_path(context: ToolContext, skills: SkillOperations, params: args.AddSkill) -> str:
    path, name = Path(params.path), ""
    if context.open_upload is not None:
        if not _UPLOAD.fullmatch(params.path):
            return _UPLOAD_FIRST
        path, name = await context.open_upload(params.path)
    chosen = [params.skills] if isinstance(params.skills, str) else params.skills or ()
    found = await skills.packages(path, name, chosen=chosen)
    if params.list_only:
        rows = [f"- [{at or '.'}] {await _validated(skills, package.text)}" for at, package in found.items()]
        return "\n".join([f"Found {len(rows)} skill(s):", *rows])
    # All are checked before any is stored: from a folder with a broken skill nothing is added.
    for package in found.values():
        await skills.usable(package)
    return _summary([await skills.store(package, target_uri=params.target_uri) for package in found.values()])


async def _validated(skills: SkillOperations, text: str) -> str:
    facts, findings = await skills.validate(text)
    if facts is None:
        return "cannot be used: " + "; ".join(f.message for f in findings if f.error)
    return f"{facts.name}: {facts.description}"


def _summary(stored: list[StoredSkill]) -> str:
    lines = [
        f"{'Added' if one.created else 'Replaced'} {one.skill.uri} ({one.auxiliary_files} file(s) beside SKILL.md)."
        for one in stored
    ]
    return "\n".join([*lines, *(f"Left out {reason}" for one in stored for reason in one.skipped)])
