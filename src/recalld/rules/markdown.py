"""Headings, paragraphs, fences and front matter of Markdown: a linear scan with offsets into the source."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from recalld.domain.document import Section

from .inline_markup import plain_markdown
from .text_blocks import HEADING_CHARS_MAX, Block, BlockBuilder, BlockKind, sections_of

FRONT_MATTER_CHARS_MAX: Final = 16_384
STRUCTURE_CHARS_MAX: Final = 1_000_000
_FENCE = re.compile(r"\s{0,12}(?:[-*+]\s{1,3}|\d{1,3}[.)]\s{1,3})?(`{3,}|~{3,})(.*)", re.DOTALL)
_ATX = re.compile(r" {0,3}(#{1,6})(?:[ \t]|$)")
_SETEXT = re.compile(r" {0,3}(=+|-+)[ \t]*$")
_NOT_PARAGRAPH = re.compile(r"    | {0,3}(?:[>|]|[-*+][ \t]|\d{1,9}[.)][ \t]|(?:[*_-][ \t]{0,4}){3,200}$)|\t")
_FRONT_END = re.compile(r"^(?:---|\.\.\.)[ \t]*\r?$", re.MULTILINE)
_TOML_END = re.compile(r"^\+\+\+[ \t]*\r?$", re.MULTILINE)

_RULE = re.compile(r"\s{0,3}(?:[-=*_~+]\s{0,2}){3,}$")
_TABLE_RULE = re.compile(r"[ \t]*\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)+\|?[ \t]*$")
_ITEM = re.compile(r"\s*(?:[-*+•]|\d{1,3}[.)])\s+(?:\[[ xX]\]\s+)?")
_DIRECTIVE = re.compile(
    r"\s*(?:\[[^\]]{1,80}\]:(?:\s|$)|import\s.*(?:from|['\"])|export\s+(?:const|default|let|function)|\{%|\{\{|\{/\*|"
    r"\[\[_?toc_?\]\]|\[toc\]|<<<|@\[|@(?:import|include)|\$\$|[!?]{3}\+? |:::|%%|[\w-]{1,30}::\s|\(\w[\w-]*\)=\s*$)",
    re.IGNORECASE,
)
_TAGS_ONLY = re.compile(r"\s*(?:#[^\s#]+\s*)+$")
_QUOTE = re.compile(r"\s{0,3}>\s?")
_OPAQUE_TAG = re.compile(r"\s*<(script|style|svg|pre|table|iframe|video|code)\b", re.IGNORECASE)
_OPEN_TAG = re.compile(r"\s*<[A-Za-z][^<>]*$")
_HTML_LINE = re.compile(r"\s*</?[A-Za-z!]")
# ``Key: value`` lines are records, not running text: each stands for itself.
_RECORD = re.compile(r"[A-Z][\w-]{1,30}: \S")


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
    """Return the offset after the closing line of leading YAML front matter; 0 without."""
    return _line_after(text, _FRONT_END) if text.startswith(("---\n", "---\r\n")) else 0


def toml_front_matter_end(text: str) -> int:
    """Return the offset after the closing line of leading TOML front matter (``+++``); 0 without."""
    return _line_after(text, _TOML_END) if text.startswith(("+++\n", "+++\r\n")) else 0


def _line_after(text: str, closing: re.Pattern[str]) -> int:
    end = closing.search(text, 4, FRONT_MATTER_CHARS_MAX)
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
    for line in lines(text, front_matter_end(text) or toml_front_matter_end(text)):
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
    return sections_of(text, [(mark.start, mark.depth, mark.title) for mark in marks])


def blocks(text: str) -> list[Block]:
    """Return headings and paragraphs. Left out: front matter, code, tables, rules, directives, comments, tag lines."""
    marks = {heading.start: heading for heading in headings(text)}
    build = BlockBuilder()
    until = ""
    setext = aside = html = False
    for line in lines(text, front_matter_end(text) or toml_front_matter_end(text)):
        bare = line.text.strip()
        if until:
            until = "" if until in line.text.lower() or (until == "\n" and not bare) else until
        elif line.fenced or not bare:
            build.end()
            html = html and bool(bare)
        elif mark := marks.get(line.start):
            build.heading(mark.start, mark.depth, mark.title)
            setext = not _ATX.match(line.text)
        elif setext:
            setext = not _SETEXT.match(line.text.rstrip("\r\n"))
        elif until := _opens(line.text, bare):
            build.end()
        elif _is_markup(bare) or (_is_indented(line.text) and build.open is None and not html):
            build.drop() if _TABLE_RULE.match(bare) else build.end()
            until = "\n" if _TABLE_RULE.match(bare) else ""
            aside = not aside if bare.startswith(":::") else aside
        else:
            html = html or bool(_HTML_LINE.match(line.text))
            _paragraph_line(build, line.start, line.text, aside=aside)
    build.end()
    return build.found


def _opens(line: str, bare: str) -> str:
    """Return what ends the element that this line begins, if nothing of it is prose; "" otherwise."""
    if bare.startswith("<!--") and "-->" not in bare:
        return "-->"
    if (opaque := _OPAQUE_TAG.match(line)) and f"</{opaque[1].lower()}" not in line.lower():
        return f"</{opaque[1].lower()}"
    if _OPEN_TAG.match(line):
        return ">"
    if bare.startswith("export ") and bare.endswith(("{", "[", "(")):
        return "\n"
    return "$$" if bare == "$$" else ""


def _is_markup(bare: str) -> bool:
    return bool(
        bare.startswith("|")
        or _RULE.match(bare)
        or _TABLE_RULE.match(bare)
        or _DIRECTIVE.match(bare)
        or _TAGS_ONLY.match(bare)
    )


def _is_indented(line: str) -> bool:
    return line.startswith(("    ", "\t")) and not _ITEM.match(line)


def _paragraph_line(build: BlockBuilder, start: int, line: str, *, aside: bool) -> None:
    quote = _QUOTE.match(line)
    text = line[quote.end() :] if quote else line
    while quote and (deeper := _QUOTE.match(text)):
        text = text[deeper.end() :]
    kind = BlockKind.NOTE if quote or aside else BlockKind.TEXT
    if quote and not text.strip():
        build.end()
    elif item := _ITEM.match(text):
        build.line(start, text[item.end() :], BlockKind.NOTE if quote else BlockKind.ITEM, begins=True)
    else:
        build.line(
            start, text, kind, begins=bool(_RECORD.match(text)) or (bool(quote) and build.open is BlockKind.TEXT)
        )


def _title(source: str) -> str:
    return plain_markdown(source[: HEADING_CHARS_MAX * 2])[:HEADING_CHARS_MAX]
