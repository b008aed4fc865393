r"""Lines as editors and grep count them: ended by \\n, \\r\\n or \\r only."""

from __future__ import annotations

import re
from dataclasses import dataclass

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+\Z")


def split_lines(text: str, *, keep_ends: bool = False) -> list[str]:
    """Return a text's lines. ``str.splitlines`` also splits at U+2028, U+0085, form feeds and others, which occur in
    JSON strings and pasted text: it would split a JSON line."""
    if "\r" not in text:
        lines = text.split("\n")
        last = lines.pop()
        if keep_ends:
            lines = [line + "\n" for line in lines]
        return [*lines, last] if last else lines
    found = _LINE.findall(text)
    return found if keep_ends else [line.rstrip("\r\n") for line in found]


@dataclass(frozen=True, slots=True)
class Page:
    """A range of lines: ``start`` to ``end`` (from 0, end excluded) of ``total``. ``cut``: a line in it is
    truncated."""

    text: str
    start: int
    end: int
    total: int
    cut: bool

    @property
    def whole(self) -> bool:
        """True if the text from ``start`` on is complete."""
        return self.end >= self.total and not self.cut


def page_of(text: str, offset: int, limit: int, chars_max: int) -> Page:
    """Return lines ``offset`` to ``offset + limit`` (-1: to the end), as many whole ones as fit into ``chars_max``
    characters; a single longer line is truncated."""
    lines = split_lines(text, keep_ends=True)
    end = len(lines) if limit < 0 else min(len(lines), offset + limit)
    at, size = min(offset, len(lines)), 0
    start = at
    while at < end and (at == start or size + len(lines[at]) <= chars_max):
        size += len(lines[at])
        at += 1
    return Page("".join(lines[start:at])[:chars_max], start, at, len(lines), cut=size > chars_max)


def line_range(text: str, offset: int, limit: int) -> str:
    """Return lines ``offset`` to ``offset + limit`` with their ends; ``limit`` -1 = to the end."""
    lines = split_lines(text, keep_ends=True)
    return "".join(lines[offset:] if limit == -1 else lines[offset : offset + limit])
