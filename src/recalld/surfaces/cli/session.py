"""``recalld session``: record, commit and read conversations."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from recalld.domain.errors import Invalid
from recalld.rules.lines import split_lines
from recalld.rules.moments import read_moment
from recalld.rules.transcript_header import ROLES
from recalld.surfaces.client import legible

from .options import Call, with_client
from .render import echo, note, show_facts, show_table, style
from .task import require_completed
from .text_input import read_text
from .wait import watch_task

app = typer.Typer(help="Record conversations and extract memories from them.", rich_markup_mode="rich")
IdArgument = Annotated[str, typer.Argument(help="The session id.")]


@app.command()
@with_client
def new(
    call: Call, session_id: Annotated[str, typer.Argument(help="Its id (default: chosen by the server).")] = ""
) -> None:
    """Create a session and print its id."""
    call.answer(call.client.sessions.create(session_id), lambda result: print(result["session_id"]))


@app.command(
    epilog="""
Examples:

recalld session append trip "I am allergic to peanuts" --peer mara

recalld session append trip --role assistant "Noted."

recalld session append trip --from-file messages.jsonl
"""
)
@with_client
def append(
    call: Call,
    session_id: IdArgument,
    text: Annotated[str | None, typer.Argument(help="The text. Default: stdin.")] = None,
    role: Annotated[str, typer.Option(help="user or assistant.")] = "user",
    peer: Annotated[str, typer.Option(help="The speaker, if there are several.")] = "",
    at: Annotated[str, typer.Option(help="The time of the message: 2026-05-01 or an ISO time.")] = "",
    message_id: Annotated[
        str, typer.Option("--id", help="Its id. A message with the same id is added only once.")
    ] = "",
    from_file: Annotated[Path | None, typer.Option(help="Messages as a JSON array or JSON lines.")] = None,
) -> None:
    """Append to a session. A missing session is created. The message is durable and searchable on return."""
    if from_file is not None:
        messages = _messages(from_file)
    else:
        _check_options(role, at)
        words = {"role": role, "content": read_text(None) if text is None else legible(text)}
        if not words["content"].strip():
            raise Invalid("the text is empty", remedy='give it as an argument: append ID "…"')
        extra = {"peer_id": peer, "created_at": at, "id": message_id}
        messages = [{**words, **{key: value for key, value in extra.items() if value}}]
    done = call.client.sessions.append(session_id, messages)
    call.answer(
        done,
        lambda _: echo(
            f"{done['added']} added; {done['message_count']} live, {done['pending_tokens']} tokens to commit"
        ),
    )
    for unread in done.get("unread_created_at") or ():
        note(f"warning: created_at {unread!r} is not a time; the message has the server's time")


def _check_options(role: str, at: str) -> None:
    if role not in ROLES:
        raise Invalid(f"--role {role!r} is not a role", remedy=f"use one of {', '.join(sorted(ROLES))}")
    if at and read_moment(at) is None:
        raise Invalid(f"--at {at!r} is not a time", remedy="write 2026-05-01, 2026-05-01T10:00Z or epoch seconds")


def _messages(path: Path) -> list[dict[str, Any]]:
    """Messages of a JSON array, of an object with ``messages``, or of JSON lines. Raises ``Invalid``."""
    text = read_text(path).strip()
    try:
        read = json.loads(text) if text[:1] == "[" else _lines_of(text)
    except (ValueError, RecursionError) as bad:
        raise Invalid(
            f"{path} holds no JSON messages: {bad}", remedy='one {"role": ..., "content": ...} a line'
        ) from bad
    if not all(isinstance(message, dict) for message in read):
        raise Invalid(f"{path} holds something that is no message", remedy='one {"role": ..., "content": ...} a line')
    return list(read)


def _lines_of(text: str) -> list[Any]:
    """JSON lines, or one object, over several lines or one, that holds the messages."""
    try:
        read = [json.loads(line) for line in split_lines(text) if line.strip()]
    except ValueError:
        read = [json.loads(text)]
    if len(read) == 1 and isinstance(read[0], dict) and "content" not in read[0] and "parts" not in read[0]:
        if not isinstance(read[0].get("messages"), list):
            raise ValueError("the object has no messages")
        return list(read[0]["messages"])
    return read


@app.command("list")
@with_client
def list_(
    call: Call,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=10_000, help="At most this many.")] = 10_000,
    offset: Annotated[int, typer.Option(min=0, help="Skip this many of the newest.")] = 0,
) -> None:
    """List sessions, newest first."""
    sessions = call.client.sessions.list(limit=limit, offset=offset)
    rows = [(s["session_id"], s.get("mod_time", ""), s["uri"]) for s in sessions]
    call.answer(sessions, lambda _: show_table(("session", "changed", "uri"), rows), more=f"--offset {offset + limit}")


@app.command()
@with_client
def show(call: Call, session_id: IdArgument) -> None:
    """Show the state of a session."""
    call.answer(call.client.sessions.get(session_id), show_facts)


@app.command()
@with_client
def commit(
    call: Call,
    session_id: IdArgument,
    keep: Annotated[int, typer.Option(min=0, help="Keep this many of the latest messages live.")] = 0,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until memories are extracted.")] = False,
) -> None:
    """Archive the live messages and extract memories from them."""
    done = call.client.sessions.commit(session_id, keep_recent_count=keep)
    if wait and done.get("task_id"):
        task = watch_task(call, str(done["task_id"]), f"committing {session_id}")
        require_completed(task)
        done = {**done, "result": task.get("result")}
    call.answer(done, _show_commit)


def _show_commit(done: dict[str, Any]) -> None:
    if not done.get("archived"):
        return echo(f"nothing to commit: {done.get('reason')}")
    result = (done.get("result") or {}).get("memories_extracted") or {}
    memories = ", ".join(f"{count} {kind}" for kind, count in result.items() if count)
    echo(
        f"archived as {done.get('archive_uri')}; "
        + (f"memories: {memories}" if memories else f"task {done.get('task_id')}")
    )


@app.command()
@with_client
def context(
    call: Call,
    session_id: IdArgument,
    budget: Annotated[int, typer.Option("--budget", "-b", min=0, help="Largest number of tokens.")] = 128_000,
) -> None:
    """Print the newest overview and the live messages, within a token budget."""

    def show(found: dict[str, Any]) -> None:
        if found.get("latest_archive_overview"):
            print(found["latest_archive_overview"], end="\n\n")
        for message in found.get("messages", []):
            print(style(f"{message.get('peer_id') or message['role']}:", "bold"), style(_words(message)))
        note(f"{found.get('estimatedTokens', 0)} tokens")

    call.answer(call.client.sessions.context(session_id, token_budget=budget), show)


def _words(message: dict[str, Any]) -> str:
    parts = message.get("parts") or []
    return str(message.get("content") or "\n".join(str(part.get("text", "")) for part in parts if part.get("text")))


@app.command()
@with_client
def delete(call: Call, session_id: IdArgument) -> None:
    """Delete a session with its messages."""
    call.answer(call.client.sessions.delete(session_id), lambda _: echo(f"deleted {session_id}"))
