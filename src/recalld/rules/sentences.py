"""Splits text into sentences, in English, Chinese and mixed text; markup and code are left out."""

from __future__ import annotations

import re
from typing import Final

from .inline_markup import plain_markdown
from .lines import split_lines

SCAN_CHARS_MAX: Final = 24_000
"""Tiers are derived from the beginning of a text, which states the subject."""
SENTENCE_CHARS_MAX: Final = 600

_WIDE: Final = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff"
_WIDE_CHAR = re.compile(f"[{_WIDE}]")
# A run of marks matches from its beginning only: matching from every position would be quadratic.
_END = re.compile(
    r"(?<![.!?])[.!?]{1,8}[\"'”’)\]*_]{0,3}(?=\s)|(?:[。！？]+|…+(?=[\s\u3400-\u9fff]|$))[」』”’）】]{0,3}|[；;](?=\n)"
)
_ABBREVIATED: Final = """
mr mrs ms dr prof sr jr st vs etc e.g i.e eg ie cf al fig no vol pp ca approx inc ltd co corp dept est jan feb mar apr
jun jul aug sep sept oct nov dec u.s u.k a.m p.m z.b d.h bzw usw vgl nr bspw ggf p.ej ej pág sra srta resp incl excl
"""
_ABBREVIATIONS: Final = frozenset(_ABBREVIATED.split())
_LAST_WORD = re.compile(r"[\w.]{1,12}$")
_FENCE = re.compile(r"\s{0,12}(?:[-*+>]\s{1,3}|\d{1,3}[.)]\s{1,3})?(`{3,}|~{3,})")
_HEADING = re.compile(r"\s{0,3}#{1,6}(?:\s|$)")
_RULE = re.compile(r"\s{0,3}(?:[-=*_#~+]\s{0,2}){3,}$")
_TABLE = re.compile(r"\s*\|.*|\s*:?-{2,}:?\s*\|.*")
_ITEM = re.compile(r"\s*(?:[-*+•]|\d{1,3}[.)])\s+(?:\[[ xX]\]\s+)?")
_DIRECTIVE = re.compile(r"\s*(?:\.\. |:[\w-]+:|\[[^\]]{1,80}\]:\s|<!--|-->|import |export |@\w+\()")
# ``Key: value`` lines are records, not running text: each stands for itself.
_RECORD = re.compile(r"[A-Z][\w-]{1,30}: \S")


def is_wide(text: str) -> bool:
    """True if most of a text is Chinese, Japanese or Korean."""
    sample = text[:2_000]
    wide = len(_WIDE_CHAR.findall(sample))
    return wide * 3 > len(sample.replace(" ", "")) and wide > 0


def paragraphs(text: str) -> list[str]:
    """Return the prose of the first ``SCAN_CHARS_MAX`` characters, one plain line per paragraph or list item.

    Left out: front matter, headings, rules, tables, fenced or indented code, directives, lines without words.
    """
    found: list[str] = []
    lines: list[str] = []
    fence = ""
    for line in split_lines(_body(text)):
        mark = _FENCE.match(line)
        if fence:
            fence = "" if mark and mark[1].startswith(fence) else fence
            continue
        if mark:
            fence = mark[1]
            _flush(lines, found)
        elif not line.strip() or _is_markup(line, inside=bool(lines)):
            _flush(lines, found)
        elif item := _ITEM.match(line):
            _flush(lines, found)
            lines.append(line[item.end() :])
        else:
            if _RECORD.match(line):
                _flush(lines, found)
            lines.append(line)
    _flush(lines, found)
    return found


def split(paragraph: str) -> list[str]:
    """Return a paragraph's sentences in order, each at most ``SENTENCE_CHARS_MAX`` long. Only white space between them
    is lost (overlong ones are truncated at a word)."""
    found: list[str] = []
    start = 0
    for end in _END.finditer(paragraph):
        if _abbreviates(paragraph, start, end):
            continue
        _take(paragraph[start : end.end()], found)
        start = end.end()
    _take(paragraph[start:], found)
    return found


def sentences(text: str, sentences_max: int = 200) -> list[str]:
    """Return the first sentences of a text's prose."""
    found: list[str] = []
    for paragraph in paragraphs(text):
        found.extend(split(paragraph))
        if len(found) >= sentences_max:
            break
    return found[:sentences_max]


def first_sentence(text: str, chars_max: int) -> str:
    """Return the first meaningful sentence, truncated to ``chars_max``; "" if there is none."""
    found = split(plain_markdown(text[: chars_max * 6]))
    return fit(found[0], chars_max) if found else ""


def fit(text: str, chars_max: int) -> str:
    """Truncate ``text`` to ``chars_max`` (>= 2): at a sentence end if that keeps over half, else at a word, with
    ``…``."""
    text = text.strip()
    if len(text) <= chars_max:
        return text
    window = text[: chars_max + 1]
    ends = [end.end() for end in _END.finditer(window) if end.end() <= chars_max and not _abbreviates(window, 0, end)]
    if ends and ends[-1] * 2 > chars_max:
        return window[: ends[-1]].strip()
    cut = window[: chars_max - 1]
    if not _WIDE_CHAR.match(window[chars_max - 1]) and not window[chars_max - 1].isspace():
        at = max(cut.rfind(" "), _last_wide(cut))
        cut = cut[: at + 1] if at >= chars_max // 3 else cut
    return cut.rstrip(" ,;:、，；：-–—(（") + "…"


def _last_wide(text: str) -> int:
    at = -1
    for char in _WIDE_CHAR.finditer(text, max(0, len(text) - 80)):
        at = char.start()
    return at


def _body(text: str) -> str:
    head = text[:SCAN_CHARS_MAX]
    if head.startswith("---\n"):
        end = head.find("\n---", 3)
        head = head[end + 4 :] if end > 0 else head
    return head


def _is_markup(line: str, *, inside: bool) -> bool:
    if _HEADING.match(line) or _RULE.match(line) or _TABLE.match(line) or _DIRECTIVE.match(line):
        return True
    indented = line.startswith(("    ", "\t")) and not _ITEM.match(line)
    return indented and not inside


def _flush(lines: list[str], found: list[str]) -> None:
    if lines:
        whole = plain_markdown(" ".join(line.lstrip("> ") for line in lines))
        if any(char.isalpha() for char in whole):
            found.append(whole)
        lines.clear()


def _abbreviates(text: str, start: int, end: re.Match[str]) -> bool:
    """True if the full stop belongs to an abbreviation, an initial or a number."""
    if end[0][0] != ".":
        return False
    after = text[end.end() : end.end() + 2].lstrip()
    if after and after[0].islower():
        return True
    word = _LAST_WORD.search(text, max(start, end.start() - 12), end.start())
    if not word:
        return False
    return word[0].lower() in _ABBREVIATIONS or (len(word[0]) == 1 and word[0].isupper() and word[0] != "I")


def _take(sentence: str, found: list[str]) -> None:
    rest = sentence.strip()
    while len(rest) > SENTENCE_CHARS_MAX:
        at = rest.rfind(" ", SENTENCE_CHARS_MAX // 2, SENTENCE_CHARS_MAX)
        at = at if at > 0 else SENTENCE_CHARS_MAX
        found.append(rest[:at])
        rest = rest[at:].strip()
    if rest:
        found.append(rest)
