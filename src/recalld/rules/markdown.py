"""Headings, fences and front matter of Markdown: a linear scan with offsets into the source."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from recalld.domain.document import Section

from .sentences import plain

FRONT_MATTER_CHARS_MAX: Final = 16_384
HEADING_CHARS_MAX: Final = 200
STRUCTURE_CHARS_MAX: Final = 1_000_000
_FENCE = re.compile(r"\s{0,12}(?:[-*+]\s{1,3}|\d{1,3}[.)]\s{1,3})?(`{3,}|~{3,})(.*)", re.DOTALL)
_ATX = re.compile(r" {0,3}(#{1,6})(?:[ \t]|$)")
_SETEXT = re.compile(r" {0,3}(=+|-+)[ \t]*$")
_NOT_PARAGRAPH = re.compile(r"    | {0,3}(?:[>|]|[-*+][ \t]|\d{1,9}[.)][ \t]|(?:[*_-][ \t]{0,4}){3,200}$)|\t")
_FRONT_END = re.compile(r"^(?:---|\.\.\.)[ \t]*\r?$", re.MULTILINE)


class Line(NamedTuple):
    """A source line: its offset, its text with line end, whether it is in a fenced block (fence lines included) and
    whether it closes one."""

    start: int
    text: str
    fenced: bool
    closes: bool


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading that begins at offset ``start``."""

    start: int
    depth: int
    title: str


def front_matter_end(text: str) -> int:
    """Return the offset after the closing line of leading front matter; 0 without front matter."""
    if not text.startswith(("---\n", "---\r\n")):
        return 0
    end = _FRONT_END.search(text, 4, FRONT_MATTER_CHARS_MAX)
    if not end:
        return 0
    newline = text.find("\n", end.end())
    return len(text) if newline < 0 else newline + 1


def lines(text: str, start: int = 0) -> Iterator[Line]:
    """Yield every line from offset ``start`` on, with its fence state. An unclosed fence runs to the end."""
    fence = ""
    at = start
    while at < len(text):
        newline = text.find("\n", at)
        end = len(text) if newline < 0 else newline + 1
        line = text[at:end]
        mark = _FENCE.match(line) if "```" in line or "~~~" in line else None
        if fence:
            closes = mark is not None and mark[1].startswith(fence) and not mark[2].strip()
            yield Line(at, line, True, closes)
            fence = "" if closes else fence
        elif mark and not ("`" in mark[1] and "`" in mark[2]):
            fence = mark[1]
            yield Line(at, line, True, False)
        else:
            yield Line(at, line, False, False)
        at = end


def headings(text: str) -> list[Heading]:
    """Return ATX and setext headings in order, except those inside fences and front matter."""
    found: list[Heading] = []
    paragraph = -1
    for line in lines(text, front_matter_end(text)):
        bare = line.text.rstrip("\r\n")
        if line.fenced or not bare.strip():
            paragraph = -1
        elif atx := _ATX.match(bare):
            found.append(Heading(line.start, len(atx[1]), _title(bare[atx.end() :].strip().rstrip("#"))))
            paragraph = -1
        elif paragraph >= 0 and (under := _SETEXT.match(bare)):
            found.append(Heading(paragraph, 1 if under[1][0] == "=" else 2, _title(text[paragraph : line.start])))
            paragraph = -1
        elif paragraph < 0 and not _NOT_PARAGRAPH.match(bare):
            paragraph = line.start
    return found


def sections(text: str) -> tuple[Section, ...]:
    """Split the text at its headings; joined, the sections are the text. The part before the first heading has depth 0.

    A text beyond ``STRUCTURE_CHARS_MAX`` is one section: no author wrote it, and scanning it takes seconds.
    """
    marks = headings(text) if len(text) <= STRUCTURE_CHARS_MAX else []
    if not marks:
        return (Section("", 0, text),) if text else ()
    result = [Section("", 0, text[: marks[0].start])] if marks[0].start else []
    for i, mark in enumerate(marks):
        end = marks[i + 1].start if i + 1 < len(marks) else len(text)
        result.append(Section(mark.title, mark.depth, text[mark.start : end]))
    return tuple(result)


def _title(source: str) -> str:
    return plain(source[: HEADING_CHARS_MAX * 2])[:HEADING_CHARS_MAX]
