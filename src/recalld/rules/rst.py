"""Headings and paragraphs of reStructuredText: a linear scan; directives, targets, tables and literal blocks are no prose."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from .lines import split_lines
from .text_blocks import Block, BlockBuilder, BlockKind

_ADORNED = re.compile(r"([=\-`:.'\"~^_*+#<>!$%&(),/;?@\[\]\\{|}])\1{1,}[ \t]*$")
_DIRECTIVE = re.compile(r"\.\. +((?:[\w+-]+:){0,2}[\w+-]+)::(?:[ \t]+(.*))?$")
_SUBSTITUTION = re.compile(r"\.\. +\|[^|]+\| +[\w-]+::")
_EXPLICIT = re.compile(r"\.\.(?:\s|$)")
_FIELD = re.compile(r":(?![\s:])(?:[^:\n`]|:(?!\s)){1,60}:(?:[ \t]|$)")
_TOCTREE = re.compile(r"^\.\. toctree::[ \t]*\n((?:[ \t]+\S[^\n]*\n?|[ \t]*\n)*)", re.MULTILINE)
_TARGETED = re.compile(r"^(.+?)\s*<[^<>]+>$")
_ITEM = re.compile(r"(?:[-*+•]|#\.|\(?(?:\d{1,3}|[a-zA-Z])[.)])[ \t]+")
_TABLE = re.compile(r"\+[-=]{3,}[-=+]*\+?[ \t]*$|\|[ \t]|={2,}(?:[ \t]+={2,})+[ \t]*$|-{2,}(?:[ \t]+-{2,})+[ \t]*$")
_CALL = re.compile(r"[(=].*|^[\w.]*\.(?=\w)")
_OBJECT_NAMES: Final = """
function method class attribute data exception module describe option envvar confval setting staticmethod classmethod
property decorator program command object type macro directive role
"""
_NOTE_NAMES: Final = """
note warning tip important admonition hint attention caution danger topic epigraph pull-quote sidebar container rst-
class tab-item dropdown card grid-item-card
"""
_OBJECTS: Final = frozenset(_OBJECT_NAMES.split())
_NOTES: Final = frozenset(_NOTE_NAMES.split())


def blocks(text: str) -> list[Block]:
    """Return the blocks of a text. The depth of a heading is the rank of its adornment, by first use."""
    scan = _Scan(split_lines(text, keep_ends=True))
    scan.run()
    return scan.build.found


def contents(text: str) -> list[str]:
    """Return the entries of the tables of contents (``toctree``), as their titles or names."""
    found: list[str] = []
    for block in _TOCTREE.findall(text[:65_536]):
        entries = (line.strip() for line in split_lines(block))
        named = (_TARGETED.sub(r"\1", entry) for entry in entries if entry and not entry.startswith(":"))
        found += [entry.removesuffix("/index").rsplit("/", 1)[-1].replace("-", " ") for entry in named]
    return found


class _Scan:
    def __init__(self, lines: list[str]) -> None:
        self.lines = [line.rstrip("\r\n").expandtabs(8) for line in lines]
        self.starts = _starts(lines)
        self.ranks: dict[tuple[str, bool], int] = {}
        self.build = BlockBuilder()
        # Indentation from which on a line belongs to an object's or an admonition's body, with the kind of its text.
        self.bodies: list[tuple[int, BlockKind]] = []

    def run(self) -> None:
        at = 0
        while at < len(self.lines):
            at = self._one(at)
        self.build.end()

    def _one(self, at: int) -> int:
        """Read the construct that begins at this line; return the line after it."""
        line = self.lines[at]
        bare = line.strip()
        if not bare:
            self.build.end()
            return at + 1
        indent = len(line) - len(line.lstrip())
        while self.bodies and indent <= self.bodies[-1][0]:
            self.bodies.pop()
        if (after := self._heading(at, line, bare)) is not None:
            return after
        if _EXPLICIT.match(bare) and self.build.open is None:
            return self._explicit(at, indent, bare)
        if self.build.open is None and (bare.startswith(">>> ") or _TABLE.match(bare)):
            return self._paragraph_after(at)
        if self.build.open is None and _FIELD.match(bare):
            return self._indented_after(at, indent)
        self._text(at, indent, bare)
        if bare.endswith("::"):
            self.build.end()
            return self._literal(at + 1, indent)
        return at + 1

    def _text(self, at: int, indent: int, bare: str) -> None:
        member = any(kind is BlockKind.MEMBER for _, kind in self.bodies)
        kind = BlockKind.MEMBER if member else self.bodies[-1][1] if self.bodies else BlockKind.TEXT
        item = _ITEM.match(bare)
        if item and self.build.open in {None, BlockKind.ITEM}:
            self.build.line(self.starts[at], bare[item.end() :], kind if member else BlockKind.ITEM, begins=True)
            return
        text = re.sub(r"\s*::$", ":" if len(bare) > 2 and not bare[:-2].endswith(" ") else "", bare)
        term = self.build.open is BlockKind.TEXT and self.build.size == 1 and indent > self._indent_of(at - 1)
        if term:
            # A term and its definition: the definition is prose of its own.
            name = self.build.last
            self.build.drop()
            self.build.name(self.starts[at - 1], name)
            self.build.line(self.starts[at], text, BlockKind.MEMBER, begins=True)
            return
        self.build.line(self.starts[at], text, kind)

    def _indent_of(self, at: int) -> int:
        return len(self.lines[at]) - len(self.lines[at].lstrip()) if at >= 0 else 0

    def _heading(self, at: int, line: str, bare: str) -> int | None:
        adorned = _ADORNED.match(line)
        if adorned and self.build.open is None:
            title = self.lines[at + 1].strip() if at + 1 < len(self.lines) else ""
            under = self.lines[at + 2].rstrip() if at + 2 < len(self.lines) else ""
            if title and under == line.rstrip() and not _ADORNED.match(title):
                self._add_heading(at, bare[0], True, title)
                return at + 3
            if len(bare) >= 4:
                return at + 1  # a transition
            return None
        if self.build.open is not None or at + 1 >= len(self.lines) or line[:1].isspace():
            return None
        under = self.lines[at + 1].rstrip()
        if _ADORNED.match(under) and len(under) >= min(len(bare), 4) and not _ADORNED.match(bare):
            self._add_heading(at, under[0], False, bare)
            return at + 2
        return None

    def _add_heading(self, at: int, char: str, over: bool, title: str) -> None:
        self.bodies.clear()
        depth = self.ranks.setdefault((char, over), len(self.ranks) + 1)
        self.build.heading(self.starts[at], depth, title)

    def _explicit(self, at: int, indent: int, bare: str) -> int:
        """Read a directive, comment or target: its body is left out, except that of an admonition or an object."""
        directive = _DIRECTIVE.match(bare) if not _SUBSTITUTION.match(bare) else None
        name = directive[1].rsplit(":", 1)[-1].lower() if directive else ""
        if name in _OBJECTS or name in _NOTES:
            lead = (directive[2] or "") if directive else ""
            self.bodies.append((indent, BlockKind.MEMBER if name in _OBJECTS else BlockKind.NOTE))
            if name in _OBJECTS and lead:
                self.build.name(self.starts[at], f"``{_CALL.sub('', lead)}``")
            if name in _NOTES - {"admonition", "topic", "sidebar", "container", "rst-class"} and " " in lead:
                self.build.line(self.starts[at], lead, BlockKind.NOTE)
            after = at + 1
            while after < len(self.lines) and _FIELD.match(self.lines[after].strip()):
                after += 1
            return after
        if name == "module" and (synopsis := self._option(at, "synopsis")):
            self.build.line(self.starts[at], synopsis, BlockKind.NOTE)
            self.build.end()
        if bare.startswith(".. _") or name in {"currentmodule", "highlight", "default-domain"}:
            return at + 1
        return self._indented_after(at, indent)

    def _option(self, at: int, name: str) -> str:
        """Return the value of a directive's option; "" if it has none."""
        body = self.lines[at + 1 : self._indented_after(at, self._indent_of(at))]
        values = (line.strip().removeprefix(f":{name}:") for line in body if line.strip().startswith(f":{name}:"))
        return next(values, "").strip()

    def _indented_after(self, at: int, indent: int) -> int:
        """Return the first line after ``at`` that is not blank and not indented deeper."""
        after = at + 1
        while after < len(self.lines):
            line = self.lines[after]
            if line.strip() and len(line) - len(line.lstrip()) <= indent:
                break
            after += 1
        return after

    def _literal(self, at: int, indent: int) -> int:
        after = at
        while after < len(self.lines) and not self.lines[after].strip():
            after += 1
        if after < len(self.lines) and self._indent_of(after) > indent:
            return self._indented_after(after - 1, indent)
        return at

    def _paragraph_after(self, at: int) -> int:
        """Return the line after a table or a doctest: the next blank one."""
        while at < len(self.lines) and self.lines[at].strip():
            at += 1
        return at


def _starts(lines: list[str]) -> list[int]:
    return list(_running(lines))


def _running(lines: list[str]) -> Iterator[int]:
    at = 0
    for line in lines:
        yield at
        at += len(line)
