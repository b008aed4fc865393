"""What a page says of itself: the lead under its title, then the headings (or the names) that tell it from its siblings."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import takewhile
from typing import Final

from recalld.domain.policy import ABSTRACT_CHARS_MAX

from .language import WORDS, language_of
from .lead import GOOD, enumerated, lead
from .prose import first_of
from .sentences import is_wide
from .text_blocks import Block, BlockKind
from .titles import titled

_SHORT_CHARS: Final = 110
_SHORT_WIDE_CHARS: Final = 45
_TOPIC_CHARS_MAX: Final = 140
_RESERVED_CHARS: Final = 70
"""For the sections beside the first one."""
_ANNOUNCED_CHARS: Final = 14
_WORDS_MIN: Final = 3
"""A single heading of fewer words ("Configuration") says less than a second sentence."""
_SILENT_WORDS: Final = """
introduction|overview|summary|usage|examples|example|see also|api|notes|note|contents|table of contents|description|bugfixes|
bug fixes|bugs fixed|miscellaneous|other|others|general|details|basics|synopsis|options|faq|references|related|more|next steps|
what's next|further reading|background|conclusion|prerequisites|requirements|changelog|license|props|warning|
einleitung|überblick|siehe auch|introducción|véase también|voir aussi|何时使用|代码演示|简介|介绍|概述|示例|用法|参考|注意|说明|
类型|默认值|はじめに|概要|例
"""
# "Type: boolean" says nothing of the page.
_RECORD = re.compile(r"(?:types?|default(?: value)?|since|typ|类型|默认值|版本)\s?[:：]", re.IGNORECASE)
_OPENING_WORDS: Final = """
introduction|overview|summary|description|about|background|einleitung|überblick|introducción|何时使用|简介|介绍|概述|はじめに|概要
"""
_OPENINGS: Final = frozenset(word.strip() for word in _OPENING_WORDS.split("|"))
_SILENT: Final = frozenset(word.strip() for word in _SILENT_WORDS.split("|"))


def of_page(title: str, found: Sequence[Block], language: str) -> str:
    """Return ``Title: lead, topics``, at most 256 characters, for a page or a part of one; "" if it has neither prose nor headings.

    A part that begins with one section and holds others names those last, as further ones.
    """
    own, rest = _halves(title, found)
    inner, beside = _topics(title, own, rest)
    names = list(dict.fromkeys(b.text for b in own if b.kind is BlockKind.NAME))
    if len(names) > 1:
        inner, beside = names, beside or inner
        own = [b for b in own if b.kind is not BlockKind.MEMBER]
    reserved = min(_RESERVED_CHARS, sum(len(topic) + 2 for topic in beside))
    topics = len("; ".join((*inner, *beside)))
    text = _opening(title, own, topics, GOOD)
    items = [] if text or names[1:] else _items("", own)
    if not (text or items or inner[1:]):
        text = _opening(title, own, topics, -9.0)
    if beside and len(title) + len(text) + _ANNOUNCED_CHARS * 2 > ABSTRACT_CHARS_MAX:
        title = re.sub(" › .* › ", " › ", title)
    chars_left = ABSTRACT_CHARS_MAX - len(title) - 2
    if names[1:] and own and own[0].kind is not BlockKind.HEADING:
        text = ""  # The text goes on from another part: its first sentence is about that one's last member.
    sample = text or "".join(items or inner or beside)
    words = WORDS[language_of(sample) if is_wide(sample) or sample.endswith("。") else language]
    if text:
        short = not inner and not beside and len(text) < (_SHORT_WIDE_CHARS if is_wide(text) else _SHORT_CHARS)
        listed = _items(text, found) if short else inner
        whole = with_topics(titled(title, text), listed, "" if short or len(inner) == 1 else words.topics, reserved)
    elif listed := items or inner:
        shown = enumerated(listed, chars_left - reserved, wide=is_wide("".join(listed)))
        whole = f"{title}{'：' if is_wide(shown) and is_wide(title) else ': '}{shown}" if shown else title
        if len(listed) < 2 and (more := lead(rest, title, ABSTRACT_CHARS_MAX - len(whole) - 3, score_min=GOOD)):
            whole = with_topics(whole, [more], "", 0)
        whole = with_topics(whole, inner if items else [], words.topics, reserved)
    elif beside:
        whole = title
    else:
        return ""
    return with_topics(whole, beside, words.also, 0)


def _opening(title: str, own: Sequence[Block], topics: int, score_min: float) -> str:
    """Return the best first sentence, and those after it while they leave space for ``topics`` characters."""
    chars_left = ABSTRACT_CHARS_MAX - len(title) - 2
    if not topics:
        return lead(own, title, chars_left, score_min=score_min)
    first = lead(own, title, chars_left, score_min=score_min, sentences_max=1)
    free = chars_left - topics - _ANNOUNCED_CHARS
    whole = lead(own, title, free, score_min=score_min) if first and free > len(first) else ""
    return whole if whole.startswith(first) else first


def _halves(title: str, found: Sequence[Block]) -> tuple[list[Block], list[Block]]:
    """Return the blocks under the title (and its introduction), and those from the next heading on."""
    opening = {*_above(title), *_OPENINGS}
    at = next(
        (i for i, b in enumerate(found) if b.kind is BlockKind.HEADING and b.text.lower() not in opening), len(found)
    )
    return list(found[:at]), list(found[at:])


def _above(title: str) -> set[str]:
    return {segment.lower() for segment in (title, *title.split(" › "))}


def _topics(title: str, own: Iterable[Block], rest: Iterable[Block]) -> tuple[list[str], list[str]]:
    """Return the headings below the page's own one that say most, and those beside it."""
    marks = [b for b in rest if b.kind is BlockKind.HEADING]
    above = _above(title)
    depth = max((b.depth for b in own if b.kind is BlockKind.HEADING and b.text.lower() in above), default=0)
    below = list(takewhile(lambda b: b.depth > depth, marks))
    top = min((b.depth for b in below), default=0)
    inner = _telling(above, (b for b in below if b.depth == top)) or _telling(above, below)
    single = len(inner) == 1 and len(inner[0].split()) < _WORDS_MIN
    return [] if single else inner, _telling(above, (b for b in marks if b.depth <= depth))


def _telling(above: set[str], marks: Iterable[Block]) -> list[str]:
    found = (re.sub(r"[:：。#\s]+$|(?<!\.)\.$", "", b.text.strip()) for b in marks)
    return [
        text
        for text in dict.fromkeys(found)
        if 1 < len(text) <= _TOPIC_CHARS_MAX and text.lower() not in _SILENT and text.lower() not in above
    ]


def _items(text: str, found: Iterable[Block]) -> list[str]:
    """Return the first sentence of each item of a list, without those in the text already."""
    first = (first_of(b) for b in found if b.kind is BlockKind.ITEM and not _RECORD.match(b.text))
    return [item for item in first if item not in text]


def with_topics(text: str, topics: Sequence[str], announced: str, reserved: int) -> str:
    """Return the text followed by as many topics as fit and leave space for ``reserved`` characters."""
    wide = is_wide(text) or text.endswith("。") or announced.endswith("：")
    gap = "" if wide else " "
    stop = "" if text.endswith((".", "!", "?", "…", "。", "！", "？")) else "。" if wide else "."
    chars_left = ABSTRACT_CHARS_MAX - reserved - len(text + stop + gap + announced) - 1
    shown = enumerated(topics, chars_left, wide=wide)
    if not shown:
        return text
    end = "" if shown.endswith(("…", ".", "。")) else "。" if wide else "."
    return f"{text}{stop}{gap}{announced}{shown}{end}"
