"""The command that explains why an entry is not found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from recalld.domain.errors import Invalid
from recalld.surfaces.client import legible

from .options import Call, with_client
from .render import echo, note, style

app = typer.Typer()
_FLAGS = {"limit": "--limit", "score_threshold": "--threshold", "target_uri": "--uri"}


@app.command("why-not", epilog='Example: recalld why-not viking://resources/docs/retry.md "how do I configure retries"')
@with_client
def why_not(
    call: Call,
    uri: Annotated[str, typer.Argument(help="The entry that was expected.")],
    query: Annotated[str, typer.Argument(help="The question.")],
    target: Annotated[
        list[str] | None, typer.Option("--uri", "-u", help="Search below this address (repeatable).")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="At most this many hits.")] = 5,
    threshold: Annotated[
        float | None, typer.Option("--threshold", "-t", min=0.0, max=1.0, help="Only hits with a higher score.")
    ] = None,
) -> None:
    """Explain why an entry is not found, and what would change that."""
    if not query.strip():
        raise Invalid("the question is empty", remedy='give one: recalld why-not URI "how do I configure retries"')
    reply = call.client.why_not(uri, legible(query), target_uri=target or "", limit=limit, score_threshold=threshold)
    call.answer(reply.result, _show_gates)


def _show_gates(result: Mapping[str, Any]) -> None:
    for gate in result["gates"]:
        mark = style("open  ", "green") if gate["open"] else style("closed", "bold", "red")
        print(mark, style(f"{gate['name']:<9}"), style(str(gate["detail"])))
    nearest = result.get("nearest")
    if nearest is not None:
        flag = _FLAGS.get(str(nearest.get("parameter")))
        echo(f"{flag} {nearest['value']}" if flag else str(nearest["text"]), "bold")
    elif result["found"]:
        note("it is a hit")
