"""The API's filter object: parts that narrow a ``Query``, parts that are ignored and reported, parts that are
refused."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Never

from recalld.domain.errors import Invalid
from recalld.domain.query import Query, TimeRange
from recalld.domain.uri import Uri

HEEDED = ("uri", "context_type", "level", "tags", "created_at", "updated_at")
"""Fields a filter narrows by."""
IGNORED = frozenset(
    {"abstract", "account_id", "active_count", "content", "description", "id", "name", "owner_user_id", "type"}
)
"""Fields of OpenViking's index without a counterpart here."""
_BOUNDS = ("gte", "gt", "lte", "lt")
_LEVELS = (0, 1, 2)


def ignoring(query: Query, field: str) -> Query:
    """Return the query with a part of its filter noted as ignored."""
    return query if field in query.ignored else replace(query, ignored=(*query.ignored, field))


def check_heeded(query: Query) -> None:
    """Check for strict servers that no part of the filter would be ignored. Raises ``Invalid`` (``INVALID_FILTER``)."""
    if query.ignored:
        named = ", ".join(query.ignored)
        raise Invalid(
            f"filter on {named} is not supported, and search.strict_filters is on",
            remedy=f"leave it out, or filter by {', '.join(HEEDED)}",
            code="INVALID_FILTER",
            details={"field": "filter", "ignored": list(query.ignored)},
        )


def conditions(raw: Mapping[str, Any]) -> list[Any]:
    """Return the values of a condition. Raises ``Invalid`` unless they are a list."""
    values = raw.get("conds")
    return list(values) if isinstance(values, list | tuple) else refuse("conds")


def inside(wanted: Sequence[Uri], targets: Sequence[Uri]) -> tuple[Uri, ...]:
    """Return the intersection of two lists of subtrees (no ``targets``: everything)."""
    if not targets:
        return tuple(wanted)
    inner = [w for w in wanted if any(w.under(t) for t in targets)] + [
        t for t in targets if any(t.under(w) for w in wanted)
    ]
    return tuple(dict.fromkeys(inner))


def nothing(query: Query) -> Query:
    """Return a query that matches nothing: its conditions exclude each other."""
    return replace(query, limit=0)


def narrow_range(query: Query, raw: Mapping[str, Any], instant: Callable[[str, str, bool], float]) -> Query:
    """Narrow by a ``range``. ``instant`` parses a time: text, field, and whether a day means its end."""
    field = str(raw.get("field"))
    if field == "level":
        low, high = _bounds(raw, lambda value, _: _number(value, field))
        levels = tuple(n for n in (query.levels or _LEVELS) if low <= n <= high)
        return replace(query, levels=levels) if levels else nothing(query)
    if field in IGNORED:
        _bounds(raw, lambda value, _: 0.0 if isinstance(value, str) else _number(value, field))
        return ignoring(query, field)
    if field not in {"created_at", "updated_at"}:
        return refuse(field)

    def moment(value: object, end: bool) -> float:
        return _number(value, field) if isinstance(value, int | float) else instant(str(value), field, end)

    return replace(query, ranges=(*query.ranges, TimeRange(field, *_bounds(raw, moment))))


def _bounds(raw: Mapping[str, Any], read: Callable[[object, bool], float]) -> tuple[float, float]:
    low, high = -math.inf, math.inf
    # A day means its start or its end, as the operator requires: "after a day" is after its end.
    for word in _BOUNDS:
        value = raw.get(word)
        if value is None:
            continue
        bound = read(value, word in {"gt", "lte"})
        match word:
            case "gte":
                low = max(low, bound)
            case "gt":
                low = max(low, math.nextafter(bound, math.inf))
            case "lte":
                high = min(high, bound)
            case _:
                high = min(high, math.nextafter(bound, -math.inf))
    return low, high


def _number(value: object, field: str) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            pass
    return refuse(f"{field} {value!r}")


def refuse(what: object) -> Never:
    """Raises ``Invalid`` (``INVALID_FILTER``)."""
    raise Invalid(
        f"filter part {str(what)[:60]!r} is not supported",
        remedy=f"use and, must and range over {', '.join(HEEDED)}",
        code="INVALID_FILTER",
        details={"field": "filter"},
    )
