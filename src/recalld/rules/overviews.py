"""L1 of files: their abstract and an outline, so that a reader can navigate without opening them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from recalld.domain.document import Document, Section
from recalld.domain.policy import OVERVIEW_CHARS_MAX

from . import media
from .code_purpose import comment_of
from .inline_markup import plain_markdown
from .language import WORDS, language_of
from .lead import lead
from .prose import blocks
from .sentences import fit
from .text_blocks import Block, BlockKind
from .titles import title_of

_FOOTER_CHARS: Final = 60
_SECTION_CHARS: Final = 2_000
_SENTENCE_CHARS: Final = 150
_SYMBOLS_MAX: Final = 120
_HEADINGS_READ_MAX: Final = 60
"""Headings shown with a sentence; further ones are listed by name."""
_FACT_NAMES: Final = """
shape columns date created updated author authors tags keywords categories category status version aliases source
format size publish series
"""
_FACTS: Final = frozenset({*_FACT_NAMES.split(), "first row"})
"""Front matter that a reader asks for; the rest steers a site generator."""


def of_document(name: str, document: Document, abstract: str) -> str:
    """Return L1 of a file, at most 4,000 characters: title, abstract, then headings (or definitions) as a tree with the
    first sentence of each."""
    code = media.is_code(document.media)
    title = name.rsplit("/", 1)[-1] if code or not document.title and not document.text else title_of(name, document)
    head = [f"# {title}", "", abstract.removeprefix(f"{title}: ").removeprefix(f"{title}："), ""]
    head += [f"- {key}: {fit(plain_markdown(value), 160)}" for key, value in _facts(document)]
    head += [f"- {warning}" for warning in document.warnings[:3]]
    chars_left = OVERVIEW_CHARS_MAX - sum(len(line) + 1 for line in head) - _FOOTER_CHARS
    body = _definitions(document) if code else _outline(document) or _opening(document, abstract)
    lines, shown = fitting(iter(body), chars_left - 1)
    hidden = len(body) - shown
    footer = [WORDS[language_of(document.text)].more.format(n=hidden)] if hidden else []
    gap = [""] if head[-1] and lines else []
    return fit("\n".join([*head, *gap, *lines, *footer]).strip(), OVERVIEW_CHARS_MAX)


def fitting(lines: Iterator[str], chars_left: int) -> tuple[list[str], int]:
    """Return the lines that fit ``chars_left`` characters, and how many they are."""
    taken: list[str] = []
    for line in lines:
        chars_left -= len(line) + 1
        if chars_left < 0:
            break
        taken.append(line)
    return taken, len(taken)


def _facts(document: Document) -> list[tuple[str, str]]:
    return [(key, value) for key, value in document.facts.items() if value and key.lower() in _FACTS][:6]


def _outline(document: Document) -> list[str]:
    """Return the headings below the title, each with the lead of its section."""
    marked = [section for section in document.sections if section.depth and section.heading not in {"", document.title}]
    if not marked:
        return [f"- {symbol}" for symbol in document.symbols[:_SYMBOLS_MAX]]
    top = min(section.depth for section in marked)
    return [
        f"{'  ' * min(4, s.depth - top)}- {_headed(s, document.media) if i < _HEADINGS_READ_MAX else s.heading}"
        for i, s in enumerate(marked)
    ]


def _headed(section: Section, kind: str) -> str:
    body = [block for block in blocks(section.text, kind, _SECTION_CHARS) if block.kind is not BlockKind.HEADING]
    sentence = lead(body, section.heading, _SENTENCE_CHARS)
    return f"{section.heading}: {sentence}" if sentence else section.heading


def _definitions(document: Document) -> list[str]:
    outline: list[str] = []
    for section in document.sections:
        if section.depth:
            summary = comment_of(section.text[:1_200])
            label = f"{'  ' * min(4, section.depth - 1)}- `{section.heading}`"
            outline.append(f"{label}: {summary}" if summary else label)
    return outline or [f"- `{symbol}`" for symbol in document.symbols[:_SYMBOLS_MAX]]


def _opening(document: Document, abstract: str) -> list[str]:
    """Return the first sentence of each paragraph of a text without headings."""
    text = document.text if document.media == "text/html" else document.indexable or document.text
    found: list[Block] = [b for b in blocks(text, document.media) if b.kind is not BlockKind.HEADING]
    leads = (lead([block], "", _SENTENCE_CHARS) for block in found[:40])
    return [f"- {sentence}" for sentence in dict.fromkeys(leads) if sentence and sentence not in abstract][:12]
