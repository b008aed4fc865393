"""Headings and paragraphs of a text, in order, without markup between them: what titles and abstracts are taken from."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from recalld.domain.document import Section

HEADING_CHARS_MAX = 200


class BlockKind(StrEnum):
    """``NOTE``: text set apart from the running one (an admonition, a quotation). ``NAME``: what a reference defines (a function,
    an option, a term); ``MEMBER``: text about that one."""

    HEADING = "heading"
    TEXT = "text"
    ITEM = "item"
    NOTE = "note"
    NAME = "name"
    MEMBER = "member"


@dataclass(frozen=True, slots=True)
class Block:
    """A heading (``depth`` from 1) or a paragraph (``depth`` 0): its source on one line, and its offset in the text.
    ``names``: it begins with a name in code marks."""

    kind: BlockKind
    depth: int
    text: str
    start: int
    names: bool = False


@dataclass(slots=True)
class BlockBuilder:
    """Collects lines into blocks. ``open``: the kind of the paragraph that the next line may continue, None between
    paragraphs."""

    found: list[Block] = field(default_factory=list)
    open: BlockKind | None = None
    _lines: list[str] = field(default_factory=list)
    _start: int = 0

    def heading(self, start: int, depth: int, text: str) -> None:
        """Add a heading."""
        self.end()
        self.found.append(Block(BlockKind.HEADING, depth, text.strip(), start))

    def name(self, start: int, text: str) -> None:
        """Add the name of something that the text defines."""
        self.end()
        self.found.append(Block(BlockKind.NAME, 0, text.strip(), start))

    def line(self, start: int, text: str, kind: BlockKind = BlockKind.TEXT, *, begins: bool = False) -> None:
        """Add a line to the open paragraph, or begin one of this ``kind``."""
        if begins or self.open is None:
            self.end()
            self.open, self._start = kind, start
        self._lines.append(text.strip())

    def end(self) -> None:
        """End the open paragraph."""
        text = " ".join(line for line in self._lines if line)
        if self.open is not None and text:
            self.found.append(Block(self.open, 0, text, self._start))
        self.open = None
        self._lines.clear()

    def drop(self) -> None:
        """Forget the open paragraph: it is no prose."""
        self._lines.clear()
        self.open = None

    @property
    def last(self) -> str:
        """The last line of the open paragraph; "" without one."""
        return self._lines[-1] if self._lines else ""

    @property
    def size(self) -> int:
        """Number of lines of the open paragraph."""
        return len(self._lines)

    @property
    def start(self) -> int:
        """Offset of the open paragraph."""
        return self._start


def sections_of(text: str, headings: list[tuple[int, int, str]]) -> tuple[Section, ...]:
    """Split a text at its headings (offset, depth, title); joined, the sections are the text. The part before the first
    heading has depth 0."""
    if not headings:
        return (Section("", 0, text),) if text else ()
    first = headings[0][0]
    result = [Section("", 0, text[:first])] if first else []
    for i, (start, depth, title) in enumerate(headings):
        end = headings[i + 1][0] if i + 1 < len(headings) else len(text)
        result.append(Section(title, depth, text[start:end]))
    return tuple(result)
