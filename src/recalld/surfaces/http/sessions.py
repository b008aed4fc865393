"""/sessions: conversations, and their long tool outputs, of which messages show only the beginning and end."""

from __future__ import annotations

from typing import Any

from recalld.domain.errors import Invalid
from recalld.domain.results import Appended
from recalld.domain.session import Session
from recalld.rules.openviking_json import iso, session_meta
from recalld.rules.retention import Retention
from recalld.surfaces.http.endpoint import Endpoint
from recalld.surfaces.http.models.session import (
    AppendResult,
    ArchiveResult,
    BatchMessages,
    CommitBody,
    CommitResult,
    ConfigBody,
    ContextQuery,
    ContextResult,
    CreateSession,
    Extracted,
    MessageBody,
    MessageIn,
    OutputMatches,
    OutputQuery,
    Outputs,
    OutputSearchQuery,
    OutputsQuery,
    OutputText,
    SessionConfigured,
    SessionCreated,
    SessionDeleted,
    SessionListed,
    SessionMeta,
    SessionQuery,
    SessionsQuery,
    UsedBody,
    UsedResult,
)
from recalld.surfaces.http.request import ApiRequest

_AT = "/api/v1/sessions"
_ONE = f"{_AT}/{{session_id}}"


async def create(request: ApiRequest, body: CreateSession | None = None) -> dict[str, Any]:
    """Create a session. An id that exists is rejected (409 ALREADY_EXISTS)."""
    options = body or CreateSession()
    session = await request.workspace.sessions.create(options.session_id or "", config=_config(options))
    return {
        "session_id": session.id,
        "uri": str(session.uri),
        "user": {"account_id": request.caller.account, "user_id": request.caller.user},
        **_settings(session),
    }


async def configure(request: ApiRequest, session_id: str, body: ConfigBody) -> dict[str, Any]:
    """Replace settings of a session. ``auto_commit_policy`` null turns automatic commits off."""
    parts = {"memory_extraction_config": body.memory_extraction_config, "auto_commit_policy": body.auto_commit_policy}
    changes = {
        name: None if part is None else part.model_dump()
        for name, part in parts.items()
        if name in body.model_fields_set
    }
    return {
        "session_id": session_id,
        **_settings(await request.workspace.sessions.configure(session_id, changes)),
    }


async def list_(request: ApiRequest, query: SessionsQuery) -> list[Any]:
    """List the caller's sessions, newest first."""
    found = await request.workspace.sessions.list(limit=query.limit + 1, offset=query.offset)
    return [
        {"session_id": s.id, "uri": str(s.uri), "is_dir": True, "mod_time": iso(s.updated_at)}
        for s in request.cut(found, query.limit)
    ]


async def get(request: ApiRequest, session_id: str, query: SessionQuery) -> dict[str, Any]:
    """Return the state of a session. ``auto_create`` creates a missing one."""
    found = await request.workspace.sessions.get(session_id, auto_create=query.auto_create)
    return session_meta(found, request.caller.account, request.caller.user)


async def append(request: ApiRequest, session_id: str, body: MessageBody) -> dict[str, Any]:
    """Append a message. It is durable and searchable when this answers. A missing session is created.

    With an ``id`` in the message, or the header ``Idempotency-Key``, a repeated request adds nothing.
    """
    result = await request.workspace.sessions.append(session_id, [_message(body)], idempotency_key=_key(request))
    return _appended(result)


async def append_batch(request: ApiRequest, session_id: str, body: BatchMessages) -> dict[str, Any]:
    """Append up to 100 messages in this order, all or none."""
    result = await request.workspace.sessions.append(
        session_id, [_message(m) for m in body.messages], idempotency_key=_key(request)
    )
    return _appended(result) | {"added": result.added}


async def commit(request: ApiRequest, session_id: str, body: CommitBody | None = None) -> dict[str, Any]:
    """Archive the live messages. The background task ``task_id`` extracts memories from them."""
    options = body or CommitBody()
    event = options.extraction_metadata.event if options.extraction_metadata is not None else None
    result = await request.workspace.sessions.commit(
        session_id,
        keep_recent_count=options.keep_recent_count,
        retention=Retention(
            options.retention_mode,
            options.keep_recent_turn_count,
            options.retained_message_token_budget,
            options.min_raw_tail_steps,
        ),
        event_tags=None if event is None else event.tags,
    )
    shown: dict[str, Any] = {
        "session_id": result.session_id,
        "status": "accepted" if result.archived else "skipped",
        "task_id": result.task_id or None,
        "archive_uri": result.archive_uri or None,
        "archived": result.archived,
        "trace_id": request.id,
        "estimated_active_tokens": result.active_tokens,
        "budget_exceeded": result.budget_exceeded,
    }
    return shown if result.archived else shown | {"reason": result.reason}


async def extract(request: ApiRequest, session_id: str) -> list[Any]:
    """Extract memories from the live messages now, and leave the messages live. A later commit does not extract them again."""
    found = await request.workspace.sessions.extract(session_id)
    return [{"uri": str(one.uri), "memory_type": one.type, "abstract": one.abstract} for one in found]


