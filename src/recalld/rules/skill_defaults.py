"""Completes a ``SKILL.md``: derives a missing name and description from its text."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from typing import Any

import yaml

from . import markdown
from .sentences import fit, is_wide, paragraphs
from .skill import NAME_CHARS_MAX, TEXT_BYTES_MAX, front_matter

_DESCRIPTION_CHARS = 300
_WORDS_OF_NAME = 6
_OTHER = re.compile(r"[^A-Za-z0-9_]+")
_WIDE_CHARS_MIN = 4


def completed(text: str, called: str = "") -> str:
    """Return the text with ``name`` and ``description`` in its front matter; unchanged if it has both, is too short or
    cannot be parsed. ``called``: the name of its folder or file ("" = unknown), which takes precedence over its first
    heading."""
    whole = text.removeprefix("\ufeff").replace("\r\n", "\n")
    if len(whole) > TEXT_BYTES_MAX:
        return text
    end = markdown.front_matter_end(whole)
    if not end and whole.startswith("---\n"):
        return text
    front, problem = front_matter(whole[:end]) if end else ({}, None)
    body = whole[end:]
    if problem is not None or (_has(front, "name") and _has(front, "description")):
        return text
    title = next((heading.title for heading in markdown.headings(body)), "")
    prose = next((each for each in paragraphs(body) if _says_something(each)), "")
    missing: dict[str, Any] = {}
    if not _has(front, "description"):
        # A text without a name needs prose; one with a name may be code only.
        named = str(front.get("name") or "") if body.strip() else ""
        missing["description"] = fit(prose or (named and title) or named, _DESCRIPTION_CHARS)
    if not _has(front, "name"):
        described = missing.get("description") or str(front.get("description"))
        words = described.split() if end else []  # a text without front matter and heading may be anything
        missing["name"] = _name(called or title or " ".join(words[:_WORDS_OF_NAME]))
    if not all(missing.values()) or whole[4:end].lstrip().startswith("{") and whole[4:end].split() != ["{}", "---"]:
        return text
    added = yaml.safe_dump(missing, sort_keys=False, allow_unicode=True, width=10_000)
    return f"---\n{added}{_without(whole[:end], missing)}---\n{body if end else _apart(body)}"


def _has(front: dict[str, Any], key: str) -> bool:
    """True if the key has a value, even an invalid one."""
    value = front.get(key)
    return bool(value.strip()) if isinstance(value, str) else value is not None


def _without(block: str, keys: dict[str, Any]) -> str:
    """Return the lines between the two marks without empty ones of these keys."""
    inner = block.rstrip("\n").split("\n")[1:-1]
    remaining = [line for line in inner if line.partition(":")[0].strip() not in keys and line.strip() != "{}"]
    return "".join(f"{line}\n" for line in remaining)


def _apart(body: str) -> str:
    return body if body.startswith("\n") else f"\n{body}"


def _says_something(text: str) -> bool:
    """True for more than one word."""
    return len(text.split()) > 1 or (is_wide(text) and len(text.strip()) >= _WIDE_CHARS_MIN)


def _name(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    found = _OTHER.sub("-", plain).strip("-_").lower()[:NAME_CHARS_MAX].strip("-_")
    if not text:
        return ""
    return found or f"skill-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
