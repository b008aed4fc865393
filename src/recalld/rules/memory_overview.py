"""The overview tier of a memory: its own summary, or its headings and first paragraph."""

from __future__ import annotations

import re

from .sentences import fit

OPENING_CHARS_MAX = 400
HEADINGS_MAX = 20
_HEADING = re.compile(r"^(#{1,6})[ \t]+([^\n]{1,200})$", re.MULTILINE)


def memory_overview(text: str) -> str:
    """Return the section Summary if it comes first, else the heading outline and at most 400 characters of the first
    paragraph."""
    headings = list(_HEADING.finditer(text))
    for i, one in enumerate(headings[:2]):
        if one[2].strip().rstrip(":").lower() == "summary":
            end = headings[i + 1].start() if i + 1 < len(headings) else len(text)
            body = text[one.end() : end].strip()
            if body:
                return body
    tree = [f"{'  ' * (len(h[1]) - 1)}- {h[2].strip()}" for h in headings[:HEADINGS_MAX]] if len(headings) > 1 else []
    return "\n".join([*tree, fit(_opening(text), OPENING_CHARS_MAX)]).strip()


def _opening(text: str) -> str:
    for paragraph in re.split(r"\n[ \t]*\n", text[:20_000]):
        body = _HEADING.sub("", paragraph).strip()
        if body:
            return body
    return text.strip()
