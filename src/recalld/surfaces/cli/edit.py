"""Commands that change the tree: write, mkdir, mv, cp, rm, undo."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from recalld.domain.errors import Conflict, Invalid, NotFound
from recalld.surfaces.client import legible

from .options import Call, with_client
from .render import echo, note
from .text_input import read_text

app = typer.Typer()
ASK_ABOVE = 100
"""Entries that `rm` removes on a terminal without asking."""
DEPTH = 64
UriArgument = Annotated[str, typer.Argument(help="Address, such as viking://resources/notes/today.md.")]


@app.command(
    epilog="""
Examples:

recalld write viking://resources/notes/a.md --content "# A note"

date | recalld write viking://resources/notes/log.md --append
"""
)
@with_client
def write(
    call: Call,
    uri: UriArgument,
    content: Annotated[str | None, typer.Option(help="The text.")] = None,
    from_file: Annotated[Path | None, typer.Option(help="A local text file. Default: stdin.")] = None,
    append: Annotated[bool, typer.Option("--append", help="Append (same as --mode append).")] = False,
    mode: Annotated[str, typer.Option(help="replace, append or create.")] = "replace",
    wait: Annotated[bool, typer.Option("--wait", help="Wait until summaries and vectors are complete.")] = False,
    allow_empty: Annotated[
        bool, typer.Option("--allow-empty", help="Write even if stdin or the file is empty.")
    ] = False,
) -> None:
    """Write a text file."""
    text = _text(content, from_file)
    if content is None and not text and not allow_empty:
        raise Invalid(
            f"{from_file or 'stdin'} is empty, so {uri} was left as it is",
            remedy="give the text with --content or through a pipe, or add --allow-empty",
        )
    call.answer(
        call.client.write(uri, text, mode="append" if append else mode, wait=wait),
        lambda done: echo(f"wrote {done.get('written_bytes', len(text.encode()))} bytes to {done.get('uri', uri)}"),
    )


def _text(content: str | None, from_file: Path | None) -> str:
    if content is not None and from_file is not None:
        raise Invalid("--content and --from-file exclude each other", remedy="give one of them")
    if content is not None:
        return legible(content)
    return read_text(from_file)


@app.command()
@with_client
def mkdir(
    call: Call,
    uri: UriArgument,
    description: Annotated[
        str, typer.Option("--description", "-d", help="Its description, which becomes the abstract.")
    ] = "",
) -> None:
    """Create a directory and its missing parents."""
    call.answer(
        call.client.mkdir(uri, description=description), lambda created: echo(f"created {created.get('uri', uri)}")
    )


@app.command()
@with_client
def mv(call: Call, source: UriArgument, to: UriArgument) -> None:
    """Rename or move a file or a subtree."""
    call.answer(
        call.client.mv(source, to), lambda moved: echo(f"moved {moved.get('from', source)} to {moved.get('to', to)}")
    )


@app.command()
@with_client
def cp(
    call: Call,
    source: UriArgument,
    to: UriArgument,
    recursive: Annotated[bool, typer.Option("--recursive", "-r", help="A directory with its contents.")] = False,
) -> None:
    """Copy a file or a subtree."""
    call.answer(
        call.client.cp(source, to, recursive=recursive),
        lambda copied: echo(f"copied {copied.get('from', source)} to {copied.get('to', to)}"),
    )


@app.command()
@with_client
def rm(
    call: Call,
    uri: UriArgument,
    recursive: Annotated[bool, typer.Option("--recursive", "-r", help="A directory with its contents.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until summaries and vectors are complete.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
) -> None:
    """Remove a file or a subtree. Removing what does not exist succeeds. `recalld undo` restores it."""
    if recursive and not yes and not call.as_json and sys.stdin.isatty():
        _confirm(call, uri)
    call.answer(call.client.rm(uri, recursive=recursive, wait=wait), lambda gone: echo(_removed(uri, gone)))


def _removed(uri: str, gone: dict[str, Any]) -> str:
    entries = int(gone.get("estimated_deleted_count") or 0)
    named = gone.get("uri", uri)
    if not entries:
        return f"nothing to remove: {named} does not exist"
    return f"removed {named} ({entries:,} {'entry' if entries == 1 else 'entries'})"


def _confirm(call: Call, uri: str) -> None:
    """Ask before removing many entries."""
    try:
        entries = len(call.client.tree(uri, depth=DEPTH, limit=ASK_ABOVE + 1, hidden=True))
    except (NotFound, Conflict):
        return  # nothing there, or a file
    if entries > ASK_ABOVE and not typer.confirm(f"Remove {uri} with more than {ASK_ABOVE} entries?", err=True):
        raise typer.Exit(1)


SHOWN = 20
VERBS = (("written", "write"), ("removed", "remove"), ("restored", "restore"), ("tagged", "retag"))


@app.command(
    epilog="""
Examples:

recalld undo

recalld undo 1234 --dry-run

recalld undo task_9f2c1e
"""
)
@with_client
def undo(
    call: Call,
    change: Annotated[
        str | None, typer.Argument(help="A number of `recalld history`, or a cause such as an import's task.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be done.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until summaries and vectors are complete.")] = False,
) -> None:
    """Undo a change: the one you name, else your last one. An undo can be undone too."""
    body: dict[str, Any] = {}
    if change is not None:
        body = {"seq": int(change)} if change.isascii() and change.isdigit() else {"cause": change}
    if not dry_run and not yes and change is None and sys.stdin.isatty() and not call.as_json:
        plan = call.client.call("POST", "/api/v1/log/undo", body={**body, "dry_run": True}).result
        body = (
            {"seq": plan["commits"][0]} if len(plan["commits"]) == 1 else {"cause": plan["cause"].removeprefix("undo:")}
        )
        _show_undo(plan)
        if not typer.confirm("Do this?", default=True, err=True):
            raise typer.Exit(1)
    call.answer(
        call.client.call("POST", "/api/v1/log/undo", body={**body, "dry_run": dry_run, "wait": wait}).result, _show_undo
    )


def _show_undo(done: dict[str, Any]) -> None:
    lines = [f"{verb:<8}{uri}" for kind, verb in VERBS for uri in done[kind]]
    lines += [f"{'move':<8}{one['from']} to {one['to']}" for one in done["moved"]]
    for line in lines[:SHOWN]:
        echo(line)
    if len(lines) > SHOWN:
        note(f"and {len(lines) - SHOWN} more")
    for one in done["kept"][:SHOWN]:
        note(f"kept    {one['uri']}: {one['reason']}")
    if done["dry_run"]:
        note("nothing was changed: this is what would be done")
    else:
        note(f"done; to have it back: recalld undo {done['cause']}")
