"""Sessions and tasks in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from recalld.domain.errors import Conflict, NotFound
from recalld.domain.job import Task, TaskStatus
from recalld.domain.results import Appended, Committed, SessionContext
from recalld.domain.session import Archive, Session
from recalld.domain.uri import Uri
from recalld.rules.retention import BY_COUNT, Retention
from tests.surfaces.http.fake_state import NOW, Fake, recorded


class FakeSessions(Fake):
    async def create(self, session_id: str = "", *, config: Mapping[str, Any] | None = None) -> Session:
        name = session_id or "20260101-000000-0123456789abcdef"
        if name in self.state.sessions:
            raise Conflict(f"session {name} exists", remedy="use it", code="ALREADY_EXISTS")
        self.state.sessions[name] = []
        return self._session(name, config)

    def _session(self, name: str, config: Mapping[str, Any] | None = None) -> Session:
        count = len(self.state.sessions[name])
        uri = Uri(("user", self.caller.user, "sessions", name))
        return Session(name, uri, NOW, NOW, count, count, pending_tokens=count, config=dict(config or {}))

    async def get(self, session_id: str, *, auto_create: bool = False) -> Session:
        if auto_create:
            self.state.sessions.setdefault(session_id, [])
        self._known(session_id)
        return self._session(session_id)

    def _known(self, session_id: str) -> None:
        if session_id not in self.state.sessions:
            raise NotFound(f"Session not found: {session_id}", details={"type": "session", "resource": session_id})

    async def append(
        self, session_id: str, messages: Sequence[Mapping[str, Any]], *, idempotency_key: str = ""
    ) -> Appended:
        self._record(
            "append",
            session_id=session_id,
            messages=list(messages),
            idempotency_key=idempotency_key,
            peer=self.caller.peer,
        )
        live = self.state.sessions.setdefault(session_id, [])
        live += [dict(m) for m in messages]
        return Appended(session_id, len(messages), len(live), len(live), tuple(f"m{i}" for i in range(len(messages))))

    @recorded
    async def commit(
        self,
        session_id: str,
        *,
        keep_recent_count: int = 0,
        retention: Retention = BY_COUNT,
        event_tags: Sequence[str] | None = None,
    ) -> Committed:
        self._known(session_id)
        if not self.state.sessions[session_id]:
            return Committed(session_id, False, reason="no_messages")
        return Committed(
            session_id, True, "task_1", f"viking://user/ana/sessions/{session_id}/history/archive_001", active_tokens=3
        )

    async def context(self, session_id: str, *, token_budget: int = 128_000) -> SessionContext:
        self._known(session_id)
        return SessionContext("## Title", tuple(self.state.sessions[session_id]), 12, 1, 0, 8, 4)

    async def archive(self, session_id: str, archive_id: str) -> tuple[Archive, list[dict[str, Any]]]:
        self._known(session_id)
        uri = Uri(("user", self.caller.user, "sessions", session_id, "history", archive_id))
        return Archive(1, uri, NOW, 1, "done", "Short", "Long"), [{"id": "m", "role": "user", "parts": []}]

    async def delete(self, session_id: str) -> None:
        self._known(session_id)
        del self.state.sessions[session_id]

    async def mark_used(self, session_id: str, *, contexts: Sequence[str] = (), skills: int = 0) -> tuple[int, int]:
        return len(contexts), skills

    async def list(self, *, limit: int = 10_000, offset: int = 0) -> list[Session]:
        return [self._session(name) for name in self.state.sessions][offset : offset + limit]


class FakeTasks(Fake):
    async def get(self, task_id: str) -> Task:
        if task_id != "task_1":
            raise NotFound("Task not found or expired", remedy="list tasks")
        return Task(
            task_id, "add_resource", TaskStatus.RUNNING, NOW, NOW, "viking://resources/page", "parsing", {"files": 1}
        )

    async def cancel(self, task_id: str) -> Task:
        raise Conflict(f"task {task_id} has ended", remedy="nothing is left to stop", code="FAILED_PRECONDITION")

    @recorded
    async def list(
        self, *, type: str = "", status: str = "", resource_id: str = "", limit: int = 50, offset: int = 0
    ) -> list[Task]:
        return [await self.get("task_1")]
