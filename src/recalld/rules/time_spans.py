"""Reads time expressions of a query: "last May", "去年", "vor zwei Wochen", "il y a 3 jours", "8 de mayo de 2023".

Six languages, by a table of words. Libraries for this return a moment where a span is needed, read one or two of the languages
(parsedatetime, ctparse, timefhuman), or weigh as much as the rest of a search (dateparser).
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from .time_words import (
    CJK_FIXED,
    CJK_NUMBERS,
    CJK_UNITS,
    DAY,
    FIXED,
    MONTH,
    MONTHS,
    NUMBERS,
    UNITS,
    WEEK,
    WEEKDAYS,
    YEAR,
)  # fmt: skip

SPANS_MAX = 4
CHARS_READ = 1_000
MARGIN = timedelta(hours=12)
"""Added on both sides: neither the offset of whoever asks is known, nor that of what was said."""
_DAYS = {DAY: 1.0, WEEK: 7.0, MONTH: 30.44, YEAR: 365.25}
Bounds = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class TimeSpan:
    """``words`` of a query, and what they mean: epoch seconds from ``since`` to ``until``, both included."""

    words: str
    since: float
    until: float


def time_spans(text: str, now: datetime) -> tuple[TimeSpan, ...]:
    """Return up to four spans that the query's start names, in order. ``now``: when it is asked; with an offset.

    A month without a year is the latest that has begun, a weekday the latest before today. In lower case, "may" and "march" are
    months only with a year.
    """
    text = text[:CHARS_READ].replace("\u2019", "'")
    low = text.lower()
    if len(low) != len(text):
        text = low  # offsets are the same in both
    if _TRIGGERS.isdisjoint(_WORD.findall(low)) and _NUMERIC.search(low) is None:
        return ()
    found: dict[int, TimeSpan] = {}
    free = bytearray(b"\1") * (len(text) + 1)
    for pattern, bounds in _RULES:
        for match in pattern.finditer(low):
            start, end = match.span()
            words = text[start:end]
            if not all(free[start:end]) or (_VERB.search(words) and _YEAR.search(words) is None):
                continue  # part of a longer expression, or a verb
            try:
                span = bounds(match, now)
            except (ValueError, OverflowError):  # no such day
                continue
            free[start:end] = bytes(end - start)
            since, until = span[0] - MARGIN, span[1] + MARGIN
            found[start] = TimeSpan(words, since.timestamp(), until.timestamp())
    return tuple(found[start] for start in sorted(found))[:SPANS_MAX]


def _calendar(unit: str, now: datetime, back: int) -> Bounds:
    """Return the calendar day, week, month or year that lies ``back`` before the present one."""
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    if unit == DAY:
        first = today - timedelta(days=back)
        return first, first + timedelta(days=1)
    if unit == WEEK:
        first = today - timedelta(days=today.weekday() + 7 * back)
        return first, first + timedelta(days=7)
    if unit == YEAR:
        return _date(now, now.year - back)
    months = now.year * 12 + now.month - 1 - back
    return _date(now, months // 12, months % 12 + 1)


def _date(now: datetime, year: int, month: int = 0, day: int = 0) -> Bounds:
    """Return a year, a month of it or a day of that."""
    first = datetime(year, month or 1, day or 1, tzinfo=now.tzinfo)
    days = 1 if day else monthrange(year, month)[1] if month else 366 if monthrange(year, 2)[1] == 29 else 365
    return first, first + timedelta(days=days)


def _latest(now: datetime, month: int, day: int = 0) -> Bounds:
    """Return the latest such month or day that has begun."""
    begun = (month, day or 1) <= (now.month, now.day)
    return _date(now, now.year if begun else now.year - 1, month, day)


def _number(word: str) -> int:
    known = NUMBERS.get(word, CJK_NUMBERS.get(word))
    return int(word) if known is None else known


def _unit(word: str) -> str:
    return UNITS.get(word) or CJK_UNITS[word]


def _ago(number: str, unit: str, now: datetime) -> Bounds:
    """Return the span around a moment that lies so many units back: half a unit on both sides."""
    if _unit(unit) == DAY:
        return _calendar(DAY, now, _number(number))
    one = timedelta(days=_DAYS[_unit(unit)])
    then = now - _number(number) * one
    return then - one / 2, then + one / 2


def _past(number: str, unit: str, now: datetime) -> Bounds:
    return now - timedelta(days=_DAYS[_unit(unit)] * _number(number)), now


def _month_day(month: str, day: str | None, year: str | None, now: datetime) -> Bounds:
    number = MONTHS[month]
    return _date(now, int(year), number, int(day or 0)) if year else _latest(now, number, int(day or 0))


def _last(word: str, now: datetime) -> Bounds:
    if word in UNITS:
        return _calendar(UNITS[word], now, 1)
    if word in WEEKDAYS:
        return _calendar(DAY, now, (now.weekday() - WEEKDAYS[word] - 1) % 7 + 1)
    month = MONTHS[word]
    return _date(now, now.year - 1, month) if month >= now.month else _date(now, now.year, month)


def _any(words: Iterable[str]) -> str:
    return "(" + "|".join(sorted(map(re.escape, words), key=len, reverse=True)) + ")"


def _spaced(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w-])(?:{pattern})(?![\w-])")


_WORD = re.compile(r"[^\W\d_]+")
_VERB = re.compile(r"\b(?:may|march|mar)\b")
_YEAR = re.compile(r"(?:19|20)\d\d")
_NUMERIC = re.compile(r"(?:19|20)\d\d|[年月天日週周]|星期|礼拜|禮拜|おと")
_TRIGGERS = frozenset(
    (*UNITS, *MONTHS, *WEEKDAYS, "today", "tonight", "heute", "aujourd", "hoy", "yesterday", "night", "gestern")
    + ("hier", "ayer", "anoche", "vorgestern", "anteayer")
)
_Y = r"((?:19|20)\d\d)"
_N, _CN = rf"(\d{{1,3}}|{_any(NUMBERS)[1:-1]})", rf"(\d{{1,3}}|{_any(CJK_NUMBERS)[1:-1]})"
_U, _CU, _M = _any(UNITS), _any(CJK_UNITS), _any(MONTHS)
_PERIOD = _any((*UNITS, *MONTHS, *WEEKDAYS))
_OF = r"(?:,|\s+(?:of|de|del))?\s+"
Rule = tuple[re.Pattern[str], Callable[[re.Match[str], datetime], Bounds]]
# In this order: an expression that contains another one comes before it.
_RULES: tuple[Rule, ...] = (
    (re.compile(rf"(?<!\d){_Y}[-/.](\d\d?)(?:[-/.](\d\d?))?(?![\d])"),
     lambda m, now: _date(now, int(m[1]), int(m[2]), int(m[3] or 0))),
    (_spaced(rf"(\d\d?)(?:st|nd|rd|th|er|\.)?(?:\s+(?:of|de))?\s+{_M}(?:{_OF}{_Y})?"),
     lambda m, now: _month_day(m[2], m[1], m[3], now)),
    (_spaced(rf"{_M}\s+(\d\d?)(?:st|nd|rd|th)?(?:,?\s+{_Y})?"), lambda m, now: _month_day(m[1], m[2], m[3], now)),
    (_spaced(rf"{_M}{_OF}{_Y}"), lambda m, now: _month_day(m[1], None, m[2], now)),
    (re.compile(rf"(?<!\d){_Y}年(?:(\d\d?)月(?:(\d\d?)[日号號])?)?"),
     lambda m, now: _date(now, int(m[1]), int(m[2] or 0), int(m[3] or 0))),
    (re.compile(r"(今年|去年|昨年|前年)の?(\d\d?)月"), lambda m, now: _date(now, now.year - CJK_FIXED[m[1]][1], int(m[2]))),
    (re.compile(r"(?<!\d)(\d\d?)月(\d\d?)[日号號]"), lambda m, now: _latest(now, int(m[1]), int(m[2]))),
    (_spaced(rf"(?:vor|il y a|hace)\s+{_N}\s+{_U}"), lambda m, now: _ago(m[1], m[2], now)),
    (_spaced(rf"{_N}\s+{_U}\s+ago"), lambda m, now: _ago(m[1], m[2], now)),
    (re.compile(rf"{_CN}\s?[个個]?{_CU}(?:之|以)?前"), lambda m, now: _ago(m[1], m[2], now)),
    (_spaced(rf"(?:last|past|letzten|vergangenen|derni(?:ers|ères)|últim[oa]s)\s+{_N}\s+{_U}"),
     lambda m, now: _past(m[1], m[2], now)),
    (_spaced(rf"{_N}\s+derni(?:ers|ères)\s+{_U}"), lambda m, now: _past(m[1], m[2], now)),
    (re.compile(rf"(?:最近|过去|過去|近)の?{_CN}\s?[个個]?{_CU}"), lambda m, now: _past(m[1], m[2], now)),
    (_spaced(rf"(?:last|past|(?:letzt|vergangen|vorig)e[nrsm]?|pasad[oa])\s+{_PERIOD}"), lambda m, now: _last(m[1], now)),
    (_spaced(rf"{_PERIOD}\s+(?:derni[eè]re?|passée?|pasad[oa])"), lambda m, now: _last(m[1], now)),
    (_spaced(rf"(?:this|diese[nrsm]?|cette|ce|est[ae])\s+{_U}"), lambda m, now: _calendar(UNITS[m[1]], now, 0)),
    (_spaced(_any(FIXED)), lambda m, now: _calendar(FIXED[m[1]][0], now, FIXED[m[1]][1])),
    (re.compile(_any(CJK_FIXED)), lambda m, now: _calendar(CJK_FIXED[m[1]][0], now, CJK_FIXED[m[1]][1])),
    (_spaced(rf"(?:in|im|en|during|since|of|this|diesen)\s+(?:early\s+|late\s+|mid[\s-])?{_M}"),
     lambda m, now: _month_day(m[1], None, None, now)),
    (_spaced(rf"(?:in|im jahr|en|during|of|année|año)\s+{_Y}"), lambda m, now: _date(now, int(m[1]))),
)  # fmt: skip
