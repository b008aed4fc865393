"""Parses and validates a skill's ``SKILL.md``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import yaml

from recalld.domain.errors import Invalid
from recalld.domain.skill import Finding, SkillFacts

from .markdown import FRONT_MATTER_CHARS_MAX, front_matter_end

NAME_CHARS_MAX = 64
DESCRIPTION_CHARS_MAX = 2_048
DESCRIPTION_CHARS_ADVISED = 1_024
ITEMS_MAX = 100
ITEM_CHARS_MAX = 200
TEXT_BYTES_MAX = 1_048_576
DEPTH_MAX = 10
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
# Spaces and commas inside parentheses belong to the tool: Bash(git add:*, git commit:*).
_TOOL = re.compile(r"(?:[^\s,()]|\([^()]*\))+")
_READ = ("name", "description", "tags", "allowed-tools", "allowed_tools")
_KNOWN = frozenset((*_READ, "license", "version", "metadata", "author", "compatibility", "model"))
"""Keys used here, and keys known to other readers of a ``SKILL.md``."""
_LOADER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
"""Builds texts, lists and mappings only: no objects, no dates, no numbers from version names."""


def read_skill(text: str) -> tuple[SkillFacts | None, tuple[Finding, ...]]:
    """Return the facts of a ``SKILL.md`` (None if it has an error) and all findings, errors first."""
    whole = text.removeprefix("\ufeff").replace("\r\n", "\n")
    end = front_matter_end(whole)
    if len(whole.encode("utf-8", "replace")) > TEXT_BYTES_MAX:
        return None, (Finding("too_large", f"SKILL.md is larger than {TEXT_BYTES_MAX} bytes; move parts beside it"),)
    if not end:
        return None, (_no_front_matter(whole),)
    front, problem = front_matter(whole[:end])
    if problem is not None:
        return None, (problem,)
    found = [*_about_name(front), *_about_description(front), *_about_lists(front), *_about_rest(front, whole[end:])]
    found.sort(key=lambda finding: not finding.error)
    if any(finding.error for finding in found):
        return None, tuple(found)
    tools = front.get("allowed-tools", front.get("allowed_tools", ""))
    facts = SkillFacts(
        str(front["name"]).strip(), " ".join(str(front["description"]).split()), _tags(front.get("tags")), _tools(tools)
    )
    return facts, tuple(found)


def checked_skill(text: str) -> SkillFacts:
    """Return the facts of a usable ``SKILL.md``. Raises ``Invalid`` (``SKILL_INVALID``) with all errors."""
    facts, findings = read_skill(text)
    if facts is not None:
        return facts
    errors = [f for f in findings if f.error]
    raise Invalid(
        f"Invalid SKILL.md: {'; '.join(f.message for f in errors)}",
        remedy="begin it with --- and name: and description: lines; `validate_skill` lists every error",
        code="SKILL_INVALID",
        details={"findings": [{"code": f.code, "field": f.field, "message": f.message} for f in errors]},
    )


def skill_name(name: str) -> str:
    """Return a skill name if it is valid. Raises ``Invalid``."""
    if not _NAME.fullmatch(name):
        raise Invalid(
            f"{name[:80]!r} is not a skill name",
            remedy=f"letters A-Z, digits, _ and -, at most {NAME_CHARS_MAX}",
            details={"field": "name"},
        )
    return name


def _no_front_matter(text: str) -> Finding:
    if not text.startswith("---\n"):
        return Finding("no_front_matter", "it does not begin with a line --- and front matter")
    return Finding(
        "open_front_matter", f"the front matter is not closed by a line --- within {FRONT_MATTER_CHARS_MAX} characters"
    )


def front_matter(block: str) -> tuple[dict[str, Any], Finding | None]:
    """Return the block between the two marks as a mapping, and a finding if it is not one."""
    source = "\n".join(block.rstrip("\n").split("\n")[1:-1])
    try:
        # Checked as events first, so that deep nesting and self-references are never built.
        depth = 0
        for event in yaml.parse(source, Loader=_LOADER):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if isinstance(event, yaml.AliasEvent) or depth > DEPTH_MAX:
                problem = "refers to another part (*alias)" if depth <= DEPTH_MAX else f"nests deeper than {DEPTH_MAX}"
                return {}, Finding("yaml", f"the front matter {problem}")
        front = yaml.load(source, Loader=_LOADER)
    except (yaml.YAMLError, ValueError) as bad:
        return {}, Finding("yaml", _error_text(bad))
    if not isinstance(front, dict):
        return {}, Finding("yaml", "the front matter is not a list of key: value lines")
    return {str(key): value for key, value in front.items()}, None


def _error_text(bad: Exception) -> str:
    mark, problem = getattr(bad, "problem_mark", None), getattr(bad, "problem", None)
    where = f" at line {mark.line + 2}" if mark is not None else ""
    hint = "; put a text that holds a colon in quotes" if problem and "mapping values" in problem else ""
    return f"the front matter is not valid YAML{where}: {problem or 'it cannot be read'}{hint}"


def _about_name(front: Mapping[str, Any]) -> list[Finding]:
    name = front.get("name")
    if not isinstance(name, str) or not name.strip():
        return [Finding("missing", "name is missing", "name")]
    if not _NAME.fullmatch(name.strip()):
        problem = f"name {name[:80]!r} may hold letters A-Z, digits, _ and -, at most {NAME_CHARS_MAX} of them"
        return [Finding("name", problem, "name")]
    return []


def _about_description(front: Mapping[str, Any]) -> list[Finding]:
    text = front.get("description")
    if not isinstance(text, str) or not text.strip():
        return [Finding("missing", "description is missing: it is what a skill is found by", "description")]
    size = len(text.strip())
    if size > DESCRIPTION_CHARS_ADVISED:
        return [
            Finding(
                "long",
                f"description has {size} characters, at most {DESCRIPTION_CHARS_MAX} ({DESCRIPTION_CHARS_ADVISED} advised)",
                "description",
                error=size > DESCRIPTION_CHARS_MAX,
            )
        ]
    return []


def _about_lists(front: Mapping[str, Any]) -> list[Finding]:
    found: list[Finding] = []
    for key, read in (("tags", _tags), ("allowed-tools", _tools), ("allowed_tools", _tools)):
        value = front.get(key, "")
        if not isinstance(value, str) and not (isinstance(value, list) and all(isinstance(v, str) for v in value)):
            found.append(Finding("type", f"{key} is neither a text nor a list of texts", key))
            continue
        items = read(value)
        if len(items) > ITEMS_MAX or any(len(item) > ITEM_CHARS_MAX for item in items):
            found.append(Finding("long", f"{key}: at most {ITEMS_MAX} of at most {ITEM_CHARS_MAX} characters", key))
    return found


def _about_rest(front: Mapping[str, Any], body: str) -> list[Finding]:
    found = [
        Finding("unknown", f"{key[:60]!r} has no meaning here and is kept as it is", key[:60], error=False)
        for key in list(front)[:ITEMS_MAX]
        if key not in _KNOWN
    ]
    if not body.strip():
        found.append(Finding("empty", "there are no instructions below the front matter", error=False))
    return found


def _tags(value: Any) -> tuple[str, ...]:
    items = value.split(",") if isinstance(value, str) else value or ()
    return tuple(dict.fromkeys(item.strip() for item in items if item.strip()))


def _tools(value: Any) -> tuple[str, ...]:
    """Parse a list, or names separated by commas or spaces."""
    items = _TOOL.findall(value) if isinstance(value, str) else value or ()
    return tuple(dict.fromkeys(item.strip() for item in items if item.strip()))
