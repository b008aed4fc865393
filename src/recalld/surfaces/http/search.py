"""/search: search and context blocks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from recalld.domain.errors import Invalid
from recalld.domain.query import Selection
from recalld.rules.context import ALL_CATEGORIES, RECALL_QUOTAS
from recalld.rules.search_request import SearchOptions
from recalld.surfaces.http import serializers
from recalld.surfaces.http.endpoint import Deadline, Endpoint
from recalld.surfaces.http.models.search import (
    BlockResult,
    ContextFields,
    FindBody,
    FindResult,
    GlobBody,
    GlobResult,
    GrepBody,
    GrepResult,
    RecallBody,
    SearchBody,
    WhyNotBody,
    WhyNotResult,
)
from recalld.surfaces.http.request import ApiRequest

_NARROW = ("context_type", "level", "tags", "since", "until", "time_field", "filter")
IGNORED = frozenset({"include_provenance", "include_passage", "fold", "gap"})
"""Accepted without effect on a block; the stats of the response list those that were sent."""
_REWRITE = {False: "off", True: "on", "auto": "auto"}


def context_options(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments. ``fields``: the fields a client sent, by wire name, without null ones."""
    names = ("session_id", "max_tokens", "quotas", "purpose", "dedup_turns", "rewrite_max_bullets")
    options: dict[str, Any] = {name: fields[name] for name in names if name in fields}
    limit = fields.get("node_limit", fields.get("limit"))
    if limit is not None:
        options["limit"] = limit
    if "score_threshold" in fields:
        options["score_min"] = fields["score_threshold"]
    if "query_expansion" in fields:
        options["query_expansion"] = fields["query_expansion"] == "auto"
    if "peer_scope" in fields:
        options["all_peers"] = fields["peer_scope"] == "all"
    if "other_peer_penalty" in fields:
        options["penalties"] = _by_category(fields["other_peer_penalty"])
    if fields.get("detail", "auto") != "auto":
        options["detail"] = {c: d for c, d in _by_category(fields["detail"]).items() if d != "auto"}
    if fields.get("exclude_uris"):
        options["exclude"] = fields["exclude_uris"]
    if "rewrite" in fields:
        options["rewrite"] = _REWRITE[fields["rewrite"]]
    narrow = {name: fields[name] for name in _NARROW if fields.get(name)}
    return options | ({"narrow": narrow} if narrow else {})


def _by_category(value: Any) -> dict[str, Any]:
    """Return the value of each category; a single value applies to all of them."""
    return dict(value) if isinstance(value, Mapping) else dict.fromkeys(ALL_CATEGORIES, value)


_AT = "/api/v1/search"
_RECALL_DEDUP_TURNS = 5
_TOKENS_MIN = 64
_TOKENS_MAX = 32_000
_SUCCESSOR = {"Deprecation": "true", "Link": f'<{_AT}/search>; rel="successor-version"'}


async def find(request: ApiRequest, body: FindBody) -> dict[str, Any]:
    """Search memories, resources and skills. Each list is in descending order of score."""
    _check_find(body)
    found = await request.workspace.find(body.query, **_find_options(body), **_selected(body))
    request.degraded(found.degraded)
    request.ignored(found.ignored)
    selection = Selection(body.include_passage, body.fold, body.gap)
    return serializers.answer(found, selection)


async def search(request: ApiRequest, body: SearchBody) -> dict[str, Any]:
    """Search in the context of a session, or with ``mode`` context assemble a block for a prompt."""
    _check_find(body)
    if body.mode == "context":
        if body.target_uri:
            raise Invalid(
                "target_uri does not go with a context block",
                remedy="leave it out; quotas choose what is recalled",
                details={"field": "target_uri"},
            )
        return await _block(request, body.query, _sent(body))
    context_only = sorted(name for name in _sent(body) if name in ContextFields.model_fields)
    if context_only:
        raise Invalid(
            f"{', '.join(context_only)}: only understood with mode=context",
            remedy="add mode: context, or leave it out",
            details={"fields": context_only},
        )
    found = await request.workspace.search(
        body.query, session_id=body.session_id or "", **_find_options(body), **_selected(body)
    )
    request.degraded(found.degraded)
    request.ignored(found.ignored)
    selection = Selection(body.include_passage, body.fold, body.gap)
    return serializers.answer(found, selection)


async def why_not(request: ApiRequest, body: WhyNotBody) -> dict[str, Any]:
    """Return at which gate of a find an entry falls, and the nearest change that opens it."""
    _check_find(body)
    return serializers.why_not(await request.workspace.why_not(body.uri, body.query, **_find_options(body)))


