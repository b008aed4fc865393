"""The entry point: ``recalld`` and ``python -m recalld``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from recalld.domain.errors import Invalid, RecalldError

from .command_table import LazyGroup
from .exit_codes import OK, RUNTIME, lenient_output, report
from .options import Globals
from .streams import StandardStreams

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
