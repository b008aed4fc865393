"""The test of an agent's connection, step by step, with a remedy for each failure."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from recalld.domain.errors import RecalldError, Upstream
from recalld.surfaces.client import Client, HttpConnection

from .agent_settings import Server
from .exit_codes import OK, exit_code

NEEDED = frozenset({"find", "search", "read", "remember"})
WITHIN_S = 30.0
_PROTOCOL = "2025-06-18"
_SERVE = "start the server with recalld serve, or name another with --url"


@dataclass(frozen=True, slots=True)
class Step:
    """One step as it ended: ``says`` what was seen; ``exit`` 0, or the number of the failure's family."""

    name: str
    ok: bool
    says: str
    remedy: str = ""
    exit: int = OK


class Tools:
    """The server's tools, spoken to as an agent does."""

    def __init__(self, server: Server, pause: Callable[[float], None]) -> None:
        self._connection = HttpConnection(server.url.rstrip("/"), pause)
        accept = "application/json, text/event-stream"
        self._headers = {**server.headers, "Accept": accept, "Content-Type": "application/json"}

    def close(self) -> None:
        """Drop the connection."""
        self._connection.close()

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """Return the result of one call. Raises ``Upstream`` if there is none."""
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        answer = self._connection.send("POST", "/mcp", self._headers, body, WITHIN_S, True)
        payload = _payload(answer.body)
        result = payload.get("result")
        if isinstance(result, dict):
            return result
        error = payload.get("error")
        message = error.get("message") if isinstance(error, dict) else f"it answered {answer.status} without a result"
        raise Upstream(f"{method}: {message}", remedy="does --url name a recalld server, and is the key right?")


def _payload(body: bytes) -> dict[str, Any]:
    """The message in an answer, bare or as the last event of a stream."""
    text = body.decode("utf-8", "replace")
    events = [row[5:] for row in text.splitlines() if row.startswith("data:")]
    try:
        payload = json.loads(events[-1] if events else text)
    except ValueError:
        return {}
    return payload if isinstance(payload, dict) else {}


def steps(server: Server, client: Client) -> Iterator[Step]:
    """Every step in order; a server that does not answer ends it at the first. What was captured is deleted."""
    health = _step("health", _SERVE, lambda: _healthy(client))
    yield health
    if not health.ok:
        return
    tools = Tools(server, client.pause)
    try:
        yield _step("initialize", "see docs/mcp.md", lambda: _greeted(tools))
        yield _step("tools/list", "see docs/mcp.md", lambda: _listed(tools))
    finally:
        tools.close()
    yield from _talked(client)


def _talked(client: Client) -> Iterator[Step]:
    session, word = f"agent-check-{uuid.uuid4().hex[:12]}", f"check{uuid.uuid4().hex[:16]}"
    message = {"role": "user", "content": f"The word of this check is {word}."}
    captured = _step("capture", "see recalld doctor", lambda: _captured(client, session, message))
    yield captured
    if not captured.ok:
        return
    try:
        yield _step("find", "see recalld status: what is degraded?", lambda: _found(client, session, word))
    finally:
        deleted = _step("delete", f"recalld session delete {session}", lambda: _deleted(client, session))
    yield deleted


def _step(name: str, remedy: str, run: Callable[[], str]) -> Step:
    try:
        return Step(name, True, run())
    except RecalldError as error:
        return Step(name, False, error.message, error.remedy or remedy, exit_code(error))


def _healthy(client: Client) -> str:
    payload = client.health()
    if payload.get("healthy") is not True:
        raise Upstream("it does not say that it is healthy", remedy="see recalld status")
    return f"{client.url}, version {payload.get('version')}"


def _greeted(tools: Tools) -> str:
    about = {"name": "recalld agent check", "version": "1"}
    payload = tools.ask("initialize", protocolVersion=_PROTOCOL, capabilities={}, clientInfo=about)
    return f"{(payload.get('serverInfo') or {}).get('name')}, protocol {payload.get('protocolVersion')}"


def _listed(tools: Tools) -> str:
    names = {str(tool.get("name")) for tool in tools.ask("tools/list").get("tools") or []}
    if not names >= NEEDED:
        raise Upstream(f"tools are missing: {', '.join(sorted(NEEDED - names))}", remedy="update the server")
    return f"{len(names)} tools"


def _captured(client: Client, session: str, message: dict[str, Any]) -> str:
    result = client.sessions.append(session, [message])
    return f"{result.get('added')} message in session {session}"


def _found(client: Client, session: str, word: str) -> str:
    reply = client.find(word, limit=5, score_threshold=0.0)
    uris = [hit["uri"] for kind in ("memories", "resources", "skills") for hit in reply.result.get(kind) or []]
    if not any(f"/sessions/{session}/" in uri for uri in uris):
        raise Upstream("the captured message is not found", remedy="see recalld status: what is degraded?")
    return f"the message, among {len(uris)}"


def _deleted(client: Client, session: str) -> str:
    client.sessions.delete(session)
    return session
