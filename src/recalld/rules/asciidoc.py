"""Headings and paragraphs of AsciiDoc: a linear scan; listings, tables, block macros, attributes and comments are no prose."""

from __future__ import annotations

import re
from typing import Final

from .lines import split_lines
from .text_blocks import Block, BlockBuilder, BlockKind

_HEADING = re.compile(r"(={1,6}|#{1,6})[ \t]+(\S.*)$")
_UNDERLINE: Final = {"=": 1, "-": 2, "~": 3, "^": 4, "+": 5}
_ATTRIBUTE = re.compile(r":(!?[\w-]+!?):(?:[ \t]+(.*))?$")
_BLOCK_MACRO = re.compile(r"[\w-]{1,30}::\S{0,300}\[.*\]\s*$")
_BLOCK_ATTRIBUTES = re.compile(r"\[(?:\[[^\]]*\]|[^\[\]]*(?:\[[^\]]*\])?[^\[\]]*)\]\s*$")
_BLOCK_TITLE = re.compile(r"\.[^\s.]")
_ITEM = re.compile(r"(?:\*{1,5}|\.{1,5}|-|\d{1,3}\.|<\d{1,2}>|<\.>)[ \t]+(?:\[[ xX*]\][ \t]+)?")
_TERM = re.compile(r"(.{1,200}?)(?::{2,4}|;;)(?:[ \t]+(.*))?$")
_ADMONITION = re.compile(r"(?:NOTE|TIP|IMPORTANT|WARNING|CAUTION):[ \t]+")
_VERBATIM = re.compile(r"(-{4,}|\.{4,}|\+{4,}|/{4,}|`{3,}|[|,:!]={3,})")
_CONTAINER = re.compile(r"(={4,}|\*{4,}|_{4,}|--|~{4,})\s*$")
_LITERAL_STYLES: Final = (
    "source",
    "listing",
    "literal",
    "stem",
    "latexmath",
    "asciimath",
    "plantuml",
    "graphviz",
    "ditaa",
    "mermaid",
)
_ASIDE_STYLES: Final = ("note", "tip", "important", "warning", "caution", "quote", "verse", "abstract")


def attributes(text: str) -> dict[str, str]:
    """Return the attributes that the first 200 lines set, by name."""
    found: dict[str, str] = {}
    for line in split_lines(text[:16_384])[:200]:
        entry = _ATTRIBUTE.match(line)
        if entry and entry[2] and not entry[1].strip("!").startswith(("url", "link")):
            found.setdefault(entry[1].strip("!"), entry[2].strip())
    return found


def blocks(text: str) -> list[Block]:
    """Return the blocks of a text. Depth 1 is the document's title (``=``)."""
    lines = split_lines(text, keep_ends=True)
    build = BlockBuilder()
    at = start = 0
    header, style, aside = False, "", 0
    while at < len(lines):
        line = lines[at].rstrip("\r\n")
        bare = line.strip()
        here, start = start, start + len(lines[at])
        at += 1
        if not bare:
            build.end()
            header = False
            continue
        if header and not bare.startswith((":", "//")):
            continue  # author and revision
        under = lines[at].rstrip() if at < len(lines) else ""
        heading = _heading(line, under) if build.open is None else None
        if heading is not None:
            depth, title, underlined = heading
            header = depth == 1 and not build.found
            build.heading(here, depth, title)
            style = ""
            if underlined:
                start += len(lines[at])
                at += 1
            continue
        if fence := _VERBATIM.match(bare):
            build.end()
            skipped = _verbatim_end(lines, at, fence[1])
            start += sum(map(len, lines[at:skipped]))
            at, style = skipped, ""
            continue
        if _CONTAINER.match(bare):
            build.end()
            aside = aside - 1 if aside else int(style in _ASIDE_STYLES or bare[0] in "*_=")
            style = ""
            continue
        if _is_markup(bare):
            style = _style(bare) or style
            build.end() if build.open is not BlockKind.ITEM else None
            continue
        if build.open is None and (style in _LITERAL_STYLES or line[:1] in " \t" and not _ITEM.match(bare)):
            while at < len(lines) and lines[at].strip():
                start += len(lines[at])
                at += 1
            style = ""
            continue
        _text(build, here, bare, note=bool(aside) or style in _ASIDE_STYLES)
        style = ""
    build.end()
    return build.found


def _heading(line: str, under: str) -> tuple[int, str, bool] | None:
    marked = _HEADING.match(line)
    if marked:
        return len(marked[1]), marked[2].rstrip(" ="), False
    adorned = under[:1] in _UNDERLINE and len(under) >= 4 and under == under[0] * len(under)
    if adorned and abs(len(under) - len(line)) <= 2 and line[:1].isalnum():
        return _UNDERLINE[under[0]], line, True
    return None


def _is_markup(bare: str) -> bool:
    if bare.startswith("//") or bare in {"+", "'''", "<<<"}:
        return True
    if _ATTRIBUTE.match(bare) or _BLOCK_MACRO.match(bare) or _BLOCK_TITLE.match(bare):
        return True
    return bare.startswith("[") and bool(_BLOCK_ATTRIBUTES.match(bare))


def _style(bare: str) -> str:
    if not bare.startswith("["):
        return ""
    first = re.split(r"[,\]%.#]", bare[1:], maxsplit=1)[0].strip().lower()
    return "source" if not first and bare.startswith("[,") else first


def _verbatim_end(lines: list[str], at: int, fence: str) -> int:
    """Return the line after the closing delimiter; ``at`` if there is none."""
    for i in range(at, len(lines)):
        if lines[i].rstrip() == fence:
            return i + 1
    return at


def _text(build: BlockBuilder, start: int, bare: str, *, note: bool) -> None:
    kind = BlockKind.NOTE if note else BlockKind.TEXT
    if item := _ITEM.match(bare):
        build.line(start, bare[item.end() :], BlockKind.NOTE if note else BlockKind.ITEM, begins=True)
    elif build.open is None and (marked := _ADMONITION.match(bare)):
        build.line(start, bare[marked.end() :], BlockKind.NOTE, begins=True)
    elif (build.open is None or build.open is BlockKind.ITEM) and (term := _TERM.match(bare)) and " ::" not in bare:
        build.line(start, term[2] or "", BlockKind.ITEM, begins=True)
    else:
        build.line(start, bare, kind)
