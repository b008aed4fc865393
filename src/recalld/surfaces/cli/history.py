"""``recalld history``: list changes and versions, restore a version."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from recalld.domain.errors import Invalid

from .options import Call, with_client
from .render import echo, note, show_table, size_words

AT = "/api/v1"
FOREVER = float("inf")


class History(TyperGroup):
    """``recalld history`` and ``recalld history URI`` run ``show``; other words name a command."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        """Put ``show`` in front of what is not a command's name."""
        known = {*self.commands, "--help", "-h"}
        return super().parse_args(ctx, args if args and args[0] in known else ["show", *args])


app = typer.Typer(cls=History, help="List changes, list the versions of a file, restore a version.")


@app.command(
    epilog="""
Examples:

recalld history

recalld history viking://resources/notes/today.md

recalld history --under viking://resources/notes -n 20
"""
)
@with_client
def show(
    call: Call,
    uri: Annotated[str | None, typer.Argument(help="A file whose versions to list. Default: all changes.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=1000, help="How many, newest first.")] = 20,
    before: Annotated[int, typer.Option(min=0, help="Only entries before this number.")] = 0,
    under: Annotated[str, typer.Option(help="Only changes at this address or below it.")] = "",
    op: Annotated[str, typer.Option(help="Only this operation, such as write, remove or move.")] = "",
    actor: Annotated[str, typer.Option(help="Only changes of this user.")] = "",
) -> None:
    """List changes, or the versions of a file."""
    if uri is not None:
        return call.answer(
            call.client.call("GET", f"{AT}/fs/history", params={"uri": uri, "limit": limit, "before": before}).result,
            _show_versions,
        )
    params = {"limit": limit, "before": before, "under": under or None, "op": op or None, "actor": actor or None}
    call.answer(call.client.call("GET", f"{AT}/log", params=params).result, _show_log)


def _show_log(page: dict[str, Any]) -> None:
    rows = [(e["seq"], e["at"][:19], e["actor"], e["op"], e["uri"], e["cause"][:40]) for e in page["entries"]]
    if rows:
        show_table(("number", "time (UTC)", "user", "change", "address", "cause"), rows)
    else:
        note("no changes")
    if page["next"]:
        note(f"more: --before {page['next']}")


def _show_versions(found: dict[str, Any]) -> None:
    rows = [
        (
            v["seq"],
            v["at"][:19],
            v["actor"],
            v["op"],
            size_words(v["size"]),
            "" if v["kept"] else "content no longer kept",
        )
        if v["hash"]
        else (v["seq"], v["at"][:19], v["actor"], v["op"], "", "removed")
        for v in found["versions"]
    ]
    show_table(("number", "time (UTC)", "user", "change", "size", ""), rows)
    if found["next"]:
        note(f"more: --before {found['next']}")


@app.command(
    epilog="""
Examples:

recalld history restore viking://resources/notes/today.md --at 10m

recalld history restore viking://resources/notes --at 2026-05-01T10:00Z --dry-run
"""
)
@with_client
def restore(
    call: Call,
    uri: Annotated[str, typer.Argument(help="A file, or a directory with everything below it.")],
    at: Annotated[str, typer.Option(help="The point in time: an age (10m, 2d), a time, or a number from history.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be done.")] = False,
) -> None:
    """Restore a file or directory as of a point in time. This is a change like any other and can be undone."""
    body = {"uri": uri, "at": at, "dry_run": dry_run}

    def show_it(done: dict[str, Any]) -> None:
        would = "would be " if dry_run else ""
        for kind, what in (("written", "written"), ("removed", "removed")):
            for one in done[kind][:20]:
                echo(f"{would}{what}  {one}")
        counts = f"{len(done['written'])} written, {len(done['removed'])} removed"
        note(f"would be: {counts}" if dry_run else counts if done["written"] or done["removed"] else "nothing differs")

    call.answer(call.client.call("POST", f"{AT}/fs/history/restore", body=body, timeout_s=FOREVER).result, show_it)


@app.command(
    epilog="""
Examples:

recalld history purge --older-than 7d

recalld history purge --yes
"""
)
@with_client
def purge(
    call: Call,
    older_than: Annotated[str, typer.Option(help="Only what was removed or replaced before: 7d, 2026-05-01.")] = "0s",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Erase for good what was removed or replaced, in every account, to free disk space. Works on a full disk."""
    if not yes:
        if call.as_json or not sys.stdin.isatty():
            raise Invalid(
                "what is purged cannot be restored", remedy="add --yes to erase it", details={"older_than": older_than}
            )
        if not typer.confirm("Erase what was removed and all earlier versions? This cannot be undone.", err=True):
            raise typer.Exit(1)

    def show_it(done: dict[str, Any]) -> None:
        echo(f"erased {done['contents']:,} {'content' if done['contents'] == 1 else 'contents'}")
        if done["free_bytes"] is not None:
            note(f"{size_words(done['free_bytes'])} of the server's disk are free")

    call.answer(
        call.client.call("POST", f"{AT}/log/purge", body={"older_than": older_than}, timeout_s=FOREVER).result, show_it
    )


@app.command()
@with_client
def diff(
    call: Call,
    uri: Annotated[str, typer.Argument(help="A file.")],
    since: Annotated[
        str, typer.Option("--from", help="The earlier point in time: an age, a time, or a number of its history.")
    ],
    to: Annotated[str, typer.Option(help="The later one (default: now).")] = "",
) -> None:
    """Compare a file at two points in time."""
    params = {"uri": uri, "from": since, "to": to or None}
    call.answer(
        call.client.call("GET", f"{AT}/content/diff", params=params).result,
        lambda found: print(found["diff_text"], end=""),
    )
