"""Splits long documents into files of readable size, at headings, never inside a code block or a table."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from recalld.domain.document import Document, Section
from recalld.domain.policy import SECTION_TOKENS, SECTION_TOKENS_MAX

from . import names
from .lines import split_lines
from .markdown import STRUCTURE_CHARS_MAX, lines
from .media import splits, suffix_of

_NO_RANK: Final = 99
_SLAB_CHARS: Final = 4_000
_TOKENS_MIN: Final = SECTION_TOKENS * 2 // 3
# Counts as ``openviking_json.tokens`` does, about twenty times faster on a megabyte of Chinese (measured).
_WIDE: Final = (
    (0x3040, 0x30FF),
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xAC00, 0xD7AF),
    (0xF900, 0xFAFF),
    (0xFF00, 0xFFEF),
)
_TABLE_RULE = re.compile(r"^[ \t]{0,3}\|?[ \t]{0,8}:?-+:?[ \t]{0,8}\|[-:| \t]*$", re.MULTILINE)
_HTML_BREAK = re.compile(
    r"</(?:p|div|li|ul|ol|section|article|tr|blockquote|h[1-6])\s*>\s*|<br\s*/?>\s*", re.IGNORECASE
)
_HTML_WHOLE = re.compile(r"<(script|style|pre|table|svg|head)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Part:
    """One file of a split document.

    ``name``: its file name; ``heading_path``: the headings above and at its beginning, outermost first; ``text``: its
    part of the source. The texts of all parts joined are the document's text.
    """

    name: str
    heading_path: tuple[str, ...]
    text: str


@dataclass(frozen=True, slots=True)
class _Piece:
    text: str
    tokens: float
    depth: int
    path: tuple[str, ...]
    begins: bool


def layout(name: str, document: Document) -> tuple[Part, ...]:
    """Return the files of a document: one part called ``name`` if it is short, code or data, else its sections.

    Write a single part as a file. For several, create the directory ``names.stem(name)`` and write them in it, in
    order. A part has at most ``SECTION_TOKENS_MAX`` tokens unless a single code block or table is larger.
    """
    text = document.text
    if not splits(document.media) or _tokens(text) <= SECTION_TOKENS_MAX:
        return (Part(name, (), text),)
    groups = _grouped(_pieces(document))
    if len(groups) < 2:
        return (Part(name, (), text),)
    width = max(2, len(str(len(groups))))
    ending = ".md" if document.media == "text/markdown" else suffix_of(name) or ".txt"
    title = document.title or names.stem(name)
    return tuple(_part(i + 1, width, group, title, ending) for i, group in enumerate(groups))


def blocks(text: str) -> Iterator[tuple[str, bool]]:
    """Yield paragraphs with their trailing blank lines, and whether each must stay whole (a fenced block, a table)."""
    held: list[str] = []
    fenced = over = False
    unclosed = _opens_forever(text)
    for line in lines(text):
        inside = line.fenced and line.start < unclosed
        # A fence inside a paragraph (such as a list item) begins a block of its own.
        if held and (inside != fenced or (over and (inside or line.text.strip()))):
            yield _block(held, fenced)
            held, over = [], False
        fenced = inside
        held.append(line.text)
        over = line.closes if inside else over or not line.text.strip()
    if held:
        yield _block(held, fenced)


def html_blocks(text: str) -> Iterator[tuple[str, bool]]:
    """Yield the same for HTML source, split after closing block tags, never inside scripts, styles, tables or
    ``pre``."""
    at = 0
    while at < len(text):
        whole = _HTML_WHOLE.search(text, at)
        stop = whole.start() if whole else len(text)
        yield from _html_run(text, at, stop)
        if not whole:
            return
        close = re.compile(rf"</{whole[1]}\s*>\s*", re.IGNORECASE).search(text, whole.end())
        at = close.end() if close else len(text)
        yield text[whole.start() : at], close is not None


def _html_run(text: str, start: int, stop: int) -> Iterator[tuple[str, bool]]:
    at = start
    for cut in _HTML_BREAK.finditer(text, start, stop):
        yield text[at : cut.end()], False
        at = cut.end()
    if at < stop:
        yield text[at:stop], False


def _block(held: list[str], fenced: bool) -> tuple[str, bool]:
    text = "".join(held)
    rule = _TABLE_RULE.search(text) if "|" in text and not fenced else None
    # A table has a header line above its rule.
    return text, fenced or (rule is not None and rule.start() > 0)


def _opens_forever(text: str) -> int:
    """Return the offset of a fence that never closes (the text's length if all close): such a text is split as prose,
    not stored as one 30 MB part."""
    opened = -1
    for line in lines(text):
        if line.fenced and opened < 0:
            opened = line.start
        if line.closes:
            opened = -1
    return opened if opened >= 0 else len(text)


def _pieces(document: Document) -> Iterator[_Piece]:
    path: list[tuple[int, str]] = []
    cut = html_blocks if document.media == "text/html" else blocks
    if len(document.text) > STRUCTURE_CHARS_MAX:
        cut = _slabs
    for section in document.sections or (Section("", 0, document.text),):
        if section.depth:
            path = [(depth, title) for depth, title in path if depth < section.depth]
            path.append((section.depth, section.heading))
        place = tuple(title for _, title in path if title)
        tokens = _tokens(section.text)
        if tokens <= SECTION_TOKENS_MAX:
            yield _Piece(section.text, tokens, section.depth, place, begins=True)
            continue
        for i, (text, size) in enumerate(_filled(_atoms(cut(section.text)))):
            yield _Piece(text, size, section.depth if i == 0 else _NO_RANK, place, begins=i == 0)


def _atoms(found: Iterable[tuple[str, bool]]) -> Iterator[tuple[str, float]]:
    for text, whole in found:
        tokens = _tokens(text)
        if whole or tokens <= SECTION_TOKENS_MAX:
            yield text, tokens
            continue
        for line in split_lines(text, keep_ends=True):
            yield from _sliced(line)


def _sliced(line: str) -> Iterator[tuple[str, float]]:
    tokens = _tokens(line)
    if tokens <= SECTION_TOKENS_MAX:
        yield line, tokens
        return
    at = 0
    # Any text of this many characters fits.
    chars_max = SECTION_TOKENS * 4 if line.isascii() else SECTION_TOKENS * 2 // 3
    while at < len(line):
        end = min(len(line), at + chars_max)
        space = line.rfind(" ", at + chars_max // 2, end) if end < len(line) else -1
        end = space + 1 if space > 0 else end
        yield line[at:end], _tokens(line[at:end])
        at = end


def _filled(atoms: Iterable[tuple[str, float]]) -> Iterator[tuple[str, float]]:
    """Join neighbouring atoms while they fit ``SECTION_TOKENS``."""
    held: list[str] = []
    size = 0.0
    for text, tokens in atoms:
        if held and size + tokens > SECTION_TOKENS:
            yield "".join(held), size
            held, size = [], 0.0
        held.append(text)
        size += tokens
    if held:
        yield "".join(held), size


def _grouped(pieces: Iterable[_Piece]) -> list[list[_Piece]]:
    """Group neighbouring small sections into one file; a large enough one ends before the next heading of its rank."""
    groups: list[list[_Piece]] = []
    size, rank = 0.0, _NO_RANK
    for piece in pieces:
        full = size + piece.tokens > SECTION_TOKENS_MAX
        enough = size >= _TOKENS_MIN and piece.begins and piece.depth <= rank
        if not groups or full or enough:
            groups.append([])
            size, rank = 0.0, _NO_RANK
        groups[-1].append(piece)
        size += piece.tokens
        rank = min(rank, piece.depth or _NO_RANK)
    return groups


def _slabs(text: str) -> Iterator[tuple[str, bool]]:
    """Split at line ends only, for texts too large for a closer analysis."""
    at = 0
    while at < len(text):
        end = min(len(text), at + _SLAB_CHARS)
        newline = text.rfind("\n", at, end) if end < len(text) else -1
        end = newline + 1 if newline > at else end
        yield text[at:end], False
        at = end


def _part(number: int, width: int, group: list[_Piece], title: str, ending: str) -> Part:
    named = next((p.path for p in group if p.path), ())
    heading = named[-1] if named else title
    slug = names.segment(heading).lower()
    return Part(f"{number:0{width}d}_{slug}{ending}", named, "".join(p.text for p in group))


def _tokens(text: str) -> float:
    if text.isascii():
        return len(text) * 0.25
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")
    wide = sum(int(np.count_nonzero((codes >= low) & (codes <= high))) for low, high in _WIDE)
    astral = int(np.count_nonzero(codes > 0xFFFF))
    return wide * 1.5 + astral * 2.0 + (len(text) - wide - astral) * 0.25
