"""/sessions: conversations."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query

from recalld.app.sessions import SessionOperations
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
    SessionConfigured,
    SessionCreated,
    SessionGone,
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
    """Make a session; an id that exists is refused (409 ALREADY_EXISTS)."""
    options = body or CreateSession()
    session = await request.workspace.session_new(options.session_id or "", config=_config(options))
    return {
        "session_id": session.id,
        "uri": str(session.uri),
        "user": {"account_id": request.caller.account, "user_id": request.caller.user},
        **_settings(session),
    }


async def configure(request: ApiRequest, session_id: str, body: ConfigBody) -> dict[str, Any]:
    """Replace a session's settings; ``auto_commit_policy`` null: it does not commit by itself any more."""
    parts = {"memory_extraction_config": body.memory_extraction_config, "auto_commit_policy": body.auto_commit_policy}
    changes = {
        name: None if part is None else part.model_dump()
        for name, part in parts.items()
        if name in body.model_fields_set
    }
    return {
        "session_id": session_id,
        **_settings(await request.workspace.facade(SessionOperations).configure(session_id, changes)),
    }


async def sessions(request: ApiRequest, query: Annotated[SessionsQuery, Query()]) -> list[Any]:
    """The caller's sessions, newest first; go on with ``offset``."""
    found = await request.workspace.sessions(limit=query.limit + 1, offset=query.offset)
    return [_listed(s) for s in request.cut(found, query.limit)]


async def session(request: ApiRequest, session_id: str, query: Annotated[SessionQuery, Query()]) -> dict[str, Any]:
    """A session's state; ``auto_create`` makes a missing one."""
    found = await request.workspace.session(session_id, auto_create=query.auto_create)
    return session_meta(found, request.caller.account, request.caller.user)


async def append(request: ApiRequest, session_id: str, body: MessageBody) -> dict[str, Any]:
    """Append one message, durable and findable when this answers; a missing session is made.

    An ``id`` in the message, or the header ``Idempotency-Key``, makes a repeated call harmless.
    """
    result = await request.workspace.append(session_id, [_message(body)], idempotency_key=_key(request))
    return _appended(result)


async def append_batch(request: ApiRequest, session_id: str, body: BatchMessages) -> dict[str, Any]:
    """Append up to 100 messages in this order, all or none."""
    result = await request.workspace.append(
        session_id, [_message(m) for m in body.messages], idempotency_key=_key(request)
    )
    return _appended(result) | {"added": result.added}


async def commit(request: ApiRequest, session_id: str, body: CommitBody | None = None) -> dict[str, Any]:
    """Put a session's messages away and learn from them in the background; watch ``task_id`` for the end of it."""
    options = body or CommitBody()
    event = options.extraction_metadata.event if options.extraction_metadata is not None else None
    result = await request.workspace.session_commit(
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
    """Learn from the live messages at once and leave them live; a later commit does not learn the same again."""
    found = await request.workspace.facade(SessionOperations).extract(session_id)
    return [{"uri": str(one.uri), "memory_type": one.type, "abstract": one.abstract} for one in found]


async def context(request: ApiRequest, session_id: str, query: Annotated[ContextQuery, Query()]) -> dict[str, Any]:
    """A session's past within a token budget: the newest archive's overview and the raw messages since then."""
    found = await request.workspace.session_context(session_id, token_budget=query.token_budget)
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
    """A finished archive with its messages; one still being worked on is not there yet (404)."""
    found, messages = await request.workspace.archive(session_id, archive_id)
    return {"archive_id": found.id, "abstract": found.abstract, "overview": found.overview, "messages": messages}


async def delete(request: ApiRequest, session_id: str) -> dict[str, Any]:
    """Delete a session with its messages and archives."""
    await request.workspace.session_delete(session_id)
    return {"session_id": session_id}


async def used(request: ApiRequest, session_id: str, body: UsedBody | None = None) -> dict[str, Any]:
    """Say which contexts and skills a turn made use of; counts persist."""
    options = body or UsedBody()
    skills = 0 if options.skill is None else 1
    contexts, skills = await request.workspace.session_used(session_id, contexts=options.contexts or (), skills=skills)
    return {"session_id": session_id, "contexts_used": contexts, "skills_used": skills}


def _config(options: CreateSession) -> dict[str, Any]:
    parts = {
        "memory_policy": options.memory_policy,
        "auto_commit_policy": options.auto_commit_policy,
        "memory_extraction_config": options.memory_extraction_config,
    }
    config = {name: part.model_dump(exclude_none=True) for name, part in parts.items() if part is not None}
    # An explicit null is a wish too: sessions that commit by themselves may be the rule of this server.
    declined = "auto_commit_policy" in options.model_fields_set and options.auto_commit_policy is None
    return {**config, "auto_commit_policy": None} if declined else config


def _settings(one: Session) -> dict[str, Any]:
    return {
        "auto_commit_policy": one.config.get("auto_commit_policy"),
        "memory_extraction_config": one.config.get("memory_extraction_config") or {"events": {"tags": []}},
    }


def _listed(one: Session) -> dict[str, Any]:
    return {"session_id": one.id, "uri": str(one.uri), "is_dir": True, "mod_time": iso(one.updated_at)}


def _appended(result: Appended) -> dict[str, Any]:
    shown = {
        "session_id": result.session_id,
        "message_count": result.message_count,
        "pending_tokens": result.pending_tokens,
    }
    return shown | ({"unread_created_at": list(result.unread_times)} if result.unread_times else {})


def _message(body: MessageIn) -> dict[str, Any]:
    """The message's own fields as sent."""
    names = MessageIn.model_fields
    return {
        name: value for name in body.model_fields_set if name in names and (value := getattr(body, name)) is not None
    }


def _key(request: ApiRequest) -> str:
    key = request.headers.get("idempotency-key", "").strip()
    if len(key) > 256:
        raise Invalid("Idempotency-Key is longer than 256 characters", remedy="send a shorter one")
    return key


ENDPOINTS = (
    Endpoint("POST", f"{_ONE}/messages", append, AppendResult, "Append a message", peer=False),
    Endpoint("POST", f"{_ONE}/messages/batch", append_batch, AppendResult, "Append messages", peer=False),
    Endpoint("GET", _ONE, session, SessionMeta, "Look at a session", peer=False),
    Endpoint("POST", f"{_ONE}/commit", commit, CommitResult, "Commit a session", peer=False),
    Endpoint("PATCH", f"{_ONE}/config", configure, SessionConfigured, "Change a session's settings", peer=False),
    Endpoint("POST", f"{_ONE}/extract", extract, list[Extracted], "Learn from a session at once", peer=False),
    Endpoint("GET", f"{_ONE}/context", context, ContextResult, "A session's past within a budget", peer=False),
    Endpoint("POST", _AT, create, SessionCreated, "Make a session", peer=False),
    Endpoint("GET", _AT, sessions, list[SessionListed], "List sessions", peer=False),
    Endpoint("GET", f"{_ONE}/archives/{{archive_id}}", archive, ArchiveResult, "Read an archive", peer=False),
    Endpoint("DELETE", _ONE, delete, SessionGone, "Delete a session", peer=False),
    Endpoint("POST", f"{_ONE}/used", used, UsedResult, "Count what was used", peer=False),
)
