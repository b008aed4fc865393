"""Headings and paragraphs of HTML source: by its tags, without building a tree."""

from __future__ import annotations

import html
import re
from typing import Final

from .text_blocks import Block, BlockBuilder, BlockKind

_SILENT = re.compile(
    r"<(script|style|svg|pre|table|nav|noscript|template|head|iframe|footer|aside|form|button|select|title)\b|<!--",
    re.IGNORECASE,
)
_BLOCK = re.compile(
    r"<(/?)(h[1-6]|p|div|li|ul|ol|dl|dt|dd|section|article|header|main|blockquote|figure|figcaption|br|hr|body)\b[^<>]{0,2000}>",
    re.IGNORECASE,
)
_TAG = re.compile(r"<[^<>]{0,2000}>|\{[%{#].{0,2000}?[%}#]\}", re.DOTALL)
_KINDS: Final = {"li": BlockKind.ITEM, "dd": BlockKind.ITEM, "blockquote": BlockKind.NOTE, "figcaption": BlockKind.NOTE}


def blocks(source: str) -> list[Block]:
    """Return the blocks of a page or a part of one; navigation, tables, code and scripts are left out."""
    build = BlockBuilder()
    tag, since, at = "", 0, 0
    while at < len(source):
        silent = _SILENT.search(source, at)
        stop = silent.start() if silent else len(source)
        for mark in _BLOCK.finditer(source, at, stop):
            _add(build, tag, since, source[since : mark.start()])
            tag, since = "" if mark[1] else mark[2].lower(), mark.end()
        _add(build, tag, since, source[since:stop])
        if not silent:
            break
        at = since = _end_of(source, silent)
    return build.found


def _add(build: BlockBuilder, tag: str, start: int, inner: str) -> None:
    text = " ".join(html.unescape(_TAG.sub("", inner)).split())
    if not text:
        return
    if len(tag) == 2 and tag[0] == "h" and tag[1].isdigit():
        build.heading(start, int(tag[1]), text)
    else:
        build.line(start, text, _KINDS.get(tag, BlockKind.TEXT), begins=True)
        build.end()


def _end_of(source: str, mark: re.Match[str]) -> int:
    if not mark[1]:
        end = source.find("-->", mark.end())
        return end + 3 if end >= 0 else len(source)
    close = re.compile(rf"</{mark[1]}\s*>", re.IGNORECASE).search(source, mark.end())
    return close.end() if close else len(source)
