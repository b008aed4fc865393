"""The operations over HTTP. Plain JSON values in and out; errors are ``domain.errors``."""

from __future__ import annotations

import unicodedata
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from recalld.domain.errors import Invalid, NotFound, Upstream

from .http_connection import Progress, Upload
from .transport import API, Reply, Transport, legible, segment

FOREVER = float("inf")


class Client(Transport):
    """All operations of one server as one user. An address is a text; ``~`` is the user's own tree.

    ``Client("http://127.0.0.1:1933", user="ana")``; use it as a context manager or call ``close()``.
    """

    # ------------------------------------------------------------------ server
    def health(self) -> dict[str, Any]:
        """Return ``{"status", "healthy", "version", "auth_mode"}`` while the process answers."""
        return dict(self.call("GET", "/health").result)

    def ready(self) -> dict[str, Any]:
        """Return whether the server is ready, and the reasons if not. Being not ready is not an error."""
        return dict(self.call("GET", "/ready", expect=(503,), safe=False).result)

    def system_status(self) -> dict[str, Any]:
        """Return whether the store is open, and the current user."""
        return dict(self.call("GET", f"{API}/system/status").result)

    def count(self, uri: str = "") -> int:
        """Return the number of searchable chunks (below ``uri``)."""
        return int(self.call("GET", f"{API}/debug/vector/count", params={"uri": uri or None}).result["count"])

    def vectors(self) -> dict[str, Any] | None:
        """Return the number of the caller's chunks that have a vector; None without an embedder, or from an older server."""
        try:
            count = self.call("GET", f"{API}/debug/vector/count").result
        except NotFound:
            return None
        return count.get("vectors") if isinstance(count, dict) else None

    def usage(self, days: int = 7) -> dict[str, Any]:
        """Return what calls to providers cost in the last days, and today's budget of the language model."""
        return dict(self.call("GET", f"{API}/stats/usage", params={"days": days}).result)

    def wait(self, timeout_s: float | None = None) -> dict[str, Any]:
        """Wait until no work is left. Without ``timeout_s`` the call is repeated whenever the server's own time limit has passed.

        Raises ``Upstream`` (``DEADLINE_EXCEEDED``) after ``timeout_s``.
        """
        while True:
            try:
                return dict(self.post("/system/wait", {"timeout": timeout_s}, timeout_s=FOREVER).result)
            except Upstream as late:
                if timeout_s is not None or late.code != "DEADLINE_EXCEEDED":
                    raise

    # -------------------------------------------------------------------- tree
    def ls(
        self,
        uri: str = "viking://",
        *,
        limit: int = 1000,
        hidden: bool = False,
        recursive: bool = False,
        sort_by: str | None = None,
        descending: bool = False,
    ) -> list[dict[str, Any]]:
        """Return the entries of a directory: uri, size, isDir, modTime, abstract."""
        order = ("desc" if descending else "asc") if sort_by else None
        return list(
            self.get(
                "/fs/ls",
                uri=uri,
                limit=limit,
                show_all_hidden=hidden,
                recursive=recursive,
                sort_by=sort_by,
                sort_order=order,
            ).result
        )

    def tree(
        self, uri: str = "viking://", *, depth: int = 3, limit: int = 1000, hidden: bool = False
    ) -> list[dict[str, Any]]:
        """Return everything below an address, parents first, with ``rel_path``."""
        return list(self.get("/fs/tree", uri=uri, level_limit=depth, limit=limit, show_all_hidden=hidden).result)

    def stat(self, uri: str) -> dict[str, Any]:
        """Return the metadata of one entry. Raises ``NotFound``."""
        return dict(self.get("/fs/stat", uri=uri).result)

    def read(self, uri: str, *, offset: int = 0, limit: int = -1, raw: bool = False) -> str:
        """Return a file's text, ``limit`` lines from line ``offset`` on (-1: all)."""
        return str(self.get("/content/read", uri=uri, offset=offset, limit=limit, raw=raw).result)

    def abstract(self, uri: str) -> str:
        """Return the abstract (L0) of a directory."""
        return str(self.get("/content/abstract", uri=uri).result)

    def overview(self, uri: str) -> str:
        """Return the overview (L1) of a directory."""
        return str(self.get("/content/overview", uri=uri).result)

    def write(self, uri: str, content: str, *, mode: str = "replace", wait: bool = False) -> dict[str, Any]:
        """Write a text file. ``mode``: replace, append or create."""
        body = {"uri": uri, "content": content, "mode": mode, "wait": wait}
        return dict(self.post("/content/write", body, timeout_s=FOREVER if wait else None).result)

    def mkdir(self, uri: str, *, description: str = "") -> dict[str, Any]:
        """Create a directory and its missing parents."""
        return dict(self.post("/fs/mkdir", {"uri": uri, "description": description or None}).result)

    def rm(self, uri: str, *, recursive: bool = False, wait: bool = False) -> dict[str, Any]:
        """Remove a file or subtree. Removing what does not exist succeeds."""
        params = {"uri": uri, "recursive": recursive, "wait": wait}
        return dict(self.call("DELETE", f"{API}/fs", params=params).result)

    def mv(self, source: str, to: str) -> dict[str, Any]:
        """Rename or move a file or subtree."""
        return dict(self.post("/fs/mv", {"from_uri": source, "to_uri": to}).result)

    def cp(self, source: str, to: str, *, recursive: bool = False) -> dict[str, Any]:
        """Copy a file, or with ``recursive`` a subtree."""
        return dict(self.post("/fs/cp", {"from_uri": source, "to_uri": to, "recursive": recursive}).result)

    def grep(
        self,
        pattern: str,
        uri: str = "viking://",
        *,
        exclude: str = "",
        ignore_case: bool = False,
        limit: int = 256,
        depth: int = 10,
    ) -> dict[str, Any]:
        """Return the lines that match a regular expression."""
        body = {
            "uri": uri,
            "pattern": pattern,
            "exclude_uri": exclude or None,
            "case_insensitive": ignore_case,
            "node_limit": limit,
            "level_limit": depth,
        }
        return dict(self.post("/search/grep", body, safe=True).result)

    def glob(self, pattern: str, uri: str = "viking://", *, limit: int = 256) -> list[str]:
        """Return the addresses whose path matches. ``**`` spans directories."""
        body = {"pattern": pattern, "uri": uri, "node_limit": limit}
        return list(self.post("/search/glob", body, safe=True).result["matches"])

    # ------------------------------------------------------------------ recall
    def find(
        self,
        query: str,
        *,
        target_uri: str | Sequence[str] = "",
        limit: int = 10,
        score_threshold: float | None = None,
        level: Sequence[int] = (),
        context_type: Sequence[str] = (),
        tags: Sequence[str] = (),
        since: str = "",
        until: str = "",
        session_id: str = "",
        provenance: bool = False,
        passages: bool = False,
        fold: bool = False,
        gap: bool = False,
    ) -> Reply:
        """Search. ``result``: memories, resources, skills (lists of hits, best first) and total.

        ``passages``: each hit has its best passage; ``fold``: hits with nearly the same text are one; ``gap``: hits far below
        the best are left out.

        With ``session_id`` the query is expanded with the session's latest turns. ``degraded`` of the reply names missing parts.
        """
        body = {
            "query": query,
            "target_uri": target_uri if isinstance(target_uri, str) else list(target_uri),
            "limit": limit,
            "score_threshold": score_threshold,
            "level": list(level) or None,
            "context_type": list(context_type) or None,
            "tags": list(tags) or None,
            "since": since or None,
            "until": until or None,
            "session_id": session_id or None,
            "include_provenance": provenance or None,
            "include_passage": passages or None,
            "fold": fold or None,
            "gap": gap or None,
        }
        return self.post("/search/search" if session_id else "/search/find", body, safe=True)

    def why_not(
        self,
        uri: str,
        query: str,
        *,
        target_uri: str | Sequence[str] = "",
        limit: int = 10,
        score_threshold: float | None = None,
    ) -> Reply:
        """Say why an entry is not among the hits of a find."""
        body = {
            "uri": uri,
            "query": query,
            "target_uri": target_uri if isinstance(target_uri, str) else list(target_uri),
            "limit": limit,
            "score_threshold": score_threshold,
        }
        return self.post("/search/why-not", body, safe=True)

    @property
    def sessions(self) -> Sessions:
        """Conversations and the memories extracted from them."""
        return Sessions(self)

    @property
    def tasks(self) -> Tasks:
        """Background work."""
        return Tasks(self)

    # ------------------------------------------------------------------ import
    def upload(self, path: Path, *, progress: Progress | None = None) -> str:
        """Upload a file, streaming, and return its temp_file_id. Raises ``Invalid`` if it cannot be read."""
        try:
            with path.open("rb") as file:
                upload = Upload(file, legible(path.name), path.stat().st_size, progress)
                reply = self.call("POST", f"{API}/resources/temp_upload", upload=upload, timeout_s=FOREVER)
        except OSError as unreadable:
            raise Invalid(f"cannot read {path}: {unreadable.strerror}", remedy="check the path") from unreadable
        return str(reply.result["temp_file_id"])

    def add(
        self,
        *,
        temp_file_id: str = "",
        path: str = "",
        name: str = "",
        to: str = "",
        parent: str = "",
        create_parent: bool = False,
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
        tags: Sequence[str] = (),
        origin: str = "",
        keep_removed: bool = False,
        confirm_removals: bool = False,
        left_out: Sequence[str] = (),
        incomplete: str = "",
        as_file: bool = False,
        wait: bool = False,
    ) -> dict[str, Any]:
        """Import an upload (or an address). ``root_uri`` is where it will be, ``task_id`` names the task.

        ``origin`` names the source: the next import of the same origin updates it in place and removes what the source no longer
        has, unless ``keep_removed``. If that is most of it, ``Conflict`` (``details.conflict_type`` removal) is raised unless
        ``confirm_removals``. ``left_out``: what the source has but did not send; ``incomplete``: what could not be read.
        """
        args = {
            "origin": origin,
            "keep_removed": keep_removed,
            "confirm_removals": confirm_removals,
            "left_out": list(left_out),
            "incomplete": incomplete,
            "as_file": as_file,
        }
        body = {
            "temp_file_id": temp_file_id or None,
            "path": path or None,
            "source_name": name or None,
            "to": to or None,
            "parent": parent or None,
            "create_parent": create_parent or None,
            "include": ",".join(include) or None,
            "exclude": ",".join(exclude) or None,
            "tags": list(tags) or None,
            "args": {field: value for field, value in args.items() if value} or None,
            "wait": wait,
        }
        return dict(self.post("/resources", body, timeout_s=FOREVER).result)


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


POLL_S = (0.05, 0.1, 0.2, 0.3, 0.5)
ENDED = frozenset({"completed", "failed", "cancelled"})


class Tasks:
    """The background tasks of a client's user."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def get(self, task_id: str) -> dict[str, Any]:
        """Return one task. Raises ``NotFound``."""
        return dict(self._transport.get(_task_path(task_id)).result)

    def cancel(self, task_id: str) -> dict[str, Any]:
        """Ask a task to stop. Raises ``Conflict`` if it has ended."""
        return dict(self._transport.post(f"{_task_path(task_id)}/cancel", {}).result)

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


def _task_path(task_id: str) -> str:
    return f"/tasks/{segment(task_id, 'task id')}"
