"""HTML: the source for readers, the visible words for search."""

from __future__ import annotations

import html
import importlib
import re
from collections import Counter
from dataclasses import dataclass
from functools import cache
from typing import Any

from recalld.domain.document import Document, Section
from recalld.ports.plugin import Plugin
from recalld.rules.encoding import decode

_HIDDEN = "script, style, noscript, template, svg, iframe, nav, head"
_BLOCKS = re.compile(
    r"</?(?:p|div|li|ul|ol|h[1-6]|tr|td|th|section|article|header|footer|br|pre|blockquote|table)\b[^<>]{0,2000}>",
    re.IGNORECASE,
)
_TAG = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9-]*)")
_ANY_TAG = re.compile(r"<[^<>]*>")
_SKIPPED = re.compile(r"<(script|style|pre|table|textarea|title)\b|<!--", re.IGNORECASE)
_HEADING = re.compile(r"<h([1-6])\b[^<>]{0,2000}>", re.IGNORECASE)
_SPACES = re.compile(r"[^\S\n]+")
_LINES = re.compile(r" ?\n[ \n]*")
# Elements with implied end tags do not nest.
_NEVER_DEEP = frozenset(
    [
        "p",
        "li",
        "dt",
        "dd",
        "tr",
        "td",
        "th",
        "thead",
        "tbody",
        "tfoot",
        "option",
        "optgroup",
        "colgroup",
        "rp",
        "rt",
        "area",
        "base",
        "br",
        "col",
        "embed",
        "hr",
        "img",
        "input",
        "link",
        "meta",
        "param",
        "source",
        "track",
        "wbr",
        "html",
        "head",
        "body",
    ]
)
_META_DESCRIPTIONS = ('meta[name="description"]', 'meta[property="og:description"]')


@dataclass(frozen=True, slots=True)
class HtmlSettings:
    """Longer or more deeply nested pages are parsed by stripping tags: the tree builder's time grows with size times
    depth (200,000 nested elements take minutes)."""

    chars_max: int = 2_000_000
    depth_max: int = 256


@cache
def _lexbor() -> Any:
    """Return the tree builder of selectolax, loaded for the first page."""
    return importlib.import_module("selectolax.lexbor").LexborHTMLParser


class HtmlParser:
    """Title, description and headings of the page; its visible words without scripts, styles and navigation."""

    suffixes: tuple[str, ...] = (".html", ".htm", ".xhtml")
    names: tuple[str, ...] = ()

    def __init__(self, settings: HtmlSettings | None = None) -> None:
        self._settings = settings or HtmlSettings()

    def parse(self, name: str, data: bytes) -> Document:
        """Return ``text``: the source; ``indexable``: the words in reading order, one block per line."""
        decoded = decode(data)
        warnings = [decoded.warning] if decoded.warning else []
        source = decoded.text
        title = summary = words = ""
        if len(source) <= self._settings.chars_max and _depth(source) <= self._settings.depth_max:
            title, summary, words = _read(source)
        else:
            warnings.append("too large or too deeply nested: read without its structure")
            words = _stripped(source)
        sections = _sections(source)
        first = next((section.heading for section in sections if section.heading), "")
        return Document(
            media="text/html",
            text=source,
            title=title or first,
            summary=summary,
            sections=sections,
            indexable=words or title,
            warnings=tuple(warnings),
        )


def _read(source: str) -> tuple[str, str, str]:
    page = _lexbor()(_BLOCKS.sub(r"\g<0>" + "\n", source))
    title = page.css_first("title")
    meta = next((node for css in _META_DESCRIPTIONS if (node := page.css_first(css)) is not None), None)
    summary = (meta.attributes.get("content") or "") if meta is not None else ""
    named = _one_line(title.text()) if title is not None else ""
    for node in page.css(_HIDDEN):
        node.decompose()
    # The article if there is one: the frame is the same on every page.
    main = page.css_first("main") or page.css_first("article") or page.body
    words = main.text(separator="") if main is not None else ""
    return named, _one_line(summary), _LINES.sub("\n", _SPACES.sub(" ", words)).strip()


def _stripped(source: str) -> str:
    words = html.unescape(_ANY_TAG.sub(" ", source))
    return _LINES.sub("\n", _SPACES.sub(" ", words)).strip()


def _depth(source: str) -> int:
    """Return an upper bound of the nesting depth: a closing tag counts only if its element is open."""
    opened: Counter[str] = Counter()
    depth = deepest = 0
    for tag in _TAG.finditer(source):
        element = tag[2].lower()
        if element in _NEVER_DEEP:
            continue
        if not tag[1]:
            opened[element] += 1
            depth += 1
            deepest = max(deepest, depth)
        elif opened[element]:
            opened[element] -= 1
            depth -= 1
    return deepest


def _sections(source: str) -> tuple[Section, ...]:
    """Split the source at its headings, outside elements that must stay whole."""
    marks: list[tuple[int, int, str]] = []
    at = 0
    while at < len(source):
        skipped = _SKIPPED.search(source, at)
        stop = skipped.start() if skipped else len(source)
        for found in _HEADING.finditer(source, at, stop):
            end = source.find("</h", found.end(), found.end() + 400)
            words = source[found.end() : end if end > 0 else found.end() + 200]
            marks.append((found.start(), int(found[1]), _one_line(html.unescape(_ANY_TAG.sub(" ", words)))[:200]))
        if not skipped:
            break
        at = _end_of(source, skipped)
    if not marks:
        return (Section("", 0, source),) if source else ()
    result = [Section("", 0, source[: marks[0][0]])] if marks[0][0] else []
    for i, (start, depth, heading) in enumerate(marks):
        result.append(Section(heading, depth, source[start : marks[i + 1][0] if i + 1 < len(marks) else len(source)]))
    return tuple(result)


def _end_of(source: str, skipped: re.Match[str]) -> int:
    if not skipped[1]:
        end = source.find("-->", skipped.end())
        return end + 3 if end >= 0 else len(source)
    close = re.compile(rf"</{skipped[1]}\b", re.IGNORECASE).search(source, skipped.end())
    return close.end() if close else len(source)


def _one_line(text: str) -> str:
    return " ".join(text.split())


plugin = Plugin(kind="parser", name="html", settings=HtmlSettings, make=HtmlParser)
