"""Questions to language models: fixed words from files, the subject quoted as data between marks."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Final

from recalld.domain.errors import Corrupt
from recalld.domain.memory_type import MEMORY_TYPES

VERSIONS: Final[Mapping[str, int]] = {"document": 1, "directory": 1, "archive": 1, "memories": 1}
"""Every prompt and its version: raise it here and in the file whenever the words change."""
VERSION: Final = ".".join(str(version) for version in VERSIONS.values())
"""Of all prompts together, as written to what was made with them."""
_PROPOSED: Final = {one.name: one.prompt for one in MEMORY_TYPES if one.prompt}
PROPOSED_TYPES: Final = tuple(_PROPOSED)

_TEXT: Final = {"type": "string"}


def _object(**fields: Any) -> dict[str, Any]:
    return {"type": "object", "properties": fields, "required": list(fields), "additionalProperties": False}


_TIERS: Final = _object(abstract=_TEXT, overview=_TEXT)
_MEMORIES: Final = _object(
    memories={
        "type": "array",
        "items": _object(
            type={"type": "string", "enum": list(PROPOSED_TYPES)},
            title=_TEXT,
            text=_TEXT,
            messages={"type": "array", "items": _TEXT},
        ),
    }
)


@dataclass(frozen=True, slots=True)
class Prompt:
    """One question. ``schema``: JSON schema of the answer; ``version``: of the words, not of the subject."""

    name: str
    version: int
    system: str
    user: str
    schema: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Words:
    """The fixed words of every prompt, by name."""

    by_name: Mapping[str, str]


def load() -> Words:
    """Read all prompts from the package. Blocks: call it off the loop. Raises ``Corrupt`` for a file whose head is wrong."""
    return Words({name: _read(name) for name in VERSIONS})


def document(words: Words, *, name: str, text: str) -> Prompt:
    """Abstract and overview of a file."""
    return _prompt(words, "document", f"Name: {_line(name)}", text, _TIERS)


def directory(words: Words, *, uri: str, entries: Sequence[tuple[str, str]], total: int) -> Prompt:
    """Abstract and overview of a directory from its ``entries``: name (directories end in ``/``) and abstract."""
    listed = "\n".join(f"- {_line(name)}: {_line(abstract)}" for name, abstract in entries)
    more = f"\n(and {total - len(entries)} more)" if total > len(entries) else ""
    return _prompt(words, "directory", f"Folder: {_line(uri)}", listed + more, _TIERS)


def archive(words: Words, *, lines: Sequence[str]) -> Prompt:
    """Abstract and working-memory overview of a stretch of talk, one message a line."""
    return _prompt(words, "archive", "Conversation:", "\n".join(lines), _TIERS)


def memories(words: Words, *, lines: Sequence[str]) -> Prompt:
    """What is worth remembering of a stretch of talk, one labelled message a line."""
    return _prompt(words, "memories", "Conversation:", "\n".join(lines), _MEMORIES)


def _prompt(words: Words, name: str, head: str, data: str, schema: Mapping[str, Any]) -> Prompt:
    # No text can hold a mark made from itself: what is quoted cannot end its quotation.
    mark = hashlib.sha256(data.encode("utf-8", "replace")).hexdigest()[:12]
    user = f"{head}\n\n<data {mark}>\n{data}\n</data {mark}>\n\nAnswer with the JSON object alone."
    return Prompt(name, VERSIONS[name], words.by_name[name], user, schema)


def _line(text: str) -> str:
    return " ".join(text.split())


def _read(name: str) -> str:
    head, body = _split((files("recalld.prompts") / f"{name}.md").read_text(encoding="utf-8"))
    if head != {"name": name, "version": str(VERSIONS[name])}:
        raise Corrupt(
            f"the prompt {name} says {head} of itself", remedy="its version stands in its head and in VERSIONS"
        )
    return body.replace("{memory_types}", "; ".join(f'"{name}" for {use}' for name, use in _PROPOSED.items()))


def _split(text: str) -> tuple[dict[str, str], str]:
    _, head, body = text.split("---\n", 2)
    lines = (line.partition(":") for line in head.splitlines())
    return {key.strip(): value.strip() for key, _, value in lines}, body.strip()
