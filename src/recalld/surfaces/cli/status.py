"""``recalld status`` and ``recalld version``."""

from __future__ import annotations

from typing import Any

import typer

from recalld.domain.errors import Denied, NotFound
from recalld.domain.version import VERSION

from .options import Call, with_client
from .render import echo, show_facts, vectors_words

app = typer.Typer()


@app.command()
@with_client
def status(call: Call) -> None:
    """Show the state of the server and the current user."""
    ready = call.client.ready()
    counted = ready.get("vectors")
    facts: dict[str, Any] = {
        "server": call.url,
        "version": call.client.health().get("version"),
        "state": ready.get("state") or ready.get("status"),
        "reasons": ready.get("reasons") or ready.get("reason"),
        "user": call.client.system_status().get("user"),
        "findable": _count(call),
        "vectors": vectors_words(counted) if isinstance(counted, dict) else None,
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


def _words(value: Any) -> Any:
    return ", ".join(str(part) for part in value) if isinstance(value, list) else value


@app.command()
@with_client
def version(call: Call) -> None:
    """Print the version of this program."""
    call.answer({"version": VERSION}, lambda _: echo(f"recalld {VERSION}"))
