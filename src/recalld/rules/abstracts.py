"""L0 of a file: what its author says it is about."""

from __future__ import annotations

from typing import Final

from recalld.domain.document import Document
from recalld.domain.policy import ABSTRACT_CHARS_MAX

from . import media
from .code_purpose import code_abstract
from .inline_markup import plain_markdown
from .language import language_of
from .lead import lead
from .page import of_page
from .prose import blocks, is_prose
from .sentences import SCAN_CHARS_MAX, fit, is_wide
from .titles import title_of, titled

_SUMMARY_CHARS_MIN: Final = 25
_SHAPES: Final = {"application/xml": "XML", "text/html": "HTML", "application/pdf": "PDF"}


def abstract(name: str, document: Document) -> str:
    """L0 of a document: at most 256 characters of its own words, in its own language, never cut inside a word.

    Order of preference: the author's summary, its lead with its headings (``page.of_page``), the names it defines,
    what kind of file it is.
    """
    title = title_of(name, document)
    name = name.rsplit("/", 1)[-1]
    summary = plain_markdown(document.summary[:SCAN_CHARS_MAX])
    chars_left = ABSTRACT_CHARS_MAX - len(title) - 2
    if media.is_code(document.media):
        return code_abstract(name, document)
    data = _is_data(document.media) and (document.media == "application/xml" or not document.indexable.strip())
    if data or not media.is_text(document.media):
        return titled(title, summary) if summary else fit(_by_names(name, document), ABSTRACT_CHARS_MAX)
    text = document.text if document.media == "text/html" else document.indexable or document.text
    if is_prose(summary) or len(summary) >= _SUMMARY_CHARS_MIN or (summary and is_wide(summary)):
        return titled(title, summary)
    found = list(blocks(text, document.media))
    if whole := of_page(title, found, language_of(text)):
        return fit(whole, ABSTRACT_CHARS_MAX)
    words = summary or lead(found, title, chars_left)
    return titled(title, words) if words else fit(_by_names(name, document), ABSTRACT_CHARS_MAX)


def _is_data(kind: str) -> bool:
    return kind.startswith("application/") or kind in {"text/csv", "text/tab-separated-values"}


def _by_names(name: str, document: Document) -> str:
    """Return ``config.json (JSON): server, logging``: the top names of a file without sentences."""
    shape = document.facts.get("shape", "") or _SHAPES.get(document.media, "")
    top = [symbol for symbol in document.symbols if "." not in symbol] or list(document.symbols)
    named = name if _is_data(document.media) else " ".join(document.title.split()) or name
    return named + (f" ({shape})" if shape else "") + (f": {', '.join(top[:40])}" if top else "")
