"""The forms of a skill: a ``SKILL.md`` from an object, its abstract, its facts as JSON, the kinds of its files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from recalld.domain.errors import Invalid
from recalld.domain.node import Node
from recalld.domain.skill import SKILL_FILE, SkillFacts
from recalld.domain.uri import Uri

from .media import is_code, is_text

_BODIES = ("content", "instructions", "body")
_FRONT = {"name": "name", "description": "description", "tags": "tags", "allowed-tools": "allowed-tools"}
_FRONT |= {"allowed_tools": "allowed-tools", "license": "license", "version": "version", "metadata": "metadata"}
_FOLDERS = {"scripts": "script", "references": "reference", "assets": "asset"}


def text_of_object(fields: Mapping[str, Any]) -> str:
    """Return a ``SKILL.md`` from an object: front matter of its known keys, ``content`` (or ``instructions``, ``body``)
    below; other fields, such as a tool's input schema, follow as JSON. Raises ``Invalid`` if it is not JSON."""
    front = {_FRONT[key]: value for key, value in fields.items() if key in _FRONT and value not in (None, "", [])}
    bodies = [str(fields[key]) for key in _BODIES if fields.get(key)]
    rest = {k: v for k, v in fields.items() if k not in _FRONT and k not in _BODIES and v not in (None, "", [], {})}
    try:
        head = yaml.safe_dump(front, sort_keys=False, allow_unicode=True, width=10_000)
        json_block = f"```json\n{json.dumps(rest, ensure_ascii=False, indent=2)}\n```\n" if rest else ""
    except (yaml.YAMLError, TypeError, ValueError, RecursionError) as bad:
        raise Invalid(
            "data contains values that are not JSON", remedy="send texts, lists and objects", details={"field": "data"}
        ) from bad
    return "\n".join([f"---\n{head}---\n", *(f"{body.strip()}\n" for body in bodies), json_block]).rstrip("\n") + "\n"


def abstract_of(facts: SkillFacts) -> str:
    """Return a skill's ``.abstract.md``: its facts as YAML for programs."""
    shown = {
        "name": facts.name,
        "description": facts.description,
        "tags": list(facts.tags),
        "allowed_tools": list(facts.allowed_tools),
    }
    return str(yaml.safe_dump(shown, sort_keys=False, allow_unicode=True, width=10_000)).strip()


def facts_json(facts: SkillFacts) -> dict[str, Any]:
    """Return facts as stored with the node of a ``SKILL.md``."""
    return {
        "name": facts.name,
        "description": facts.description,
        "tags": list(facts.tags),
        "allowed_tools": list(facts.allowed_tools),
    }


def facts_from(stored: object) -> SkillFacts | None:
    """Parse ``facts_json``; None for anything else."""
    match stored:
        case {"name": str(name), "description": str(text), "tags": list(tags), "allowed_tools": list(tools)}:
            return SkillFacts(name, text, tuple(map(str, tags)), tuple(map(str, tools)))
    return None


def kind_of(skill: Uri, node: Node) -> str:
    """Return the kind of a skill's entry: directory, skill (its ``SKILL.md``), script, reference or asset, by its
    folder, else by its media type."""
    if node.is_dir:
        return "directory"
    path = node.uri.relative_to(skill)
    if path == SKILL_FILE:
        return "skill"
    known = _FOLDERS.get(path.split("/")[0], "")
    if known:
        return known
    return "script" if is_code(node.media) else "reference" if is_text(node.media) else "asset"


def revision_of(skill: Uri, files: Iterable[Node]) -> str:
    """Return a hash over names and bytes of a skill's files."""
    lines = sorted(f"{node.uri.relative_to(skill)}\0{node.hash}" for node in files if not node.is_dir)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
