"""``recalld agent``: settings for an agent, and a test of its connection."""

from __future__ import annotations

import os
from dataclasses import replace
from shlex import quote
from typing import Annotated, Any

import typer

from recalld.domain.errors import Invalid

from .agent_check import Step, steps
from .agent_files import Put, holds, put, shown
from .agent_settings import AGENTS, HIDDEN, Agent, Part, Server, agent, environment
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
