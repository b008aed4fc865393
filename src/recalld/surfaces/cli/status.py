"""``recalld status``, ``recalld version`` and ``recalld usage``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from recalld.domain.errors import Denied, NotFound
from recalld.domain.version import VERSION

from .options import Call, with_client
from .render import echo, note, show_facts, show_table, vectors_words

app = typer.Typer()


@app.command()
@with_client
def status(call: Call) -> None:
    """Show the state of the server and the current user."""
    ready = call.client.ready()
    facts: dict[str, Any] = {
        "server": call.url,
        "version": call.client.health().get("version"),
        "state": ready.get("state") or ready.get("status"),
        "reasons": ready.get("reasons") or ready.get("reason"),
        "user": call.client.system_status().get("user"),
        "findable": _count(call),
        "vectors": _vectors(ready.get("vectors"), ready.get("checks") or {}),
        "derived": _derived(ready.get("derived")),
        "checks": ready.get("checks"),
    }
    checks = {f"check {name}": _words(v) for name, v in (facts["checks"] or {}).items() if not isinstance(v, dict)}
    fields = {key: _words(value) for key, value in facts.items() if key != "checks"}
    call.answer(facts, lambda _: show_facts({**fields, **checks}))


def _count(call: Call) -> int | None:
    try:
        return call.client.count()
    except (Denied, NotFound):
        return None  # the root key, which opens nobody's data; or an older server, without this route


def _vectors(fields: Any, checks: Mapping[str, Any]) -> str | None:
    """What can be found: by vectors, and by words."""
    if not isinstance(fields, dict):
        return None
    lexicon = checks.get("lexicon", "ok")
    return f"{vectors_words(fields)}, words {'complete' if lexicon == 'ok' else lexicon}"


def _derived(progress: Any) -> str | None:
    """How far titles and abstracts of an earlier version are derived again."""
    return f"{progress['done']:,} of {progress['total']:,}" if isinstance(progress, dict) else None


def _words(value: Any) -> Any:
    return ", ".join(str(part) for part in value) if isinstance(value, list) else value


@app.command()
@with_client
def version(call: Call) -> None:
    """Print the version of this program."""
    call.answer({"version": VERSION}, lambda _: echo(f"recalld {VERSION}"))


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
    call.answer(call.client.usage(days), _show_usage)


def _show_usage(found: Mapping[str, Any]) -> None:
    show_table([name.replace("_", " ") for name in COLUMNS], ([row[name] for name in COLUMNS] for row in found["rows"]))
    if not found["rows"]:
        note("no provider was called")
    budget = found["model"]
    for day in (*([budget] if budget["provider"] else []), *found.get("providers", ())):
        note(f"today {day['provider']}: {_share(day, 'tokens')}, {_share(day, 'calls')} ({day['state']})")


def _share(day: Mapping[str, Any], what: str) -> str:
    most = day[f"{what}_per_day_max"]
    return f"{day[f'{what}_today']:,} {f'of {most:,} ' if most else ''}{what}"
