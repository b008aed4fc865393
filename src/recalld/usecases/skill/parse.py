"""Parse skills from a text, an object, a zip, a folder or one file."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from recalld.domain.choice import Choice
from recalld.domain.errors import Invalid
from recalld.domain.skill import SKILL_FILE, SkillPackage
from recalld.ports.bundle import Ports
from recalld.ports.source import OUTSIDE, UPLOAD_NOTE, Found, Skipped, Source
from recalld.rules.encoding import decode
from recalld.rules.names import legal_path, stem
from recalld.rules.skill_defaults import completed
from recalld.rules.skill_form import text_of_object

ENTRIES_MAX = 512
FILE_BYTES_MAX = 16 * 1024 * 1024
TOTAL_BYTES_MAX = 64 * 1024 * 1024
_UPLOAD = re.compile(r"(?:upload|shared)_[0-9a-f-]+$")
SKILLS_MAX = 100
"""Skills per folder or archive."""


def of_data(data: str | Mapping[str, Any]) -> SkillPackage:
    """Parse a ``SKILL.md`` text, or an equivalent object. Raises ``Invalid``."""
    return SkillPackage(completed(text_of(data)))


def text_of(data: str | Mapping[str, Any]) -> str:
    """Return the ``SKILL.md`` text of the input, without completion. Raises ``Invalid``."""
    return data if isinstance(data, str) else text_of_object(data)


async def of_upload(upload: Path, name: str, ports: Ports) -> SkillPackage:
    """Parse the single skill of an upload. Raises ``Invalid`` for none or several, and past the size limits."""
    found = await of_folder(upload, name, ports)
    if len(found) > 1:
        raise Invalid(
            f"{name or upload.name} holds {len(found)} skills: {', '.join(sorted(found))[:500]}",
            remedy="send one at a time",
            code="SKILL_INVALID",
        )
    return next(iter(found.values()))


async def of_folder(upload: Path, name: str, ports: Ports) -> dict[str, SkillPackage]:
    """Parse every skill in a folder, a zip or a file, by folder ("" = the top). Raises ``Invalid``."""
    return await ports.compute.run(_packages, upload, name, ports)


async def discard(upload: Path, ports: Ports) -> None:
    """Delete a used upload and its metadata file."""
    await ports.compute.run(upload.unlink, missing_ok=True)
    await ports.compute.run(upload.with_name(upload.name + UPLOAD_NOTE).unlink, missing_ok=True)


def _packages(upload: Path, name: str, ports: Ports) -> dict[str, SkillPackage]:
    source = ports.open_source(upload, Choice(name or upload.name))
    try:
        entries = list(source.entries())
        files = [e for e in entries if isinstance(e, Found)]
        skipped = [e for e in entries if isinstance(e, Skipped)]
        if outside := next((s for s in skipped if s.why == OUTSIDE), None):
            # Agents execute skills: one with paths outside its folder is rejected as a whole.
            raise Invalid(f"{outside.path} {OUTSIDE}", remedy="pack the skill with relative paths only")
        if len(entries) == 1 and files and files[0].path == (name or upload.name) and upload.is_file():
            # A single file is a SKILL.md under any name.
            _check_sizes(files)
            return {"": SkillPackage(completed(_text(source, files[0].path), _called(files[0].path)))}
        tops = _tops(files)
        if not tops:
            raise Invalid(
                f"there is no {SKILL_FILE} in {name or upload.name}",
                remedy=f"put a {SKILL_FILE} at its top",
                code="SKILL_INVALID",
            )
        _check_sizes([f for f in files if any(f.path.startswith(top) for top in tops)])
        called = _called(name or upload.name)
        return {top.rstrip("/"): _package(top, files, skipped, source, called) for top in tops}
    finally:
        source.close()


def _tops(files: Sequence[Found]) -> list[str]:
    """Return folders (ending in /, or "") with a ``SKILL.md``; a nested one belongs to the outer skill."""
    holding = sorted(f.path[: -len(SKILL_FILE)] for f in files if f.path.rsplit("/", 1)[-1] == SKILL_FILE)
    tops: list[str] = []
    for top in holding:
        if not tops or not top.startswith(tops[-1]):
            tops.append(top)
    if len(tops) > SKILLS_MAX:
        raise _too_much(f"it holds {len(tops)} skills", f"at most {SKILLS_MAX} in one go")
    return tops


def _called(name: str) -> str:
    """Return the skill name implied by a file, archive or folder name ("" for a bare ``SKILL.md`` and an upload's own
    name)."""
    found = stem(name.rsplit("/", 1)[-1])
    return "" if found.upper() == "SKILL" or _UPLOAD.match(found) else found


def _package(top: str, files: Sequence[Found], skipped: Sequence[Skipped], source: Source, called: str) -> SkillPackage:
    beside: list[tuple[str, bytes]] = []
    lost = [f"{s.path}: {s.why}" for s in skipped if s.path.startswith(top)]
    for each in files:
        if not each.path.startswith(top) or each.path == top + SKILL_FILE:
            continue
        data = source.read(each.path)
        if data is None:
            lost.append(f"{each.path}: it cannot be read")
        else:
            beside.append((legal_path(each.path[len(top) :]), data))
    text = completed(_text(source, top + SKILL_FILE), top.rstrip("/").rsplit("/", 1)[-1] or called)
    return SkillPackage(text, tuple(beside), tuple(lost))


def _text(source: Source, path: str) -> str:
    return decode(source.read(path) or b"").text


def _check_sizes(files: Sequence[Found]) -> None:
    large = next((f for f in files if f.size > FILE_BYTES_MAX), None)
    if large is not None:
        raise _too_much(f"{large.path} has {large.size} bytes", f"at most {FILE_BYTES_MAX} a file")
    total = sum(f.size for f in files)
    if len(files) > ENTRIES_MAX or total > TOTAL_BYTES_MAX:
        raise _too_much(
            f"{len(files)} files of {total} bytes", f"at most {ENTRIES_MAX} files of {TOTAL_BYTES_MAX} bytes together"
        )


def _too_much(problem: str, most: str) -> Invalid:
    return Invalid(f"too much for a skill: {problem}", remedy=most, code="RESOURCE_EXHAUSTED")
