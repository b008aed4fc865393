"""Time expressions of queries in six languages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from time import process_time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recalld.domain.query import QUERY_CHARS_MAX
from recalld.rules.query_signals import TIME, rows_within, with_signals
from recalld.rules.rank import rank
from recalld.rules.time_spans import MARGIN, SPANS_MAX, TimeSpan, time_spans
from tests.rules.test_rank import evidence, rowset

NOW = datetime(2026, 11, 25, 15, 30, tzinfo=UTC)  # a Wednesday


def days(text: str, now: datetime = NOW) -> list[str]:
    """The first and the last day of each span, without the margin."""
    found = []
    for span in time_spans(text, now):
        first = datetime.fromtimestamp(span.since, now.tzinfo) + MARGIN
        last = datetime.fromtimestamp(span.until, now.tzinfo) - MARGIN - timedelta(seconds=1)
        found.append(f"{first:%Y-%m-%d}" if f"{first:%F}" == f"{last:%F}" else f"{first:%Y-%m-%d}/{last:%Y-%m-%d}")
    return found


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("what did we decide yesterday", "2026-11-24"),
        ("was haben wir gestern beschlossen", "2026-11-24"),
        ("我们昨天决定了什么", "2026-11-24"),
        ("昨日何を決めましたか", "2026-11-24"),
        ("¿qué decidimos ayer?", "2026-11-24"),
        ("ce qu'on a dit hier soir", "2026-11-24"),
        ("what is for today?", "2026-11-25"),
        ("qu'y a-t-il aujourd'hui", "2026-11-25"),
        ("qu'y a-t-il aujourd’hui", "2026-11-25"),
        ("the day before yesterday", "2026-11-23"),
        ("last week", "2026-11-16/2026-11-22"),
        ("letzte Woche", "2026-11-16/2026-11-22"),
        ("la semaine dernière", "2026-11-16/2026-11-22"),
        ("la semana pasada", "2026-11-16/2026-11-22"),
        ("上周的会议", "2026-11-16/2026-11-22"),
        ("先週の会議", "2026-11-16/2026-11-22"),
        ("this month", "2026-11-01/2026-11-30"),
        ("le mois dernier", "2026-10-01/2026-10-31"),
        ("im letzten Monat", "2026-10-01/2026-10-31"),
        ("el mes pasado", "2026-10-01/2026-10-31"),
        ("上个月", "2026-10-01/2026-10-31"),
        ("先月", "2026-10-01/2026-10-31"),
        ("last year", "2025-01-01/2025-12-31"),
        ("letztes Jahr", "2025-01-01/2025-12-31"),
        ("l'an dernier", "2025-01-01/2025-12-31"),
        ("el año pasado", "2025-01-01/2025-12-31"),
        ("去年", "2025-01-01/2025-12-31"),
        ("昨年", "2025-01-01/2025-12-31"),
        ("last May", "2026-05-01/2026-05-31"),
        ("last December", "2025-12-01/2025-12-31"),
        ("last November", "2025-11-01/2025-11-30"),
        ("im letzten Mai", "2026-05-01/2026-05-31"),
        ("en mai dernier", "2026-05-01/2026-05-31"),
        ("en mayo", "2026-05-01/2026-05-31"),
        ("去年5月", "2025-05-01/2025-05-31"),
        ("last Monday", "2026-11-23"),
        ("last Wednesday", "2026-11-18"),
        ("am letzten Freitag", "2026-11-20"),
        ("3 days ago", "2026-11-22"),
        ("vor drei Tagen", "2026-11-22"),
        ("il y a 3 jours", "2026-11-22"),
        ("hace tres días", "2026-11-22"),
        ("三天前", "2026-11-22"),
        ("3日前", "2026-11-22"),
        ("vor zwei Wochen", "2026-11-08/2026-11-15"),
        ("two weeks ago", "2026-11-08/2026-11-15"),
        ("两个星期前", "2026-11-08/2026-11-15"),
        ("in the last 3 days", "2026-11-22/2026-11-25"),
        ("in den letzten drei Tagen", "2026-11-22/2026-11-25"),
        ("ces 3 derniers jours", "2026-11-22/2026-11-25"),
        ("en los últimos 3 días", "2026-11-22/2026-11-25"),
        ("最近3天", "2026-11-22/2026-11-25"),
        ("on 2023-05-08", "2023-05-08"),
        ("on 8 May 2023", "2023-05-08"),
        ("on May 8th, 2023", "2023-05-08"),
        ("am 8. Mai 2023", "2023-05-08"),
        ("le 8 mai 2023", "2023-05-08"),
        ("el 8 de mayo de 2023", "2023-05-08"),
        ("2023年5月8日", "2023-05-08"),
        ("on May 8", "2026-05-08"),
        ("on December 8", "2025-12-08"),
        ("5月8日", "2026-05-08"),
        ("IN MAY 2023", "2023-05-01/2023-05-31"),
        ("in may 2023", "2023-05-01/2023-05-31"),
        ("Vor Zwei Wochen", "2026-11-08/2026-11-15"),
        ("in May 2023", "2023-05-01/2023-05-31"),
        ("mayo de 2023", "2023-05-01/2023-05-31"),
        ("2024年2月", "2024-02-01/2024-02-29"),
        ("in 2024", "2024-01-01/2024-12-31"),
        ("2023年", "2023-01-01/2023-12-31"),
    ],
)
def test_an_expression_names_a_span(text: str, span: str) -> None:
    assert days(text) == [span]


@pytest.mark.parametrize(
    "text",
    [
        "may I use the last name", "in march order", "the hours of one day", "was steht hier", "the second may fail",
        "port 2023", "error 2024 in line 3", "RFC 2023-99", "chapter 3 may help", "the last may fail", "每天的天气",
        "week days", "a year in the life", "next week", "a weekly report",
    ],
)  # fmt: skip
def test_other_words_name_none(text: str) -> None:
    assert days(text) == []


def test_several_expressions_are_read_in_order() -> None:
    assert days("yesterday or in May 2023") == ["2026-11-24", "2023-05-01/2023-05-31"]
    assert [span.words for span in time_spans("Yesterday, or in May 2023?", NOW)] == ["Yesterday", "May 2023"]


def test_a_day_is_that_of_the_offset() -> None:
    assert days("today", datetime(2026, 5, 1, 1, tzinfo=timezone(timedelta(hours=8)))) == ["2026-05-01"]


_PARTS = [
    "last ",
    "May ",
    "2023",
    "年",
    "5",
    "月",
    "8",
    "日",
    " ",
    "vor ",
    "zwei ",
    "Wochen ",
    "ago",
    "三",
    "天",
    "前",
    "-",
    "İ",
]


@given(st.lists(st.sampled_from(_PARTS), max_size=20).map("".join), st.datetimes(timezones=st.just(UTC)))
def test_any_text_at_any_time_has_few_spans_of_its_own_words(text: str, now: datetime) -> None:
    spans = time_spans(text, now)
    assert len(spans) <= SPANS_MAX
    assert all((span.words in text or span.words in text.lower()) and span.since < span.until for span in spans)


@pytest.mark.parametrize("part", ["last ", "1 ", "one ", "2023-", "May ", "三", "上上", " "])
def test_the_longest_query_takes_a_moment(part: str) -> None:
    text = "today " + part * QUERY_CHARS_MAX
    started = process_time()
    time_spans(text[:QUERY_CHARS_MAX], NOW)
    assert process_time() - started < 0.1


@given(
    st.lists(st.floats(0, 10), min_size=1, max_size=9),
    st.lists(st.tuples(st.floats(0, 10), st.floats(0, 10)), max_size=3),
)
def test_rows_within_a_span_get_a_bonus_unless_all_are(at: list[float], bounds: list[tuple[float, float]]) -> None:
    spans = [TimeSpan("then", *sorted(pair)) for pair in bounds]
    inside = np.array([any(span.since <= one <= span.until for span in spans) for one in at])
    before = rank("q", rowset(len(at)), evidence([], len(at)))
    after = with_signals(before, (), (), rows_within(spans, np.array(at)))
    assert np.allclose(after.total - before.total, 0 if inside.all() else TIME * inside)
