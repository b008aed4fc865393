"""``recalld snapshot``: record, list, compare and restore snapshots."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from recalld.domain.errors import Invalid

from .options import Call, with_client
from .render import echo, note, show_facts, show_table, style

app = typer.Typer(help="Snapshots of the tree: record, list, show, compare, restore.")
AT = "/api/v1/snapshot"
FOREVER = float("inf")
OID_SHOWN = 12
RefArgument = Annotated[str, typer.Argument(help="A branch, HEAD, or an oid or its first 4 or more characters.")]
PathsOption = Annotated[list[str] | None, typer.Option("--paths", help="Only what is at or below this; repeatable.")]
BranchOption = Annotated[str, typer.Option(help="The branch.")]
AuthorOption = Annotated[str | None, typer.Option(help="The author.")]


@app.command(
    epilog="""
Examples:

recalld snapshot commit -m "before the tidy-up"

recalld snapshot commit -m "the handbook" --paths viking://resources/handbook
"""
)
@with_client
def commit(
    call: Call,
    message: Annotated[str, typer.Option("--message", "-m", help="A description of the snapshot.")],
    paths: PathsOption = None,
    branch: BranchOption = "main",
    author_name: AuthorOption = None,
    author_email: AuthorOption = None,
) -> None:
    """Record the current state of the tree."""
    body = {
        "message": message,
        "paths": paths or None,
        "branch": branch,
        "author_name": author_name,
        "author_email": author_email,
    }

    def show(done: dict[str, Any]) -> None:
        if done["result"] == "noop":
            return echo("nothing has changed")
        echo(f"{done['commit_oid'][:OID_SHOWN]}: changed files: {done['changed']}, ignored: {done['ignored']}")

    call.answer(call.client.call("POST", f"{AT}/commit", body=body).result, show)


@app.command()
@with_client
def log(
    call: Call,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=500, help="At most this many.")] = 20,
    before: Annotated[str, typer.Option(help="Only snapshots before this oid.")] = "",
    paths: PathsOption = None,
    branch: BranchOption = "main",
) -> None:
    """List snapshots, newest first."""
    params = {"branch": branch, "limit": limit, "before": before or None, "paths": paths or None}
    found = call.client.call("GET", f"{AT}/log", params=params).result
    rows = [(one["oid"][:OID_SHOWN], _when(one), one["author"]["name"], one["message"].split("\n")[0]) for one in found]
    more = f"--before {rows[-1][0]}" if rows else ""
    call.answer(found, lambda _: show_table(("oid", "when", "author", "message"), rows), more=more)


def _when(one: dict[str, Any]) -> str:
    return datetime.fromtimestamp(one["author"]["time_seconds"], UTC).strftime("%Y-%m-%d %H:%M:%SZ")


@app.command()
@with_client
def show(
    call: Call,
    ref: RefArgument,
    path: Annotated[str | None, typer.Option(help="A file: print its bytes in the snapshot.")] = None,
    out_file: Annotated[Path | None, typer.Option(help="Write them to this file (default: stdout).")] = None,
) -> None:
    """Show a snapshot, or a file in it."""
    if path is None:
        facts = call.client.call("GET", f"{AT}/show", params={"target_ref": ref}).result
        shown = {"oid": facts["oid"], "when": _when(facts), "author": facts["author"]["name"]}
        call.answer(facts, lambda _: show_facts({**shown, "parent": facts["parents"], "message": facts["message"]}))
        return
    data = call.client.fetch(f"{AT}/show", params={"target_ref": ref, "path": path})
    if out_file is not None:
        _save(data, out_file)
        call.answer({"path": path, "size": len(data), "file": str(out_file)}, lambda _: echo(f"wrote {out_file}"))
    elif call.as_json:
        call.answer({"path": path, "size": len(data), "content": data.decode("utf-8", "replace")}, lambda _: None)
    else:
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()


def _save(data: bytes, out_file: Path) -> None:
    try:
        out_file.write_bytes(data)
    except OSError as unwritable:
        raise Invalid(f"cannot write {out_file}: {unwritable.strerror}", remedy="choose another file") from unwritable


@app.command()
@with_client
def diff(
    call: Call,
    path: Annotated[str, typer.Argument(help="A file: an address, or a path from the account's root.")],
    to: Annotated[str, typer.Option(help="The later snapshot.")] = "HEAD",
    since: Annotated[str | None, typer.Option("--from", help="The earlier one (default: the one before).")] = None,
) -> None:
    """Compare a file in two snapshots."""

    def show(found: dict[str, Any]) -> None:
        for line in found["diff_text"].split("\n")[:-1]:
            colour = {"+": ("green",), "-": ("red",), "@": ("cyan",)}.get(line[:1], ())
            print(style(line, *colour))
        note(f"{found['path']}: {found['change_type']}")

    call.answer(call.client.call("GET", f"{AT}/diff", params={"path": path, "from": since, "to": to}).result, show)


@app.command()
@with_client
def restore(
    call: Call,
    ref: RefArgument,
    directory: Annotated[str | None, typer.Argument(help="Restore only this directory (default: everything).")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be done.")] = False,
    message: Annotated[str | None, typer.Option("--message", "-m", help="The description of the new snapshot.")] = None,
    branch: BranchOption = "main",
) -> None:
    """Restore files from a snapshot. The current state is recorded first if no snapshot has it."""
    body = {"source_commit": ref, "project_dir": directory, "dry_run": dry_run, "message": message, "branch": branch}
    call.answer(call.client.call("POST", f"{AT}/restore", body=body, timeout_s=FOREVER).result, _show_restore)


def _show_restore(done: dict[str, Any]) -> None:
    if done["result"] == "noop":
        return echo("everything is as it was then")
    if done["result"] == "dry_run":
        for one in done["diff"]["to_write"]:
            echo(f"write   {one['path']}")
        for path in done["diff"]["to_delete"]:
            echo(f"remove  {path}")
        return note(f"{len(done['diff']['unchanged'])} unchanged")
    echo(f"{done['written']} written, {done['deleted']} removed; snapshot {done['new_commit_oid'][:OID_SHOWN]}")


@app.command("ignore-get")
@with_client
def ignore_get(call: Call) -> None:
    """Print the account's .ovgitignore."""
    call.answer(
        call.client.call("GET", f"{AT}/ignore").result,
        lambda text: print(text, end="" if text.endswith("\n") else "\n"),
    )


@app.command("ignore-set")
@with_client
def ignore_set(
    call: Call,
    content: Annotated[str | None, typer.Option(help="The patterns.")] = None,
    file: Annotated[Path | None, typer.Option(help="A local file with the patterns.")] = None,
) -> None:
    """Set what snapshots leave out."""
    if (content is None) == (file is None):
        raise Invalid("give either --content or --file", remedy="recalld snapshot ignore-set --content '*.tmp'")
    try:
        text = content if file is None else file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as unreadable:
        raise Invalid(f"cannot read {file} as text", remedy="check the path") from unreadable
    call.answer(
        call.client.call("PUT", f"{AT}/ignore", body={"content": text}).result,
        lambda done: echo(f"{done['size']} bytes of patterns"),
    )


@app.command("ignore-delete")
@with_client
def ignore_delete(call: Call) -> None:
    """Remove the account's .ovgitignore."""
    call.answer(call.client.call("DELETE", f"{AT}/ignore").result, lambda _: echo("removed"))
