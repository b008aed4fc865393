"""Tasks over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .transport import Transport, segment

POLL_S = (0.05, 0.1, 0.2, 0.3, 0.5)
ENDED = frozenset({"completed", "failed", "cancelled"})


class Tasks:
    """The background tasks of a client's user."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def get(self, task_id: str) -> dict[str, Any]:
        """Return one task. Raises ``NotFound``."""
        return dict(self._transport.get(_path(task_id)).result)

    def cancel(self, task_id: str) -> dict[str, Any]:
        """Ask a task to stop. Raises ``Conflict`` if it has ended."""
        return dict(self._transport.post(f"{_path(task_id)}/cancel", {}).result)

    def wait(self, task_id: str, *, on_state: Callable[[dict[str, Any]], None] | None = None) -> dict[str, Any]:
        """Poll until the task has ended, in whatever state. ``on_state`` is called with every state."""
        polls = 0
        while True:
            task = self.get(task_id)
            if on_state is not None:
                on_state(task)
            if task["status"] in ENDED:
                return task
            self._transport.pause(POLL_S[min(polls, len(POLL_S) - 1)])
            polls += 1

    def list(self, *, type: str = "", status: str = "", limit: int = 50, offset: int = 0) -> list[dict[str, Any]]:
        """Return tasks, newest first, without the first ``offset``."""
        filters = {"task_type": type or None, "status": status or None}
        return [*self._transport.get("/tasks", **filters, limit=limit, offset=offset or None).result]


def _path(task_id: str) -> str:
    return f"/tasks/{segment(task_id, 'task id')}"
