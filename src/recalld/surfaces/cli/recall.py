"""``recalld find``."""

from __future__ import annotations

from typing import Annotated

import typer

from .options import Call, talks
from .render import show_hits

app = typer.Typer()


@app.command(
    epilog="""
Examples:

recalld find "how do I configure retries"

recalld find "退款政策" -u viking://resources/handbook -n 5

recalld find "where does Mara live" --type memory --after 30d --provenance
"""
)
@talks
def find(
    call: Call,
    query: Annotated[str, typer.Argument(help="What to look for, in your own words.")],
    uri: Annotated[list[str] | None, typer.Option("--uri", "-u", help="Look below this address (repeatable).")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="At most this many hits.")] = 10,
    threshold: Annotated[
        float | None, typer.Option("--threshold", "-t", help="Only hits scoring above this (0..1; 0.35 = good ones).")
    ] = None,
    level: Annotated[list[int] | None, typer.Option("--level", "-L", help="0 abstracts, 1 overviews, 2 texts.")] = None,
    kind: Annotated[list[str] | None, typer.Option("--type", help="memory, resource or skill.")] = None,
    tags: Annotated[list[str] | None, typer.Option("--tags", help="k=v; all must be there.")] = None,
    after: Annotated[str, typer.Option(help="Changed after: 2026-05-01, an ISO time, or 7d / 12h ago.")] = "",
    before: Annotated[str, typer.Option(help="Changed before (a day counts to its end).")] = "",
    session_id: Annotated[str, typer.Option(help="Let this session's latest turns widen the question.")] = "",
    provenance: Annotated[bool, typer.Option("--provenance", "-p", help="Say where a hit's words come from.")] = False,
) -> None:
    """Recall what matches a question, best first."""
    reply = call.client.find(
        query,
        target_uri=_one_or_many(uri or []),
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
    call.answer(
        reply.result,
        lambda: show_hits(reply.result, reply.degraded, reply.server_s),
        degraded=list(reply.degraded),
    )


def _one_or_many(uris: list[str]) -> str | list[str]:
    return uris[0] if len(uris) == 1 else uris or ""
