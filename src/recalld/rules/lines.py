"""Lines as editors and grep count them: ended by \\n, \\r\\n or \\r, by nothing else."""

from __future__ import annotations

import re

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+\Z")


def split_lines(text: str, *, keep_ends: bool = False) -> list[str]:
    """A text's lines. ``str.splitlines`` also breaks at U+2028, U+0085, form feeds and others, which JSON strings and
    pasted texts contain: a JSON line would fall apart."""
    if "\r" not in text:
        lines = text.split("\n")
        last = lines.pop()
        if keep_ends:
            lines = [line + "\n" for line in lines]
        return [*lines, last] if last else lines
    found = _LINE.findall(text)
    return found if keep_ends else [line.rstrip("\r\n") for line in found]


def line_range(text: str, offset: int, limit: int) -> str:
    """Lines ``offset`` to ``offset + limit`` with their ends; ``limit`` -1 = all that follow."""
    lines = split_lines(text, keep_ends=True)
    return "".join(lines[offset:] if limit == -1 else lines[offset : offset + limit])