async def context(request: ApiRequest, session_id: str, query: ContextQuery) -> dict[str, Any]:
    """Return the overview of the newest archive and the live messages, within a token budget."""
    found = await request.workspace.sessions.context(session_id, token_budget=query.token_budget)
    return {
        "latest_archive_overview": found.overview,
        "pre_archive_abstracts": [],
        "messages": list(found.messages),
        "estimatedTokens": found.tokens,
        "stats": {
            "totalArchives": found.archives_total,
            "includedArchives": 0,
            "droppedArchives": 0,
            "failedArchives": found.archives_failed,
            "activeTokens": found.active_tokens,
            "archiveTokens": found.archive_tokens,
        },
    }


async def archive(request: ApiRequest, session_id: str, archive_id: str) -> dict[str, Any]:
    """Return a finished archive with its messages. An unfinished one is 404."""
    found, messages = await request.workspace.sessions.archive(session_id, archive_id)
    return {"archive_id": found.id, "abstract": found.abstract, "overview": found.overview, "messages": messages}


async def delete(request: ApiRequest, session_id: str) -> dict[str, Any]:
    """Delete a session with its messages and archives."""
    await request.workspace.sessions.delete(session_id)
    return {"session_id": session_id}


async def mark_used(request: ApiRequest, session_id: str, body: UsedBody | None = None) -> dict[str, Any]:
    """Record which contexts and skill a turn used. The counts are kept with the session."""
    options = body or UsedBody()
    skills = 0 if options.skill is None else 1
    contexts, skills = await request.workspace.sessions.mark_used(
        session_id, contexts=options.contexts or (), skills=skills
    )
    return {"session_id": session_id, "contexts_used": contexts, "skills_used": skills}


def _config(options: CreateSession) -> dict[str, Any]:
    parts = {
        "memory_policy": options.memory_policy,
        "auto_commit_policy": options.auto_commit_policy,
        "memory_extraction_config": options.memory_extraction_config,
    }
    config = {name: part.model_dump(exclude_none=True) for name, part in parts.items() if part is not None}
    # An explicit null counts: the server may commit sessions automatically by default.
    declined = "auto_commit_policy" in options.model_fields_set and options.auto_commit_policy is None
    return {**config, "auto_commit_policy": None} if declined else config


def _settings(one: Session) -> dict[str, Any]:
    return {
        "auto_commit_policy": one.config.get("auto_commit_policy"),
        "memory_extraction_config": one.config.get("memory_extraction_config") or {"events": {"tags": []}},
    }


def _appended(result: Appended) -> dict[str, Any]:
    shown = {
        "session_id": result.session_id,
        "message_count": result.message_count,
        "pending_tokens": result.pending_tokens,
    }
    return shown | ({"unread_created_at": list(result.unread_times)} if result.unread_times else {})


def _message(body: MessageIn) -> dict[str, Any]:
    """The fields of a message that the client sent."""
    names = MessageIn.model_fields
    return {
        name: value for name in body.model_fields_set if name in names and (value := getattr(body, name)) is not None
    }


def _key(request: ApiRequest) -> str:
    key = request.headers.get("idempotency-key", "").strip()
    if len(key) > 256:
        raise Invalid("Idempotency-Key is longer than 256 characters", remedy="send a shorter one")
    return key


_RESULTS = "/api/v1/sessions/{session_id}/tool-results"
_RESULT = f"{_RESULTS}/{{tool_result_id}}"
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
    Endpoint("POST", f"{_ONE}/messages", append, AppendResult, "Append a message", peer=False),
    Endpoint("POST", f"{_ONE}/messages/batch", append_batch, AppendResult, "Append messages", peer=False),
    Endpoint("GET", _ONE, get, SessionMeta, "Show a session", peer=False),
    Endpoint("POST", f"{_ONE}/commit", commit, CommitResult, "Commit a session", peer=False),
    Endpoint("PATCH", f"{_ONE}/config", configure, SessionConfigured, "Change a session's settings", peer=False),
    Endpoint("POST", f"{_ONE}/extract", extract, list[Extracted], "Extract memories now", peer=False),
    Endpoint("GET", f"{_ONE}/context", context, ContextResult, "Read the context of a session", peer=False),
    Endpoint("POST", _AT, create, SessionCreated, "Create a session", peer=False),
    Endpoint("GET", _AT, list_, list[SessionListed], "List sessions", peer=False),
    Endpoint("GET", f"{_ONE}/archives/{{archive_id}}", archive, ArchiveResult, "Read an archive", peer=False),
    Endpoint("DELETE", _ONE, delete, SessionDeleted, "Delete a session", peer=False),
    Endpoint("POST", f"{_ONE}/used", mark_used, UsedResult, "Record what was used", peer=False),
    Endpoint("GET", _RESULTS, tool_results, Outputs, "List long tool outputs", peer=False),
    Endpoint("GET", _RESULT, tool_result, OutputText, "Read a long tool output", peer=False),
    Endpoint("GET", f"{_RESULT}/search", search_tool_result, OutputMatches, "Search a long tool output", peer=False),
)
