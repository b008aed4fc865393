"""The part of a hit's text that answers a question best, and the question's words in it."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from recalld.domain.query import Passage

from .tokens import occurrences

PASSAGE_CHARS_MAX: Final = 400
LEAD_CHARS_MAX: Final = 60
"""Characters before the first word of the question, where a sentence is too long to be shown whole."""
HEADING_SHARE: Final = 0.5
"""Share of a heading's information that counts for the sentence below it."""
HEADINGS_MAX: Final = 4
HEADING_CHARS_MAX: Final = 80

_ITEM = r"[ \t]*(?:[-*+>|#]|\d{1,3}[.)][ \t])"
# A heading line; else a sentence ends at a stop, at an empty line, and before a list item, a quotation or a table row.
_END = re.compile(
    r"^[ \t]*#{1,6}[ \t][^\n]*(?:\n|$)|[.!?][\"'”’)\]*_]{0,3}(?=\s+(?![a-z\s]))|[。！？…]+[」』”’）】]{0,3}"
    rf"|\n[ \t]*\n|\n(?={_ITEM})",
    re.MULTILINE,
)
_HEADING = re.compile(r"#{1,6}[ \t]")
_WORD = re.compile(r"\S+")
_LIST_MARKS = frozenset(("-", "*", "+", ">", "|", "```"))
"""Marks of a list item, a quotation or a table row, with which no passage begins."""
_SPACE = re.compile(r"\s")
# Headings of Markdown, and the fences between which a number sign begins a comment.
_MARKUP = re.compile(
    r"^(?:(?P<fence>[ \t]{0,3}(?:`{3,}|~{3,}))|(?P<depth>#{1,6})[ \t]+(?P<title>[^\n]*)"
    r"|(?P<under>[^\s#>|*+`~-][^\n]{0,200})\n(?P<rule>=+|-+)[ \t]*$)",
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class _Word:
    """A word of the question in a text: its offsets, and the question's terms it stands for."""

    start: int
    end: int
    terms: frozenset[str]


def passage_of(
    text: str,
    weights: Mapping[str, float],
    *,
    before: str = "",
    headings: Sequence[str] = (),
    lines: bool = False,
    markdown: bool = True,
) -> Passage | None:
    """Return the passage of ``text``, a hit's best chunk; None if there are no words in it.

    It has at most ``PASSAGE_CHARS_MAX`` characters from the sentence on whose words carry most of the question's
    information, or from the beginning if none does. Its white space is folded. ``weights``: the information of the
    question's terms; ``before``: what the file contains before ``text``; ``headings``: above the file's beginning;
    ``lines``: ``text`` and ``before`` are the file's own text, so that lines can be counted; ``markdown``: they have
    Markdown headings.
    """
    wanted = frozenset(weights)
    words = [_Word(s, e, wanted.intersection(t)) for s, e, t in occurrences(text) if not wanted.isdisjoint(t)]
    start, end = _best_span(text, words, weights)
    spans = [match.span() for match in _WORD.finditer(text, start, end)]
    while len(spans) > 1 and text[slice(*spans[0])] in _LIST_MARKS:
        spans.pop(0)
    if not spans:
        return None
    start, end = spans[0][0], spans[-1][1]
    shown = " ".join(text[first:last] for first, last in spans)
    path = (*headings, *_headings_above(before + text[: start + 1])) if markdown else tuple(headings)
    first = _line_count(before) + _line_count(text[:start]) + 1 if lines else 0
    last = first + _line_count(text[start:end]) if lines else 0
    return Passage(shown, _path(path), first, last, _marks(words, spans))


def fit_weights(weights: Mapping[str, float], question: Sequence[str]) -> dict[str, float]:
    """Return the weights of the question's own terms, or all of them if it has none: then a session's words stand for it."""
    own = {term: weights[term] for term in question if term in weights}
    return own or dict(weights)


def _best_span(text: str, words: list[_Word], weights: Mapping[str, float]) -> tuple[int, int]:
    """Return the offsets of the passage: whole sentences if they fit."""
    sentences = _sentences(text)
    if not sentences:
        return 0, 0
    best, most, from_heading = -1, 0.0, 0.0
    starts = [word.start for word in words]
    for number, (start, end) in enumerate(sentences):
        here = words[bisect_right(starts, start - 1) : bisect_right(starts, end - 1)]
        information = _information(here, weights)
        if _HEADING.match(text, start):
            from_heading = HEADING_SHARE * information
            continue
        if information + from_heading > most:
            best, most = number, information + from_heading
        from_heading = 0.0
    if best < 0:
        best = next((k for k, (start, _) in enumerate(sentences) if not _HEADING.match(text, start)), 0)
    start, end = sentences[best]
    if end - start > PASSAGE_CHARS_MAX:
        return _densest(text, start, end, words, weights)
    first = last = best
    while last + 1 < len(sentences) and _joins(
        text, sentences[last + 1], start, sentences[last + 1][1], PASSAGE_CHARS_MAX
    ):
        last += 1
    end = sentences[last][1]
    while first and _joins(text, sentences[first - 1], sentences[first - 1][0], end, PASSAGE_CHARS_MAX // 2):
        first -= 1
    return sentences[first][0], end


def _joins(text: str, sentence: tuple[int, int], start: int, end: int, chars_max: int) -> bool:
    """True if a sentence may join a passage, which then is from ``start`` to ``end``: a heading begins other matter."""
    return end - start <= chars_max and not _HEADING.match(text, sentence[0])


def _sentences(text: str) -> list[tuple[int, int]]:
    """Return the offsets of the sentences and headings of a text, without white space around them."""
    found: list[tuple[int, int]] = []
    at = 0
    for end in (*(match.end() for match in _END.finditer(text)), len(text)):
        bare = text[at:end].strip()
        if bare:
            start = text.index(bare, at)
            found.append((start, start + len(bare)))
        at = end
    return found


def _information(words: Sequence[_Word], weights: Mapping[str, float]) -> float:
    return sum(weights[term] for term in {term for word in words for term in word.terms})


def _densest(text: str, start: int, end: int, words: list[_Word], weights: Mapping[str, float]) -> tuple[int, int]:
    """Return the part of a long sentence with most of the question's information, cut at words."""
    inside = [word for word in words if start <= word.start and word.end <= end]
    width = PASSAGE_CHARS_MAX - LEAD_CHARS_MAX
    best, most = start, 0.0
    for number, first in enumerate(inside):
        near = [word for word in inside[number:] if word.end - first.start <= width]
        information = _information(near, weights)
        if information > most:
            best, most = first.start, information
    begin = max(start, best - LEAD_CHARS_MAX)
    if begin > start:
        space = _SPACE.search(text, begin, best)
        begin = space.end() if space else best
    stop = min(end, begin + PASSAGE_CHARS_MAX)
    if stop < end and not text[stop].isspace():
        space_at = max(text.rfind(" ", best, stop), text.rfind("\n", best, stop))
        stop = space_at if space_at > best else stop
    return begin, stop


def _marks(words: Sequence[_Word], spans: Sequence[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Return where the words lie in the text with its white space folded; those that touch are one mark."""
    starts, at, places = [first for first, _ in spans], 0, []
    for first, last in spans:
        places.append(at)
        at += last - first + 1
    marks: list[tuple[int, int]] = []
    for word in words:
        k = bisect_right(starts, word.start) - 1
        if k < 0 or word.end > spans[k][1]:
            continue
        start, end = places[k] + word.start - starts[k], places[k] + word.end - starts[k]
        if marks and start <= marks[-1][1]:
            marks[-1] = (marks[-1][0], max(end, marks[-1][1]))
        else:
            marks.append((start, end))
    return tuple(marks)


def _line_count(text: str) -> int:
    """Return the number of line ends, as ``rules/lines`` counts them."""
    return text.count("\n") + (text.count("\r") - text.count("\r\n") if "\r" in text else 0)


def _headings_above(text: str) -> tuple[str, ...]:
    """Return the Markdown headings under which a text ends, outermost first."""
    path: list[tuple[int, str]] = []
    fenced = False
    for mark in _MARKUP.finditer(text):
        if mark["fence"]:
            fenced = not fenced
        elif not fenced:
            under = mark["rule"]
            depth = len(mark["depth"]) if mark["depth"] else 1 if under.startswith("=") else 2
            title = (mark["title"] if mark["depth"] else mark["under"]).strip().rstrip("#").strip()
            path = [*(one for one in path if one[0] < depth), (depth, title)]
    return tuple(title for _, title in path if title)


def _path(headings: Sequence[str]) -> tuple[str, ...]:
    """Return a heading path without repeats, each heading on one line; of a long one the innermost headings."""
    plain = [" ".join(one.split())[:HEADING_CHARS_MAX] for one in headings]
    return tuple(dict.fromkeys(one for one in plain if one))[-HEADINGS_MAX:]
