"""``recalld undo``: undo a change."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from .options import Call, with_client
from .render import echo, note

app = typer.Typer()
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
        _show(plan)
        if not typer.confirm("Do this?", default=True, err=True):
            raise typer.Exit(1)
    call.answer(
        call.client.call("POST", "/api/v1/log/undo", body={**body, "dry_run": dry_run, "wait": wait}).result, _show
    )


def _show(done: dict[str, Any]) -> None:
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
