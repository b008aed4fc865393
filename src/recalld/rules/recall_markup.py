"""The marks of recalled text: how a block is written, and how it is known again when it comes back in a message."""

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
    """The block a client puts before a model: quoted data, never instructions, in the order of ``entries``."""
    return "\n".join(render_entry(e) for e in entries)


def render_entry(entry: ContextEntry) -> str:
    """One entry. Marks of the block inside a body are disarmed, so that no text can close or open one."""
    uri = html.escape(str(entry.uri))
    head = f'<memory uri="{uri}" type="{entry.category}" score="{entry.score:.2f}" detail="{entry.detail}"'
    return f"{head}/>" if entry.detail == "uri" else f"{head}>\n{escape_markup(entry.text)}\n</memory>"


def escape_markup(text: str) -> str:
    """``text`` with a backslash before every mark of a block."""
    return text.replace("<memory", "\\<memory").replace("</memory", "\\</memory")


def strip_recalled(text: str) -> str:
    """``text`` without the blocks and digests that were rendered here: what somebody said, not what they were told.

    Text without any is returned as it is; a block without its end is left alone. Linear in the text's length."""
    return _without_digests(_without_blocks(text))


def _without_blocks(text: str) -> str:
    parts: list[str] = []
    at = 0
    while (opened := _OPEN.search(text, at)) is not None:
        end = opened if opened[0].endswith("/>") else _CLOSE.search(text, opened.end())
        if end is None:
            break  # nothing after it is closed either
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
