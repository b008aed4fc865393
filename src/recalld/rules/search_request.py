"""Parses the parameters of a search request into a ``Query``."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, TypedDict

from recalld.domain.caller import Caller
from recalld.domain.errors import Invalid
from recalld.domain.node import ContextType
from recalld.domain.query import QUERY_CHARS_MAX, Query
from recalld.domain.uri import Uri

from .address import resolve
from .filters import IGNORED, conditions, ignoring, inside, narrow_range, nothing, refuse
from .moments import read_moment

LIMIT_MAX = 1_000
_AGO = re.compile(r"(\d{1,6})([smhdw])")
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_TAG = re.compile(r"[^=\s]{1,64}=[^=]{1,256}")


class SearchOptions(TypedDict, total=False):
    """The keyword parameters of ``parse_query``."""

    target_uri: str | Sequence[str]
    context_type: str | Sequence[str]
    limit: int
    score_threshold: float | None
    level: Sequence[int]
    tags: Sequence[str]
    since: str
    until: str
    time_field: str
    filter: Mapping[str, Any] | None
    explain: bool


def parse_query(
    text: str,
    caller: Caller,
    now: float,
    *,
    target_uri: str | Sequence[str] = "",
    context_type: str | Sequence[str] = (),
    limit: int = 10,
    score_threshold: float | None = None,
    level: Sequence[int] = (),
    tags: Sequence[str] = (),
    since: str = "",
    until: str = "",
    time_field: str = "updated_at",
    filter: Mapping[str, Any] | None = None,
    explain: bool = False,
) -> Query:
    """Check and resolve every parameter. Raises ``Invalid`` naming the field."""
    if not text.strip():
        raise _bad("query", "it is empty", "say what to look for")
    if not 1 <= limit <= LIMIT_MAX:
        raise _bad("limit", f"{limit} is out of range", f"1 to {LIMIT_MAX}")
    if time_field not in {"updated_at", "created_at"}:
        raise _bad("time_field", f"{time_field!r} is unknown", "updated_at or created_at")
    query = Query(
        text[:QUERY_CHARS_MAX],
        targets(target_uri, caller, now),
        types(context_type),
        levels(level),
        limit,
        score_threshold,
        tuple(tag(t) for t in tags),
        instant(since, now, "since") if since else None,
        instant(until, now, "until", end=True) if until else None,
        time_field,
        explain=explain,
    )
    query = with_filter(query, filter, caller, now) if filter else query
    if query.since is not None and query.until is not None and query.since > query.until:
        raise _bad("since", "it is later than until", "swap them")
    return query


def targets(value: str | Sequence[str], caller: Caller, now: float) -> tuple[Uri, ...]:
    """Return the subtrees to search. The root means everywhere and is left out."""
    texts = [value] if isinstance(value, str) else list(value)
    return tuple(dict.fromkeys(u for u in [resolve(t, caller, now) for t in texts if t.strip()] if u.parts))


def types(value: str | Sequence[str]) -> tuple[ContextType, ...]:
    """Parse context types: ``memory``, ``resource``, ``skill``; a text may list several, separated by commas."""
    words = value.split(",") if isinstance(value, str) else list(value)
    try:
        return tuple(dict.fromkeys(ContextType(w.strip()) for w in words if w.strip()))
    except ValueError as bad:
        raise _bad("context_type", str(bad), "memory, resource or skill") from bad


def levels(value: Iterable[int]) -> tuple[int, ...]:
    """Check levels: 0, 1 and 2."""
    found = tuple(dict.fromkeys(value))
    if any(n not in (0, 1, 2) for n in found):
        raise _bad("level", f"{found} holds an unknown level", "0 abstract, 1 overview, 2 text")
    return found


def tag(text: str) -> str:
    """Return a ``k=v`` tag in lower case."""
    text = unicodedata.normalize("NFC", text)
    if not _TAG.fullmatch(text.strip()):
        raise _bad("tags", f"{text[:60]!r} is not k=v", "write tags as key=value")
    return text.strip().lower()


def instant(text: str, now: float, field: str, *, end: bool = False) -> float:
    """Return epoch seconds of ``7d`` (ago), ``2024-05-01`` (its end for ``until``), an ISO time or an epoch number."""
    ago = _AGO.fullmatch(text.strip())
    if ago:
        return now - int(ago[1]) * _SECONDS[ago[2]]
    found = read_moment(text)
    if found is None:
        raise _bad(field, f"{text[:40]!r} is not a time", "write 7d, 2024-05-01 or 2024-05-01T10:00:00Z")
    if end and len(text.strip()) == 10:
        found += timedelta(days=1) - timedelta(milliseconds=1)
    return found.timestamp()


def with_filter(query: Query, raw: Mapping[str, Any], caller: Caller, now: float) -> Query:
    """Narrow a query by the API's filter object: ``and``, ``must`` and ``range`` over uri, context_type, level, tags,
    created_at and updated_at. Fields only OpenViking can filter by are noted in ``ignored``. Raises ``Invalid``
    (``INVALID_FILTER``) for anything else."""
    match raw.get("op"):
        case "and":
            for part in conditions(raw):
                query = with_filter(query, part, caller, now) if isinstance(part, Mapping) else refuse(part)
            return query
        case "must":
            query = _must(query, str(raw.get("field")), conditions(raw), caller, now)
            return ignoring(query, "para") if raw.get("para") else query
        case "range" | "time_range":
            return narrow_range(query, raw, lambda text, field, end: instant(text, now, field, end=end))
    return refuse(raw.get("op"))


def _must(query: Query, field: str, values: list[Any], caller: Caller, now: float) -> Query:
    match field:
        case "context_type":
            wanted = types([str(v) for v in values])
            allowed = tuple(t for t in wanted if not query.types or t in query.types)
            return replace(query, types=allowed) if allowed else nothing(query)
        case "level":
            wanted_levels = levels(int(v) if str(v) in {"0", "1", "2"} else -1 for v in values)
            found = tuple(level for level in wanted_levels if not query.levels or level in query.levels)
            return replace(query, levels=found) if found else nothing(query)
        case "tags" | "search_tags":
            return replace(query, tags=(*query.tags, *(tag(str(v)) for v in values)))
        case "uri":
            inner = inside(targets([str(v) for v in values], caller, now), query.targets)
            return replace(query, targets=inner) if inner else nothing(query)
    return ignoring(query, field) if field in IGNORED else refuse(field)


def _bad(field: str, what: str, remedy: str) -> Invalid:
    return Invalid(f"{field}: {what}", remedy=remedy, details={"field": field})
