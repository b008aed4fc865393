"""Plain text, and everything else that is text."""

from __future__ import annotations

from recalld.domain.document import Document
from recalld.ports.plugin import NoSettings, Plugin
from recalld.rules.encoding import decode
from recalld.rules.escapes import may_hold_escapes, unicode_unescaped
from recalld.rules.lines import split_lines
from recalld.rules.media import media_type
from recalld.rules.sentences import plain

TITLE_CHARS_MAX = 100


class TextParser:
    """Accepts any bytes."""

    suffixes: tuple[str, ...] = (
        ".txt",
        ".text",
        ".log",
        ".rst",
        ".adoc",
        ".org",
        ".tex",
        ".ini",
        ".cfg",
        ".conf",
        ".xml",
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
        """Return the text unchanged; its title is a short first line followed by an empty or an underlining one."""
        decoded = decode(data)
        shown = unicode_unescaped(decoded.text) if may_hold_escapes(name) else decoded.text
        return Document(
            media=media_type(name, data[:64]),
            text=decoded.text,
            title=_title(decoded.text),
            indexable="" if shown == decoded.text else shown,
            warnings=(decoded.warning,) if decoded.warning else (),
        )


def _title(text: str) -> str:
    lines = [line.strip() for line in split_lines(text[:1_000])[:6]]
    while lines and not lines[0].strip("=-*#~"):
        lines.pop(0)
    if len(lines) < 2 or len(lines[0]) > TITLE_CHARS_MAX or lines[0].endswith((".", ",", ";", "。")):
        return ""
    return plain(lines[0]) if not lines[1].strip("=-*#~^") else ""


plugin = Plugin(kind="parser", name="text", settings=NoSettings, make=lambda _: TextParser())
