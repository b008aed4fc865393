"""The tool that takes skills in, answering in plain text."""

from __future__ import annotations

import re
from pathlib import Path

from recalld.app.skills import SkillOperations
from recalld.domain.errors import Invalid
from recalld.domain.skill import SkillPackage, StoredSkill

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
    """Add a skill: the text of a SKILL.md as data, or a folder, zip or file as path. Of several skills in one path those
    named by skills are added; list_only shows them and adds nothing."""
    verbs = context.workspace.facade(SkillOperations)
    if params.data and params.path:
        raise Invalid("data and path were both given", remedy="give one of them", details={"field": "path"})
    if params.data:
        if params.list_only:
            return await _judged(verbs, params.data)
        return _summary([await verbs.add(params.data, target_uri=params.target_uri)])
    if not params.path:
        raise Invalid("data or path is needed", remedy="send the text of a SKILL.md", details={"field": "data"})
    if _REMOTE.match(params.path):
        raise not_implemented("fetching skills from repositories", "download them and add the folder")
    return await _from_path(context, verbs, params)


async def _from_path(context: ToolContext, verbs: SkillOperations, params: args.AddSkill) -> str:
    path, name = Path(params.path), ""
    if context.open_upload is not None:
        if not _UPLOAD.fullmatch(params.path):
            return _UPLOAD_FIRST
        path, name = await context.open_upload(params.path)
    chosen = [params.skills] if isinstance(params.skills, str) else params.skills or ()
    found = await verbs.packages(path, name, chosen=chosen)
    if params.list_only:
        rows = [await _row(verbs, where, package) for where, package in found.items()]
        return "\n".join([f"Found {len(rows)} skill(s):", *rows])
    # All are looked at before any is kept: of a folder with a broken one nothing is added.
    for package in found.values():
        await verbs.usable(package)
    return _summary([await verbs.store(package, target_uri=params.target_uri) for package in found.values()])


async def _row(verbs: SkillOperations, where: str, package: SkillPackage) -> str:
    return f"- [{where or '.'}] {await _judged(verbs, package.text)}"


async def _judged(verbs: SkillOperations, text: str) -> str:
    facts, findings = await verbs.judge(text)
    if facts is None:
        return "cannot be used: " + "; ".join(f.message for f in findings if f.error)
    return f"{facts.name}: {facts.description}"


def _summary(stored: list[StoredSkill]) -> str:
    lines = [
        f"{'Added' if one.created else 'Replaced'} {one.skill.uri} ({one.auxiliary_files} file(s) beside SKILL.md)."
        for one in stored
    ]
    return "\n".join([*lines, *(f"Left out {reason}" for one in stored for reason in one.skipped)])
