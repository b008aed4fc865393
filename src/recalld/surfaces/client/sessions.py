"""Sessions over HTTP."""

from __future__ import annotations

import unicodedata
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from recalld.domain.errors import Invalid

from .transport import API, Transport, segment

BATCH_MESSAGES_MAX = 100
"""Largest number of messages in one call."""


class Sessions:
    """The sessions of a client's user."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def create(self, session_id: str = "") -> dict[str, Any]:
        """Create a session. Without ``session_id`` the server chooses one. Raises ``Conflict``."""
        body = {"session_id": unicodedata.normalize("NFC", session_id) or None}
        return dict(self._transport.post("/sessions", body).result)

    def get(self, session_id: str) -> dict[str, Any]:
        """Return a session's state. Raises ``NotFound``."""
        return dict(self._transport.get(_path(session_id)).result)

    def append(self, session_id: str, messages: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Append messages (role, content, ...) in order. They are durable and searchable on return.

        Each gets an ``id`` if it has none, so that a repeated call adds nothing twice. More than a hundred are sent in
        several calls. Returns the last call's answer with ``added`` summed.
        """
        if not messages:
            raise Invalid("there is no message to append", remedy="give at least one")
        named = [{"id": f"msg_{uuid.uuid4().hex}", **message} for message in messages]
        added, answer = 0, dict[str, Any]()
        for start in range(0, len(named), BATCH_MESSAGES_MAX):
            batch = {"messages": named[start : start + BATCH_MESSAGES_MAX]}
            answer = dict(self._transport.post(_path(session_id, "/messages/batch"), batch, safe=True).result)
            added += int(answer.get("added", 0))
        return {**answer, "added": added}

    def commit(self, session_id: str, *, keep_recent_count: int = 0) -> dict[str, Any]:
        """Archive the live messages. The task ``task_id`` extracts memories from them. Raises ``NotFound``."""
        body = {"keep_recent_count": keep_recent_count}
        return dict(self._transport.post(_path(session_id, "/commit"), body).result)

    def context(self, session_id: str, *, token_budget: int = 128_000) -> dict[str, Any]:
        """Return the overview of the newest archive and the live messages, within a budget. Raises ``NotFound``."""
        return dict(self._transport.get(_path(session_id, "/context"), token_budget=token_budget).result)

    def delete(self, session_id: str) -> dict[str, Any]:
        """Delete a session with its messages. Raises ``NotFound``."""
        return dict(self._transport.call("DELETE", API + _path(session_id)).result)

    def list(self, *, limit: int | None = None, offset: int = 0) -> list[dict[str, Any]]:
        """Return sessions, newest first, without the first ``offset``. ``limit`` None: as many as the server returns at once."""
        return [*self._transport.get("/sessions", limit=limit, offset=offset or None).result]


def _path(session_id: str, below: str = "") -> str:
    return f"/sessions/{segment(session_id, 'session_id')}{below}"
