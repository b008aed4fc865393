"""Filters narrow, are reported as ignored, or are refused."""

from typing import Any

import pytest

from recalld.domain.caller import Caller
from recalld.domain.errors import Invalid
from recalld.domain.query import Query
from recalld.rules.filters import IGNORED, check_heeded
from recalld.rules.search_request import parse_query

ANA, NOW = Caller(user="ana"), 1_715_169_600.0


def query_of(conditions: dict[str, Any], **more: Any) -> Query:
    return parse_query("q", ANA, NOW, filter=conditions, **more)


def must(field: str, *values: object, **more: object) -> dict[str, Any]:
    return {"op": "must", "field": field, "conds": list(values), **more}


@pytest.mark.parametrize("field", sorted(IGNORED))
def test_a_field_that_only_the_original_has_is_ignored_and_named(field: str) -> None:
    query = query_of(must(field, "x"))
    assert query.ignored == (field,)
    assert query.limit == 10


def test_conditions_beside_an_ignored_field_still_apply() -> None:
    parts = [
        must("name", "a.md"),
        must("level", 2),
        {"op": "range", "field": "active_count", "gte": 3},
        must("name", "b"),
    ]
    query = query_of({"op": "and", "conds": parts})
    assert query.levels == (2,)
    assert query.ignored == ("name", "active_count")


def test_a_depth_beside_an_address_is_ignored_and_named() -> None:
    query = query_of(must("uri", "viking://resources", para="-d=1"))
    assert query.ignored == ("para",)
    assert [str(t) for t in query.targets] == ["viking://resources"]


@pytest.mark.parametrize(
    ("bounds", "expected"), [({"gte": 1}, (1, 2)), ({"lt": 2}, (0, 1)), ({"gt": 0, "lte": 1}, (1,)), ({}, (0, 1, 2))]
)
def test_a_range_of_levels_narrows(bounds: dict[str, Any], expected: tuple[int, ...]) -> None:
    assert query_of({"op": "range", "field": "level", **bounds}).levels == expected


def test_a_range_without_a_level_finds_nothing() -> None:
    assert query_of({"op": "range", "field": "level", "gt": 2}).limit == 0


@pytest.mark.parametrize(
    "conditions",
    [
        must("colour", "red"),
        {"op": "must", "field": "name", "conds": 7},
        {"op": "must", "field": "name"},
        {"op": "must_not", "field": "name", "conds": ["x"]},
        {"op": "contains", "field": "uri", "substring": "x"},
        {"op": "or", "conds": [must("name", "x")]},
        {"op": "and", "conds": ["x"]},
        {"op": "range", "field": "colour", "gte": 1},
        {"op": "range", "field": "tags", "gte": 1},
        {"op": "range", "field": "active_count", "gte": [1]},
        {"op": "range", "field": "level", "gte": "1"},
        {"op": "range", "field": "updated_at", "gte": 10**400},
        {"op": "range", "field": "updated_at", "gte": True},
        {"field": "name", "conds": ["x"]},
    ],
)
def test_anything_else_is_refused(conditions: dict[str, Any]) -> None:
    with pytest.raises(Invalid) as refused:
        query_of(conditions)
    assert refused.value.code == "INVALID_FILTER"


def test_a_strict_server_refuses_what_would_be_ignored() -> None:
    with pytest.raises(Invalid) as refused:
        check_heeded(query_of(must("owner_user_id", "ana")))
    assert (refused.value.code, refused.value.details["ignored"]) == ("INVALID_FILTER", ["owner_user_id"])


def test_a_strict_server_takes_what_narrows() -> None:
    check_heeded(query_of(must("context_type", "memory")))
