"""A document's headings and paragraphs in its own format, as plain lines; and which sentences are prose."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Final

from recalld.domain.document import Section

from . import asciidoc, html_blocks, markdown, org, rst
from .inline_markup import plain_asciidoc, plain_markdown, plain_org, plain_rst
from .sentences import SCAN_CHARS_MAX, is_wide, split
from .text_blocks import HEADING_CHARS_MAX, Block, BlockKind, sections_of

_SCANS: Final[Mapping[str, Callable[[str], list[Block]]]] = {
    "text/rst": rst.blocks,
    "text/asciidoc": asciidoc.blocks,
    "text/org": org.blocks,
    "text/html": html_blocks.blocks,
}
_PLAIN: Final[Mapping[str, Callable[[str], str]]] = {"text/rst": plain_rst, "text/org": plain_org, "text/html": str}
FORMATS: Final = ("text/markdown", "text/rst", "text/asciidoc", "text/org")
"""Formats with headings of their own; other text is read as Markdown."""

_SNIFFED_CHARS: Final = 8_192
_SIGNS_MIN: Final = 3
_SIGNS: Final = {
    "text/rst": (
        re.compile(r"^\.\. [\w:-]+::(?:\s|$)|\A\s*([=*#~]{4,80})\n ?[^\n]{1,79}\n\1$", re.MULTILINE),
        re.compile(r"^\.\. _[^\n]+:$|:[a-z]+(?::[a-z]+)?:`[^`\n]+`|``[^`\n]+``|`[^`<\n]+<[^>\n]+>`_", re.MULTILINE),
    ),
    "text/asciidoc": (
        re.compile(
            r"^(?:ifdef|ifndef|include|image|toc)::\S*\[|^\[\[[\w-]+\]\]$|^\[(?:verse|source|horizontal)\b",
            re.MULTILINE,
        ),
        re.compile(r"^={1,5} \w|\blink\w*:\S+\[|^-{4,}$|^[^\n:]{1,60}::$|^\+$|<<[\w-]+[,>]", re.MULTILINE),
    ),
}

_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_WIDE_CHAR = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_ASIDE = re.compile(
    r"\s?\((?:see|cf\.|siehe|véase|voir) [^()]{1,120}\)|\s?\((?:\\?#?\d{3,6}(?:, )?)+\)|（(?:参见|见|详见)[^（）]{1,60}）",
    re.IGNORECASE,
)
# Marks that prose has few of and code, configuration and command output many.
_CODE_MARK = re.compile(r"[{}<>=|;$\\@#^~`]|::|->|\(\)|//|--\w|\w_\w|&&")
_CODE_LINE = re.compile(
    r"[$>%#] |\w+ ?= ?\S|(?:pip|npm|yarn|git|docker|sudo|curl|cd|import|from|def|class|return|const|let|var|"
    r"function|SELECT|use) [\w-][^.。]{0,60}$|\w+[<>=~!]=\S|https?://\S+$|/\S+$|[\w.-]+\([^)]*\);?$"
)


def format_of(text: str, media: str) -> str:
    """Return the media type of plain text that is written in a format of its own: manuals in ``.txt`` are often
    reStructuredText or AsciiDoc. One certain sign of it, or three others, are needed."""
    if media != "text/plain":
        return media
    head = text[:_SNIFFED_CHARS]
    for kind, (certain, sign) in _SIGNS.items():
        if certain.search(head) or len(sign.findall(head)) >= _SIGNS_MIN:
            return kind
    return media


def blocks(text: str, media: str, chars_max: int = SCAN_CHARS_MAX) -> Iterator[Block]:
    """Yield the headings and paragraphs at the beginning of a text in order, each as one plain line with words in it."""
    plain = plain_of(text, media)
    for block in _SCANS.get(media, markdown.blocks)(text[:chars_max]):
        line = block.text if block.kind is BlockKind.HEADING and media == "text/markdown" else plain(block.text)
        if any(map(str.isalnum, line)):
            yield Block(block.kind, block.depth, line, block.start, block.text.startswith(("`", "*", ":", "[", "<")))


def plain_of(text: str, media: str) -> Callable[[str], str]:
    """Return the function that turns a line of this document into words."""
    if media == "text/asciidoc":
        return partial(plain_asciidoc, attributes=asciidoc.attributes(text))
    return _PLAIN.get(media, plain_markdown)


def sections(text: str, media: str) -> tuple[Section, ...]:
    """Split a text of one of ``FORMATS`` at its headings; joined, the sections are the text. Longer ones than
    ``STRUCTURE_CHARS_MAX`` are one section."""
    if media == "text/markdown":
        return markdown.sections(text)
    if media not in FORMATS or len(text) > markdown.STRUCTURE_CHARS_MAX:
        return (Section("", 0, text),) if text else ()
    plain = plain_of(text, media)
    marks = [b for b in _SCANS[media](text) if b.kind is BlockKind.HEADING]
    return sections_of(text, [(b.start, b.depth, plain(b.text)[:HEADING_CHARS_MAX]) for b in marks])


def is_prose(sentence: str) -> bool:
    """True for a sentence of words; False for code, configuration, a command, numbers, a path or a mere link."""
    wide = len(_WIDE_CHAR.findall(sentence))
    words = _WORD.findall(sentence)
    if wide < 5 and len(words) < (2 if sentence.endswith((".", "!")) else 3):
        return False
    letters = sum(map(len, words))
    dense = len(sentence.replace(" ", ""))
    marks = len(_CODE_MARK.findall(sentence))
    known = sum(map(str.isalnum, sentence))
    if letters < dense * 0.5 or known < dense * 0.7 or marks > 2 + len(sentence) // 60:
        return False
    return not _CODE_LINE.match(sentence)


def is_name(line: str) -> bool:
    """True for a line that may be a title: words, and hardly a mark of code."""
    letters = sum(map(str.isalpha, line))
    return letters >= len(line.replace(" ", "")) * 0.7 and not _CODE_MARK.search(line) and not _CODE_LINE.match(line)


def first_of(item: Block) -> str:
    """Return the first sentence of a list's item, without its full stop and asides."""
    return split(_ASIDE.sub("", item.text).strip() or item.text)[0].rstrip(".:：。；; ")


def prose(block: Block) -> list[str]:
    """Return a paragraph's sentences if the first of them is prose; [] otherwise. Asides "(see …)" are left out."""
    found = split(_ASIDE.sub("", block.text)) if block.kind is not BlockKind.NAME else []
    return found if found and (is_prose(found[0]) or (is_wide(found[0]) and len(found[0]) > 6)) else []
