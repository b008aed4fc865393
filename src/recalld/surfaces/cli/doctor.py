"""``recalld doctor``: checks of this machine. ``recalld fsck``: check and repair a store that no process has open."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from recalld.app.config import Config, load_config
from recalld.app.engine import Engine
from recalld.app.store_maintenance import begin_new_store, check_there
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


@app.command(
    epilog="Stop the server first: one process has a store. Ends with 1 if something is wrong, and stays wrong."
)
@with_client
def fsck(
    call: Call,
    repair: Annotated[bool, typer.Option("--repair", help="Repair what can be repaired, then check again.")] = False,
    new_store: Annotated[
        bool,
        typer.Option(
            "--new-store",
            help="If the database is missing or empty: move its content files to lost+found/ for 30 days and create an "
            "empty store.",
        ),
    ] = False,
    data: Annotated[Path | None, typer.Option(help="Folder of the store (default ~/.recalld).")] = None,
    config: Annotated[Path | None, typer.Option("--config", "-c", help="Settings (default ./recalld.toml).")] = None,
) -> None:
    """Check the tables of a store against each other."""
    chosen = load_config(config, data=data)
    check_there(chosen.folder)
    if new_store:
        moved = begin_new_store(chosen.folder)
        call.answer(
            {"set_aside": moved},
            lambda _: print(f"{moved} files were moved to lost+found/; the next start creates a new store"),
        )
        return
    with on_stderr():
        found, left = asyncio.run(_checked(chosen, repair))
    call.answer({"consistent": not left, "found": found, "left": left}, lambda _: _show_faults(found, left, repair))
    if left:
        raise typer.Exit(RUNTIME)


async def _checked(config: Config, repair: bool) -> tuple[list[str], list[str]]:
    """Return the faults found, and those left after a repair. Raises ``Conflict`` while another process has the store."""
    async with Engine.open(config=config, worker="none") as engine:
        found = await engine.check(repair=repair)
        return found, await engine.check() if repair and found else found


def _show_faults(found: list[str], left: list[str], repair: bool) -> None:
    for fault in found:
        print(fault)
    if left:
        print(
            style(
                f"{len(left)} left" if repair else f"{len(left)} found; --repair repairs what can be repaired",
                "bold",
                "red",
            )
        )
    else:
        print(style("consistent" if not found else "repaired; consistent now", "green"))
