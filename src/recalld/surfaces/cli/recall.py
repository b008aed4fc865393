"""``recalld find``."""

from __future__ import annotations

from typing import Annotated

import typer

from recalld.domain.errors import Invalid
from recalld.surfaces.client import legible

from .options import Call, with_client
from .render import show_hits

app = typer.Typer()
_KINDS = ("memory", "resource", "skill")


@app.command(
    epilog="""
Examples:

recalld find "how do I configure retries"

recalld find "退款政策" -u viking://resources/handbook -n 5

recalld find "where does Mara live" --type memory --after 30d --provenance
"""
)
@with_client
def find(
    call: Call,
    query: Annotated[str, typer.Argument(help="What to search for, in your own words.")],
    uri: Annotated[
        list[str] | None, typer.Option("--uri", "-u", help="Search below this address (repeatable).")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="At most this many hits.")] = 10,
    threshold: Annotated[
        float | None,
        typer.Option(
            "--threshold", "-t", min=0.0, max=1.0, help="Only hits with a higher score (0 to 1; 0.35 keeps good ones)."
        ),
    ] = None,
    level: Annotated[
        list[int] | None, typer.Option("--level", "-L", min=0, max=2, help="0 abstracts, 1 overviews, 2 texts.")
    ] = None,
    kind: Annotated[list[str] | None, typer.Option("--type", help="memory, resource or skill.")] = None,
    tags: Annotated[
        list[str] | None, typer.Option("--tags", help="Tags (key=value); a hit must have all of them.")
    ] = None,
    after: Annotated[str, typer.Option(help="Changed after: 2026-05-01, an ISO time, or 7d / 12h ago.")] = "",
    before: Annotated[str, typer.Option(help="Changed before (a day includes its end).")] = "",
    session_id: Annotated[str, typer.Option(help="Expand the query with this session's latest turns.")] = "",
    provenance: Annotated[bool, typer.Option("--provenance", "-p", help="Show the sources of each hit.")] = False,
) -> None:
    """Recall what matches a question, best first."""
    if not query.strip():
        raise Invalid("the question is empty", remedy='ask one: recalld find "how do I configure retries"')
    if unknown := [k for k in kind or () if k not in _KINDS]:
        raise Invalid(f"--type {unknown[0]!r} is unknown", remedy=f"use {', '.join(_KINDS)}")
    reply = call.client.find(
        legible(query),
        target_uri=(uri[0] if len(uri) == 1 else uri) if uri else "",
        limit=limit,
        score_threshold=threshold,
        level=level or (),
        context_type=kind or (),
        tags=tags or (),
        since=after,
        until=before,
        session_id=session_id,
        provenance=provenance,
    )
    if not reply.result.get("total"):  # below an address that does not exist there is nothing: an error, not an answer
        for one in uri or ():
            call.client.stat(one)
    call.answer(
        reply.result,
        lambda _: show_hits(reply.result, reply.degraded, reply.server_s),
        degraded=list(reply.degraded),
    )
