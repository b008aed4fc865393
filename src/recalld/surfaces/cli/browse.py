"""Commands that read and search: ls, tree, stat, read, abstract, overview, grep, glob, find."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from recalld.domain.errors import Invalid, RecalldError
from recalld.surfaces.client import legible

from .explain import show_explained
from .hits import EMPTY, show_hits
from .options import Call, with_client
from .render import note, show_entries, show_facts, style

app = typer.Typer()
UriArgument = Annotated[str, typer.Argument(help="Address, such as viking://resources/docs or viking://~/memories.")]
HiddenOption = Annotated[bool, typer.Option("--all", "-a", help="Include hidden entries.")]
LimitOption = Annotated[int, typer.Option("--limit", "-n", min=1, help="At most this many.")]


@app.command()
@with_client
def ls(
    call: Call,
    uri: UriArgument = "viking://",
    long: Annotated[bool, typer.Option("--long", "-l", help="Show sizes and times.")] = False,
    recursive: Annotated[bool, typer.Option("--recursive", "-r", help="List three levels.")] = False,
    hidden: HiddenOption = False,
    limit: LimitOption = 1000,
    sort: Annotated[str, typer.Option(help="name or mtime.")] = "",
    reverse: Annotated[bool, typer.Option(help="Descending order (with --sort).")] = False,
) -> None:
    """List a directory."""
    call.answer(
        call.client.ls(uri, limit=limit, hidden=hidden, recursive=recursive, sort_by=sort or None, descending=reverse),
        lambda entries: show_entries(entries, long=long, nested=recursive),
    )


@app.command()
@with_client
def tree(
    call: Call,
    uri: UriArgument = "viking://",
    depth: Annotated[int, typer.Option("--depth", "-L", min=1, help="Levels.")] = 3,
    hidden: HiddenOption = False,
    limit: LimitOption = 1000,
) -> None:
    """Show everything below an address, with abstracts."""
    call.answer(
        call.client.tree(uri, depth=depth, limit=limit, hidden=hidden),
        lambda entries: show_entries(entries, nested=True),
    )


@app.command()
@with_client
def stat(call: Call, uri: UriArgument) -> None:
    """Show the metadata of an entry."""
    call.answer(call.client.stat(uri), show_facts)


@app.command()
@with_client
def read(
    call: Call,
    uri: UriArgument,
    offset: Annotated[int, typer.Option(min=0, help="First line, from 0.")] = 0,
    limit: Annotated[int, typer.Option("--limit", "-n", help="Lines; -1 = all.")] = -1,
    raw: Annotated[bool, typer.Option("--raw", help="Include the fields of a memory.")] = False,
) -> None:
    """Print a file."""
    call.answer(
        call.client.read(uri, offset=offset, limit=limit, raw=raw),
        lambda text: print(text, end="" if text.endswith("\n") else "\n"),
    )


@app.command()
@with_client
def abstract(call: Call, uri: UriArgument) -> None:
    """Print the abstract (L0) of a directory."""
    if not call.client.stat(uri).get("isDir"):
        raise Invalid(f"{uri} is a file, and abstracts are of directories", remedy=f"recalld read {uri}")
    call.answer(call.client.abstract(uri), print)


@app.command()
@with_client
def overview(call: Call, uri: UriArgument) -> None:
    """Print the overview (L1) of a directory."""
    call.answer(call.client.overview(uri), print)


@app.command(epilog='Example: recalld grep "retry_after" -u viking://resources/docs -i')
@with_client
def grep(
    call: Call,
    pattern: Annotated[str, typer.Argument(help="Regular expression (RE2), matched line by line.")],
    uri: Annotated[str, typer.Option("--uri", "-u", help="Below this address.")] = "viking://",
    exclude: Annotated[str, typer.Option("--exclude", "-x", help="Leave out this subtree.")] = "",
    ignore_case: Annotated[bool, typer.Option("--ignore-case", "-i", help="Ignore case.")] = False,
    limit: LimitOption = 256,
    depth: Annotated[int, typer.Option("--depth", "-L", help="Levels.")] = 10,
) -> None:
    """Find lines by regular expression."""

    def show(found: dict[str, Any]) -> None:
        for match in found["matches"]:
            print(style(f"{match['uri']}", "cyan") + style(f":{match['line']}: {match['content']}"))
        note(f"{found['count']} in {found.get('files_scanned', '?')} files")

    call.answer(
        call.client.grep(pattern, uri, exclude=exclude, ignore_case=ignore_case, limit=limit, depth=depth), show
    )


@app.command(epilog='Example: recalld glob "**/*.md" -u viking://resources')
@with_client
def glob(
    call: Call,
    pattern: Annotated[str, typer.Argument(help="Path pattern relative to --uri; ** crosses directories.")],
    uri: Annotated[str, typer.Option("--uri", "-u", help="Below this address.")] = "viking://",
    limit: LimitOption = 256,
) -> None:
    """Find entries by path."""
    call.answer(
        call.client.glob(pattern, uri, limit=limit),
        lambda uris: print("\n".join(uris)) if uris else note("nothing matched"),
    )


_KINDS = ("memory", "resource", "skill")
ThresholdOption = Annotated[
    float | None,
    typer.Option(
        "--threshold", "-t", min=0.0, max=1.0, help="Only hits with a higher score (0 to 1; 0.35 keeps good ones)."
    ),
]
LevelOption = Annotated[
    list[int] | None, typer.Option("--level", "-L", min=0, max=2, help="0 abstracts, 1 overviews, 2 texts.")
]
EverythingOption = Annotated[
    bool, typer.Option("--all", "-a", help="Show copies and weak hits too (below half of the best score).")
]


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
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="At most this many hits.")] = 5,
    threshold: ThresholdOption = None,
    level: LevelOption = None,
    kind: Annotated[list[str] | None, typer.Option("--type", help="memory, resource or skill.")] = None,
    tags: Annotated[
        list[str] | None, typer.Option("--tags", help="Tags (key=value); a hit must have all of them.")
    ] = None,
    after: Annotated[str, typer.Option(help="Changed after: 2026-05-01, an ISO time, or 7d / 12h ago.")] = "",
    before: Annotated[str, typer.Option(help="Changed before (a day includes its end).")] = "",
    session_id: Annotated[str, typer.Option(help="Expand the query with this session's latest turns.")] = "",
    provenance: Annotated[bool, typer.Option("--provenance", "-p", help="Show the sources of each hit.")] = False,
    long: Annotated[bool, typer.Option("--long", "-l", help="Show the abstract of each hit too.")] = False,
    everything: EverythingOption = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="Draw the shares of each score, and what was cut.")
    ] = False,
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
        passages=True,
        fold=not (everything or call.as_json),
        gap=not (everything or call.as_json),
        provenance=provenance or explain,
    )
    if not reply.result.get("total"):  # below an address that does not exist there is nothing: an error, not an answer
        for one in uri or ():
            call.client.stat(one)
    if not (reply.result.get("total") or uri or call.as_json) and _is_empty(call):
        note(EMPTY)
        return
    call.answer(
        reply.result,
        lambda _: (
            show_explained(reply.result, reply.degraded)
            if explain
            else show_hits(reply.result, reply.degraded, reply.server_s, long=long)
        ),
        degraded=list(reply.degraded),
    )


def _is_empty(call: Call) -> bool:
    """True if the caller has nothing to find. A server that does not tell has something."""
    try:
        return call.client.count() == 0
    except RecalldError:
        return False
