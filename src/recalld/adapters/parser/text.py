"""Plain text, and everything else that is text."""

from __future__ import annotations

import html
import re

from recalld.domain.document import Document
from recalld.ports.plugin import NoSettings, Plugin
from recalld.rules import org, prose, rst
from recalld.rules.encoding import decode
from recalld.rules.escapes import may_hold_escapes, unicode_unescaped
from recalld.rules.inline_markup import plain_markdown, plain_org
from recalld.rules.lines import split_lines
from recalld.rules.markdown import STRUCTURE_CHARS_MAX
from recalld.rules.media import media_type
from recalld.rules.titles import heading_of, lone_heading_of

TITLE_CHARS_MAX = 100
KEYS_MAX = 60
# A section, a key with its value, a target, a requirement; no sentence.
_KEY = re.compile(
    r"\[([^\]\n]{1,80})\]\s*$|([\w.][\w.-]{0,60})(?:\[[\w, -]+\])?(?:\s*$|\s*(?:[=<>~!]=?|:=?|;).{0,400}$)"
)
_SVG_TEXT = re.compile(r"<(title|desc|text)\b[^<>]{0,2000}>(.{0,4000}?)</\1\s*>", re.DOTALL)
_TAG = re.compile(r"<[^<>]{0,2000}>")


class TextParser:
    """Accepts any bytes."""

    suffixes: tuple[str, ...] = (
        ".txt",
        ".text",
        ".log",
        ".rst",
        ".rest",
        ".adoc",
        ".asciidoc",
        ".asc",
        ".org",
        ".tex",
        ".ini",
        ".cfg",
        ".conf",
        ".xml",
        ".svg",
        ".properties",
    )
    names: tuple[str, ...] = (
        "readme",
        "license",
        "licence",
        "copying",
        "authors",
        "notice",
        "changelog",
        "makefile",
        "dockerfile",
    )

    def parse(self, name: str, data: bytes) -> Document:
        """Return the text unchanged. The title is that of its format, or a short first line followed by an empty or an
        underlining one."""
        decoded = decode(data)
        shown = unicode_unescaped(decoded.text) if may_hold_escapes(name) else decoded.text
        media = prose.format_of(decoded.text, media_type(name, data[:64]))
        sections = prose.sections(decoded.text, media) if media in prose.FORMATS else ()
        svg = name.lower().endswith(".svg")
        indexable = "" if shown == decoded.text else shown
        return Document(
            media=media,
            text=decoded.text,
            title=_declared_title(decoded.text, media) or lone_heading_of(sections) or _title(decoded.text, media),
            sections=sections,
            summary=_svg_description(decoded.text) if svg else "",
            symbols=_symbols(decoded.text, media),
            indexable=_svg_words(decoded.text) if svg else indexable,
            facts={"shape": "SVG"} if svg else {},
            warnings=(decoded.warning,) if decoded.warning else (),
        )


def _declared_title(text: str, media: str) -> str:
    if media == "text/org":
        return plain_org(org.keywords(text).get("title", ""))
    if media == "text/asciidoc":
        return heading_of(prose.sections(text[:STRUCTURE_CHARS_MAX], media))
    return ""


def _title(text: str, media: str) -> str:
    lines = [line.strip() for line in split_lines(text[:1_000])[:6]]
    while lines and not lines[0].strip("=-*#~"):
        lines.pop(0)
    if media != "text/plain" or len(lines) < 2 or not 2 < len(lines[0]) <= TITLE_CHARS_MAX:
        return ""
    ended = lines[0].endswith((".", ",", ";", ":", "。"))
    return (
        plain_markdown(lines[0]).strip("#* ")
        if not ended and prose.is_name(lines[0]) and not lines[1].strip("=-*#~^")
        else ""
    )


def _symbols(text: str, media: str) -> tuple[str, ...]:
    if media == "text/rst":
        return tuple(rst.contents(text)[:KEYS_MAX])
    return _keys(text) if media == "text/plain" or media.startswith("text/x-") else ()


def _keys(text: str) -> tuple[str, ...]:
    """Return the names that a configuration, a list of requirements or a Makefile defines; () for other text."""
    lines = [
        line for line in split_lines(text[:16_384]) if line.strip() and not line.startswith((" ", "\t", "#", ";", "!"))
    ]
    found = [key[1] or key[2] for line in lines if (key := _KEY.match(line))]
    return tuple(dict.fromkeys(found))[:KEYS_MAX] if len(found) > 1 and len(found) >= len(lines) * 0.7 else ()


def _svg_description(source: str) -> str:
    """Return what a picture says of itself: title and description."""
    found = {
        kind: " ".join(html.unescape(_TAG.sub(" ", text)).split()) for kind, text in _SVG_TEXT.findall(source[:8_192])
    }
    return ". ".join(filter(None, (found.get("title", "").rstrip("."), found.get("desc", ""))))


def _svg_words(source: str) -> str:
    """Return a picture's title, description and labels, one a line: its paths are no words."""
    found = [
        " ".join(html.unescape(_TAG.sub(" ", text)).split())
        for _, text in _SVG_TEXT.findall(source[:STRUCTURE_CHARS_MAX])
    ]
    return "\n".join(filter(None, found)) or " "


plugin = Plugin(kind="parser", name="text", settings=NoSettings, make=lambda _: TextParser())
