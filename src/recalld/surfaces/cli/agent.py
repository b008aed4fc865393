"""``recalld agent``: settings for an agent, and a test of its connection."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from shlex import quote
from typing import Annotated, Any

import typer

from recalld.domain.errors import Invalid, RecalldError, Upstream
from recalld.surfaces.client import Client, HttpConnection

from .agent_settings import AGENTS, HIDDEN, Agent, Part, Put, Server, agent, environment, holds, put, shown
from .exit_codes import OK, exit_code
from .options import Call, with_client
from .render import echo

app = typer.Typer(help="Connect an agent to this server, and test the connection.")
NameArgument = Annotated[str, typer.Argument(metavar="NAME", help=", ".join(AGENTS) + ".", show_default=False)]


@app.command(
    epilog="""
Examples:

recalld agent install claude-code

recalld agent install codex --write --url https://recall.example.org
"""
)
@with_client
def install(
    call: Call,
    name: NameArgument,
    write: Annotated[bool, typer.Option("--write", help="Write the files. Existing files are backed up.")] = False,
    only: Annotated[str, typer.Option(help="mcp (the tools) or plugin (what published plugins read).")] = "",
    show_key: Annotated[bool, typer.Option("--show-key", help="Print the key in clear.")] = False,
) -> None:
    """Print the settings an agent needs to use this server, or write them."""
    chosen = agent(name)
    server = _server(call)
    parts = _parts(chosen, server, only)
    if write:
        files = [put(part, part.path) for part in parts if part.path is not None]
        if not files:
            raise Invalid(f"where {name} keeps its settings is not known", remedy="leave out --write to see them")
        done = [
            {"path": str(f.path), "changed": f.changed, "backup": str(f.backup) if f.backup else None} for f in files
        ]
        call.answer(done, lambda _: _tell(files, chosen))
        return
    hidden = replace(server, api_key=HIDDEN) if server.api_key and not show_key else server
    parts = _parts(chosen, hidden, only)
    env = environment(hidden) if any(part.kind == "plugin" for part in parts) else {}
    call.answer(
        {"agent": name, "files": [{**_place(part), "content": shown(part)} for part in parts], "environment": env},
        lambda _: _show(parts, env, chosen),
    )


@app.command(
    epilog="""
Examples:

recalld agent check claude-code

recalld agent check generic --json
"""
)
@with_client
def check(call: Call, name: NameArgument) -> None:
    """Test the connection: health, tools, capture a message, find it, delete it."""
    chosen, server = agent(name), _server(call)
    done: list[Step] = []
    for step in steps(server, call.client):
        done.append(step)
        if not call.as_json:
            _say_step(step)
    # The agent may have its settings elsewhere, so a missing file is not a failure.
    settings = [
        {**_place(part), "installed": part.path is not None and holds(part, part.path)} for part in chosen.parts(server)
    ]
    failed = next((step.exit for step in done if not step.ok), 0)
    results = [{"step": s.name, "ok": s.ok, "says": s.says, "remedy": s.remedy or None} for s in done]
    call.answer(
        {"agent": name, "passed": not failed, "steps": results, "settings": settings},
        lambda _: _say_settings(settings, chosen),
    )
    if failed:
        raise typer.Exit(failed)


def _server(call: Call) -> Server:
    return Server(call.url, os.environ.get("RECALLD_API_KEY", ""), call.user, call.account)


def _parts(chosen: Agent, server: Server, only: str) -> list[Part]:
    if only not in {"", "mcp", "plugin"}:
        raise Invalid(f"--only {only[:40]!r} is unknown", remedy="mcp or plugin", details={"field": "only"})
    parts = [part for part in chosen.parts(server) if only in {"", part.kind}]
    if not parts:
        raise Invalid(f"{chosen.title} has nothing of that kind", remedy="leave out --only")
    return parts


def _place(part: Part) -> dict[str, Any]:
    return {"kind": part.kind, "path": str(part.path) if part.path else None}


def _tell(files: list[Put], chosen: Agent) -> None:
    for file in files:
        echo(f"{'wrote' if file.changed else 'unchanged'}  {file.path}")
        if file.backup:
            echo(f"  before: {file.backup}", "dim")
    echo(f"Then {chosen.then}, and: recalld agent check {chosen.name}", "dim")


def _show(parts: list[Part], env: dict[str, str], chosen: Agent) -> None:
    for part in parts:
        what = "tools" if part.kind == "mcp" else "read by published plugins"
        echo(f"# {part.path or 'the settings of the agent'} ({what})", "bold")
        echo(shown(part))
    if env:
        echo("# or, for published plugins, in the environment", "bold")
        echo("\n".join(f"export {name}={quote(value)}" for name, value in env.items()) + "\n")
    if any(part.path for part in parts):
        echo(f"recalld agent install {chosen.name} --write puts this in place.", "dim")


def _say_step(step: Step) -> None:
    echo(f"{'ok' if step.ok else 'failed':<7} {step.name:<11} {step.says}", "green" if step.ok else "red")
    if step.remedy:
        echo(f"        try: {step.remedy}")


def _say_settings(settings: list[dict[str, Any]], chosen: Agent) -> None:
    for one in settings:
        if one["path"] is not None:
            state = "installed" if one["installed"] else f"absent: recalld agent install {chosen.name} --write"
            echo(f"{one['kind']:<7} {one['path']}  {state}", "dim")


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
    added = client.sessions.append(session, [message]).get("added")
    return f"{added} message in session {session}"


def _found(client: Client, session: str, word: str) -> str:
    reply = client.find(word, limit=5, score_threshold=0.0)
    uris = [hit["uri"] for kind in ("memories", "resources", "skills") for hit in reply.result.get(kind) or []]
    if not any(f"/sessions/{session}/" in uri for uri in uris):
        raise Upstream("the captured message is not found", remedy="see recalld status: what is degraded?")
    return f"the message, among {len(uris)}"


def _deleted(client: Client, session: str) -> str:
    client.sessions.delete(session)
    return session
