"""The footer of a memory file: its fields as JSON in an HTML comment."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

_OPEN = "<!-- MEMORY_FIELDS\n"
_CLOSE = "\n-->"


def attach(body: str, fields: Mapping[str, Any]) -> str:
    """Return ``body`` with the footer appended; an existing footer is replaced."""
    # A ">" could end the comment early, whatever stands before it.
    packed = json.dumps(dict(fields), ensure_ascii=False, sort_keys=True).replace(">", "\\u003e")
    return f"{strip(body)}\n\n{_OPEN}{packed}{_CLOSE}"


def strip(text: str) -> str:
    """Return the text without its footer."""
    at = _start(text)
    return text if at < 0 else text[:at].removesuffix("\n").removesuffix("\n")


def read(text: str) -> dict[str, Any]:
    """Return the footer's fields; {} if there is none or it is not a JSON object."""
    at = _start(text)
    if at < 0:
        return {}
    packed = text[at + len(_OPEN) :].rstrip().removesuffix("-->")
    try:
        fields = json.loads(packed)
    except (ValueError, RecursionError):
        return {}
    return fields if isinstance(fields, dict) else {}


def _start(text: str) -> int:
    if not text.rstrip().endswith("-->"):
        return -1
    at = text.rfind(_OPEN)
    if at < 0 or "-->" in text[at:].rstrip().removesuffix("-->"):
        return -1
    return at
