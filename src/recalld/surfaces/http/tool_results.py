"""/sessions/{id}/tool-results: long tool outputs, of which messages show only the beginning and end."""

from __future__ import annotations

from typing import Any

from recalld.surfaces.http.endpoint import Endpoint
from recalld.surfaces.http.models.session import (
    OutputMatches,
    OutputQuery,
    Outputs,
    OutputSearchQuery,
    OutputsQuery,
    OutputText,
)
from recalld.surfaces.http.request import ApiRequest

_AT = "/api/v1/sessions/{session_id}/tool-results"
_ONE = f"{_AT}/{{tool_result_id}}"
_UNIT = "unicode_code_point"


async def tool_results(request: ApiRequest, session_id: str, query: OutputsQuery) -> dict[str, Any]:
    """List tool outputs that are stored as files of their own, newest first."""
    found = await request.workspace.sessions.tool_results(
        session_id, tool_name=query.tool_name or "", limit=query.limit + 1
    )
    return {"tool_results": request.cut(found, query.limit)}


async def tool_result(request: ApiRequest, session_id: str, tool_result_id: str, query: OutputQuery) -> dict[str, Any]:
    """Return a part of a tool output."""
    found = await request.workspace.sessions.tool_result(
        session_id, tool_result_id, offset=query.offset, limit=query.limit
    )
    shown: dict[str, Any] = {
        "tool_result_id": found.id,
        "content": found.text,
        "offset": found.offset,
        "limit": query.limit,
        "offset_unit": _UNIT,
        "total_chars": found.chars_total,
        "has_more": found.offset + len(found.text) < found.chars_total,
    }
    return shown | {"metadata": found.facts} if query.include_metadata else shown


async def search_tool_result(
    request: ApiRequest, session_id: str, tool_result_id: str, query: OutputSearchQuery
) -> dict[str, Any]:
    """Return where a text occurs in a tool output. Case is ignored."""
    found = await request.workspace.sessions.search_tool_result(
        session_id, tool_result_id, query.q, limit=query.limit + 1, context_chars=query.context_chars
    )
    matches = [{"offset": at, "offset_unit": _UNIT, "snippet": text} for at, text in request.cut(found, query.limit)]
    return {"tool_result_id": tool_result_id, "matches": matches}


ENDPOINTS = (
    Endpoint("GET", _AT, tool_results, Outputs, "List long tool outputs", peer=False),
    Endpoint("GET", _ONE, tool_result, OutputText, "Read a long tool output", peer=False),
    Endpoint("GET", f"{_ONE}/search", search_tool_result, OutputMatches, "Search a long tool output", peer=False),
)
