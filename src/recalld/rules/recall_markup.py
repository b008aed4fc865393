"""The markup of recalled text: renders a block, and removes it when it comes back in a message."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence

from recalld.domain.results import ContextEntry

DIGEST_HEAD = "OpenViking memory digest:"
_OPEN = re.compile(r'<memory uri="[^"\n]{0,8192}"[^<>\n]{0,400}>')
_CLOSE = re.compile(r"(?<!\\)</memory>")
_BULLET = re.compile(r"- [^\n]{0,600}viking://[^\n]{0,8192}(?:\n|$)")
_HEAD = re.compile(rf"^{DIGEST_HEAD}[ \t]*(?:\n|$)", re.MULTILINE)


def render(entries: Sequence[ContextEntry]) -> str:
    """Return the block a client puts before a model: quoted data, in the order of ``entries``."""
    return "\n".join(render_entry(e) for e in entries)


def render_entry(entry: ContextEntry) -> str:
    """Return the markup of one entry. Markup inside a body is escaped, so that no text can close or open an entry."""
    uri = html.escape(str(entry.uri))
    head = f'<memory uri="{uri}" type="{entry.category}" score="{entry.score:.2f}" detail="{entry.detail}"'
    return f"{head}/>" if entry.detail == "uri" else f"{head}>\n{escape_markup(entry.text)}\n</memory>"


def escape_markup(text: str) -> str:
    """Return ``text`` with a backslash before all block markup."""
    return text.replace("<memory", "\\<memory").replace("</memory", "\\</memory")


def strip_recalled(text: str) -> str:
    """Return ``text`` without rendered blocks and digests: the author's own words.

    Text without any is returned unchanged; an unclosed block stays. Linear in the text's length.
    """
    return _without_digests(_without_blocks(text))


def _without_blocks(text: str) -> str:
    parts: list[str] = []
    at = 0
    while (opened := _OPEN.search(text, at)) is not None:
        end = opened if opened[0].endswith("/>") else _CLOSE.search(text, opened.end())
        if end is None:
            break  # no later block is closed either
        parts.append(text[at : opened.start()])
        at = end.end()
        at += text.startswith("\n", at)
    return "".join([*parts, text[at:]]) if at else text


def _without_digests(text: str) -> str:
    if DIGEST_HEAD not in text:
        return text
    parts: list[str] = []
    at = 0
    while (head := _HEAD.search(text, at)) is not None:
        parts.append(text[at : head.start()])
        at = head.end()
        while (bullet := _BULLET.match(text, at)) is not None:
            at = bullet.end()
    return "".join([*parts, text[at:]])
