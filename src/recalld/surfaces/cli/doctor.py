"""``recalld doctor``: checks of this machine, with a remedy for each problem."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from recalld.app.config import load_config
from recalld.infra.logs import on_stderr

from .checks import FAIL, OK, WARN, Finding, examine
from .exit_codes import RUNTIME
from .options import Call, with_client
from .render import style

app = typer.Typer()
_MARKS = {OK: ("ok  ", "green"), WARN: ("warn", "yellow"), FAIL: ("FAIL", "bold", "red")}


@app.command(epilog="Exits with 1 if a check fails; warnings alone exit with 0.")
@with_client
def doctor(
    call: Call,
    data: Annotated[Path | None, typer.Option(help="Folder of the store (default ~/.recalld).")] = None,
    config: Annotated[Path | None, typer.Option("--config", "-c", help="Settings (default ./recalld.toml).")] = None,
) -> None:
    """Check disk, store, models, port and clock, and suggest how to repair each.

    Sends one request to a configured reranker and language model.
    """
    with on_stderr():
        findings = examine(load_config(config, data=data), call.client)
    failed = any(finding.level == FAIL for finding in findings)
    call.answer({"healthy": not failed, "checks": [asdict(finding) for finding in findings]}, lambda _: _show(findings))
    if failed:
        raise typer.Exit(RUNTIME)


def _show(findings: list[Finding]) -> None:
    for finding in findings:
        mark, *styles = _MARKS[finding.level]
        print(style(mark, *styles), f"{finding.name:<9} {finding.text}")
        if finding.remedy:
            print(f"     {'':<9} repair: {finding.remedy}")
