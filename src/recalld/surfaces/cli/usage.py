"""``recalld usage``: what calls to providers cost, and how much of the day's budget is left."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from .options import Call, with_client
from .render import note, show_table

app = typer.Typer()
COLUMNS = ("day", "provider", "operation", "calls", "tokens_in", "tokens_out", "refused")


@app.command(
    epilog="""
Examples:

recalld usage

recalld usage --days 30 --json
"""
)
@with_client
def usage(
    call: Call,
    days: Annotated[int, typer.Option(min=1, max=366, help="Number of UTC days, today included.")] = 7,
) -> None:
    """Show what calls to providers cost, and the language model's budget."""
    call.answer(call.client.usage(days), _show)


def _show(found: Mapping[str, Any]) -> None:
    show_table([name.replace("_", " ") for name in COLUMNS], ([row[name] for name in COLUMNS] for row in found["rows"]))
    if not found["rows"]:
        note("no provider was called")
    budget = found["model"]
    for day in (*([budget] if budget["provider"] else []), *found.get("providers", ())):
        note(f"today {day['provider']}: {_of(day, 'tokens')}, {_of(day, 'calls')} ({day['state']})")


def _of(day: Mapping[str, Any], what: str) -> str:
    most = day[f"{what}_per_day_max"]
    return f"{day[f'{what}_today']:,} {f'of {most:,} ' if most else ''}{what}"