async def recall(request: ApiRequest, body: RecallBody) -> dict[str, Any]:
    """The older form of ``/search/search`` with ``mode`` context."""
    request.answer_headers.update(_SUCCESSOR)
    _check_query(body.query)
    options = _recall_options(body)
    shown = await _block(request, body.query, options)
    if body.render is False:
        shown["rendered"] = ""
    shown["stats"]["deprecated"] = {
        "endpoint": f"{_AT}/recall",
        "successor": f"{_AT}/search",
        "successor_body": {"query": body.query, "mode": "context", **options},
        "aliases_used": [name for name in ("max_chars", "min_score", "render") if name in body.model_fields_set],
    }
    return shown


async def grep(request: ApiRequest, body: GrepBody) -> dict[str, Any]:
    """Return lines that match an RE2 expression."""
    found = await request.workspace.grep(
        body.uri,
        body.pattern,
        exclude=body.exclude_uri or "",
        ignore_case=body.case_insensitive,
        limit=body.node_limit,
        depth=body.level_limit,
    )
    if not found.complete:
        request.truncated(body.node_limit)
    return serializers.grep(found)


async def glob(request: ApiRequest, body: GlobBody) -> dict[str, Any]:
    """Return files and directories whose path below ``uri`` matches. ``**`` spans directories."""
    found = await request.workspace.glob(body.pattern, body.uri, limit=body.node_limit + 1)
    matches = request.cut(found, body.node_limit)
    return {"matches": matches, "count": len(matches), "truncated": len(found) > len(matches)}


async def _block(request: ApiRequest, query: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    found = await request.workspace.assemble(query, **context_options(fields))
    request.degraded(found.degraded)
    request.ignored(found.ignored)
    shown = serializers.block(found)
    ignored = sorted(name for name in IGNORED if fields.get(name))
    if ignored:
        shown["stats"]["ignored"] = ignored
    return shown


def _check_find(body: FindBody) -> None:
    if body.image_url:
        raise Invalid(
            "image_url needs an embedder for images, and this server has none",
            remedy="send a query",
            details={"field": "image_url"},
        )
    _check_query(body.query)


def _check_query(query: str) -> None:
    if not query.strip():
        raise Invalid("the query is empty", remedy="say what to look for", details={"field": "query"})


def _find_options(body: FindBody) -> SearchOptions:
    return {
        "target_uri": body.target_uri,
        "context_type": body.context_type or (),
        "limit": body.node_limit or body.limit,
        "score_threshold": body.score_threshold,
        "level": body.level or (),
        "tags": body.tags or (),
        "since": body.since or "",
        "until": body.until or "",
        "time_field": body.time_field or "updated_at",
        "filter": body.filter,
        "explain": body.include_provenance,
    }


def _selected(body: FindBody) -> dict[str, bool]:
    return {
        name: True
        for name, wanted in (("passages", body.include_passage), ("fold", body.fold), ("gap", body.gap))
        if wanted
    }


def _sent(body: BaseModel) -> dict[str, Any]:
    """The fields a client sent, without null ones."""
    return {name: value for name in body.model_fields_set if (value := getattr(body, name)) is not None}


def _recall_options(body: RecallBody) -> dict[str, Any]:
    """Translate the older names and defaults to the newer ones."""
    own = {"query", "telemetry", "max_chars", "min_score", "render"}
    options = {k: v for k, v in _sent(body).items() if k not in own}
    options["quotas"] = RECALL_QUOTAS | {str(k): v for k, v in (body.quotas or {}).items()}
    options.setdefault("purpose", "coding")
    options.setdefault("score_threshold", body.min_score)
    options.setdefault("max_tokens", min(_TOKENS_MAX, max(_TOKENS_MIN, round(body.max_chars / 4))))
    if body.session_id:
        options.setdefault("dedup_turns", _RECALL_DEDUP_TURNS)
    if body.render == "compact":
        options.setdefault("detail", "abstract")
    return options


ENDPOINTS = (
    Endpoint("POST", f"{_AT}/find", find, FindResult, "Search", Deadline.RECALL),
    Endpoint(
        "POST",
        f"{_AT}/search",
        search,
        FindResult | BlockResult,
        "Search in a session, or assemble a context block",
        Deadline.RECALL,
    ),
    Endpoint(
        "POST",
        f"{_AT}/recall",
        recall,
        BlockResult,
        "Assemble a block (older form)",
        Deadline.RECALL,
        deprecated=True,
    ),
    Endpoint("POST", f"{_AT}/why-not", why_not, WhyNotResult, "Say why an entry is no hit", Deadline.RECALL),
    Endpoint("POST", f"{_AT}/grep", grep, GrepResult, "Search lines"),
    Endpoint("POST", f"{_AT}/glob", glob, GlobResult, "Search paths"),
)
