"""Headings and paragraphs of Org: a linear scan; blocks of code, drawers, keywords and tables are no prose."""

from __future__ import annotations

import re
from typing import Final

from .lines import split_lines
from .text_blocks import Block, BlockBuilder, BlockKind

_HEADING = re.compile(r"(\*{1,12})[ \t]+(\S.*)$")
_STATE = re.compile(r"(?:(?:TO[D]O|DONE|NEXT|WAITING|CANCELLED|CANCELED|STARTED|HOLD|IDEA)[ \t]+)?(?:\[#\w\][ \t]+)?")
_TAGS = re.compile(r"[ \t]+:[\w@#%:]+:[ \t]*$")
_KEYWORD = re.compile(r"#\+(\w+)(?:\[[^\]]*\])?:[ \t]*(.*)$")
_BEGIN = re.compile(r"#\+begin_(\w+)", re.IGNORECASE)
_DRAWER = re.compile(r":[\w-]+:[ \t]*$")
_PLANNING = re.compile(r"(?:SCHEDULED|DEADLINE|CLOSED|CLOCK):")
_ITEM = re.compile(r"(?:[-+]|\d{1,3}[.)]|\*(?=[ \t]))[ \t]+(?:\[[ xX-]\][ \t]+)?(?:.{1,80}?[ \t]::[ \t]+)?")
_PROSE_BLOCKS: Final = frozenset({"quote", "center", "verse", "abstract", "note", "tip", "warning"})


def keywords(text: str) -> dict[str, str]:
    """Return the keywords before the first heading (``#+TITLE:``), by name in lower case."""
    found: dict[str, str] = {}
    for line in split_lines(text[:16_384]):
        if _HEADING.match(line):
            break
        entry = _KEYWORD.match(line.strip())
        if entry and entry[2]:
            found.setdefault(entry[1].lower(), entry[2].strip())
    return found


def blocks(text: str) -> list[Block]:
    """Return the blocks of a text."""
    build = BlockBuilder()
    start = 0
    until = ""
    note = False
    for raw in split_lines(text, keep_ends=True):
        line, here = raw.rstrip("\r\n"), start
        bare, start = line.strip(), start + len(raw)
        if until:
            until = "" if bare.lower() == until else until
            continue
        if not bare:
            build.end()
        elif heading := _HEADING.match(line):
            title = _TAGS.sub("", _STATE.sub("", heading[2], count=1))
            build.heading(here, len(heading[1]), title)
        elif begin := _BEGIN.match(bare):
            build.end()
            note = begin[1].lower() in _PROSE_BLOCKS
            until = "" if note else f"#+end_{begin[1].lower()}"
        elif _DRAWER.match(bare) and bare.lower() != ":end:":
            build.end()
            until = ":end:"
        elif bare.startswith(("#+", "# ", "|", ": ")) or bare in {"#", ":"} or _PLANNING.match(bare):
            build.end()
            note = note and not bare.lower().startswith("#+end_")
        elif item := _ITEM.match(bare):
            build.line(here, bare[item.end() :], BlockKind.ITEM, begins=True)
        else:
            build.line(here, bare, BlockKind.NOTE if note else BlockKind.TEXT)
    build.end()
    return build.found
