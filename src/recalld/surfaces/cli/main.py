"""The entry point: ``recalld`` and ``python -m recalld``. A command's module is imported when it is called."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, cast

import typer
from typer.core import TyperGroup

from recalld.domain.errors import Invalid, RecalldError

from .exit_codes import OK, RUNTIME, lenient_output, report
from .options import Globals
from .streams import StandardStreams

COMMANDS: Mapping[str, str] = {
    "serve": "serve",
    "mcp": "serve",
    "agent": "agent",
    "add": "add",
    "find": "browse",
    "why-not": "why_not",
    "ls": "browse",
    "tree": "browse",
    "stat": "browse",
    "read": "browse",
    "abstract": "browse",
    "overview": "browse",
    "grep": "browse",
    "glob": "browse",
    "eval": "eval",
    "write": "edit",
    "mkdir": "edit",
    "mv": "edit",
    "cp": "edit",
    "rm": "edit",
    "undo": "edit",
    "history": "history",
    "session": "session",
    "task": "task",
    "export": "packs",
    "import": "packs",
    "backup": "packs",
    "restore": "packs",
    "get": "packs",
    "import-openviking": "migrate",
    "snapshot": "snapshot",
    "skills": "skills",
    "status": "status",
    "top": "top",
    "usage": "status",
    "doctor": "doctor",
    "fsck": "doctor",
    "config": "config",
    "version": "status",
    "work": "serve",
}
"""Command -> module of this package, in the order help shows them. A module named like its only command is a group."""

GROUPS = frozenset({"session", "task", "config", "skills", "agent", "snapshot", "history"})


class LazyGroup(TyperGroup):
    """The top of the command tree, filled from ``COMMANDS`` on demand."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        # Names alone are enough for "did you mean"; the values are never used.
        self.commands = cast(Any, dict.fromkeys(COMMANDS))

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]
        """All names, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: typer.Context, cmd_name: str) -> Any:  # type: ignore[override]
        """Import the module that holds ``cmd_name``; None if there is no such command."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"recalld.surfaces.cli.{COMMANDS[cmd_name]}")
        group = typer.main.get_group(module.app)
        if cmd_name in GROUPS:
            group.name = cmd_name
            return group
        return group.get_command(ctx, cmd_name)


_EPILOG = """
Start a server with [bold]recalld serve[/bold], then: [bold]recalld add ./docs --wait[/bold] and
[bold]recalld find "how do I …"[/bold]. Every command takes --json, --url, --user and --help.
"""

app = typer.Typer(
    cls=LazyGroup,
    help="The context database for AI agents that always answers.",
    epilog=_EPILOG,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)


@app.callback()
def root(
    ctx: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON.")] = False,
    url: Annotated[str, typer.Option(help="Server address.", envvar="RECALLD_URL")] = "",
    user: Annotated[str, typer.Option(help="Act as this user.", envvar="RECALLD_USER")] = "",
    account: Annotated[str, typer.Option(help="Act in this account.", envvar="RECALLD_ACCOUNT")] = "",
) -> None:
    """The context database for AI agents that always answers."""
    ctx.obj = Globals(as_json=as_json, url=url, user=user, account=account)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code (``SystemExit`` for usage errors and ``--help``). Without ``arguments`` it runs
    as a process of its own, with those of the process, and takes over the standard streams."""
    if arguments is not None:
        lenient_output()
        return _run(list(arguments))
    ended = OK
    with StandardStreams() as streams:
        ended = _run(sys.argv[1:])
    return ended if streams.code is None else streams.code


def _run(words: list[str]) -> int:
    as_json = "--json" in words
    try:
        ended = app(args=words or ["--help"], prog_name="recalld", standalone_mode=not as_json)
    except RecalldError as error:
        return report(error, as_json=as_json)
    except typer.TyperException as usage:
        return report(Invalid(usage.format_message(), code="USAGE", remedy="recalld --help"), as_json=True)
    except typer.Abort:
        return RUNTIME
    return ended if isinstance(ended, int) else OK
