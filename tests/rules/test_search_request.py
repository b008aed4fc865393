"""Parameters of search requests."""

from math import inf, nextafter
from typing import Any

import pytest

from recalld.domain.caller import Caller
from recalld.domain.errors import Invalid
from recalld.domain.node import ContextType
from recalld.domain.query import TimeRange
from recalld.rules.search_request import parse_query

ANA, NOW = Caller(user="ana"), 1_715_169_600.0


def test_a_full_request_is_understood() -> None:
    query = parse_query(
        "q",
        ANA,
        NOW,
        target_uri=["viking://~/memories", "viking://"],
        context_type="memory,skill",
        level=[2],
        tags=["A=B"],
        since="7d",
        until="2024-05-08",
    )
    assert [str(t) for t in query.targets] == ["viking://user/ana/memories"]
    assert query.types == (ContextType.MEMORY, ContextType.SKILL)
    assert query.tags == ("a=b",)
    assert query.since == NOW - 7 * 86_400
    assert query.until is not None
    assert query.until > NOW + 11 * 3_600


@pytest.mark.parametrize(
    ("field", "options"),
    [
        ("limit", {"limit": 0}),
        ("limit", {"limit": 100_000}),
        ("context_type", {"context_type": "picture"}),
        ("level", {"level": [3]}),
        ("tags", {"tags": ["nope"]}),
        ("since", {"since": "yesterdayish"}),
        ("since", {"since": "2024-05-08", "until": "2024-05-01"}),
        ("time_field", {"time_field": "born_at"}),
        ("filter", {"filter": {"op": "or", "conds": []}}),
    ],
)
def test_an_invalid_field_is_named(field: str, options: dict[str, object]) -> None:
    with pytest.raises(Invalid) as refused:
        parse_query("q", ANA, NOW, **options)  # type: ignore[arg-type]
    assert refused.value.details["field"] == field


def test_an_empty_question_is_refused() -> None:
    with pytest.raises(Invalid):
        parse_query("  ", ANA, NOW)


def test_the_filter_object_narrows_the_query() -> None:
    conditions = {
        "op": "and",
        "conds": [
            {"op": "must", "field": "context_type", "conds": ["memory"]},
            {"op": "range", "field": "created_at", "gte": 5},
        ],
    }
    query = parse_query("q", ANA, NOW, filter=conditions)
    assert query.types == (ContextType.MEMORY,)
    assert query.times == (TimeRange("created_at", 5.0, inf),)


@pytest.mark.parametrize(
    ("target", "wanted", "left"),
    [
        ("viking://resources/a", "viking://resources/a/b", ["viking://resources/a/b"]),
        ("viking://resources/a/b", "viking://resources/a", ["viking://resources/a/b"]),
        ("", "viking://resources/a", ["viking://resources/a"]),
    ],
)
def test_a_filter_narrows_the_targets_and_never_widens_them(target: str, wanted: str, left: list[str]) -> None:
    found = parse_query("q", ANA, NOW, target_uri=target, filter={"op": "must", "field": "uri", "conds": [wanted]})
    assert [str(t) for t in found.targets] == left


@pytest.mark.parametrize(
    ("options", "field", "value"),
    [
        ({"target_uri": "viking://resources/a"}, "uri", "viking://resources/b"),
        ({"context_type": "memory"}, "context_type", "skill"),
        ({"level": (2,)}, "level", 0),
    ],
)
def test_conditions_that_exclude_each_other_find_nothing(options: dict[str, Any], field: str, value: object) -> None:
    assert parse_query("q", ANA, NOW, **options, filter={"op": "must", "field": field, "conds": [value]}).limit == 0


DAY = 1_704_067_200.0  # 2024-01-01
RANGES = [
    ({"gte": 5}, 5.0, inf),
    ({"lte": 5}, -inf, 5.0),
    ({"gt": 5}, nextafter(5.0, inf), inf),
    ({"lt": 5}, -inf, nextafter(5.0, -inf)),
    ({"gte": 3, "gt": 5, "lte": 9, "lt": 9}, nextafter(5.0, inf), nextafter(9.0, -inf)),
    ({"gte": "2024-01-01"}, DAY, inf),
    ({"lte": "2024-01-01"}, -inf, DAY + 86_400 - 0.001),
    ({"gt": "2024-01-01"}, nextafter(DAY + 86_400 - 0.001, inf), inf),
    ({"lt": "2024-01-01"}, -inf, nextafter(DAY, -inf)),
]


@pytest.mark.parametrize(("bounds", "low", "high"), RANGES)
def test_a_range_is_bounded_as_its_words_say(bounds: dict[str, Any], low: float, high: float) -> None:
    query = parse_query("q", ANA, NOW, filter={"op": "range", "field": "updated_at", **bounds})
    assert query.times == (TimeRange("updated_at", low, high),)


def test_times_narrow_each_other_and_each_has_its_own_field() -> None:
    conds = [
        {"op": "range", "field": "updated_at", "gte": NOW - 30 * 86_400},
        {"op": "range", "field": "created_at", "lte": NOW},
    ]
    query = parse_query("q", ANA, NOW, since="7d", filter={"op": "and", "conds": conds})
    assert query.times == (
        TimeRange("updated_at", NOW - 7 * 86_400, inf),
        TimeRange("updated_at", NOW - 30 * 86_400, inf),
        TimeRange("created_at", -inf, NOW),
    )


def test_ranges_that_exclude_each_other_are_no_fault() -> None:
    conds = [{"op": "range", "field": "updated_at", "gte": 9}, {"op": "range", "field": "updated_at", "lt": 5}]
    assert len(parse_query("q", ANA, NOW, filter={"op": "and", "conds": conds}).times) == 2
