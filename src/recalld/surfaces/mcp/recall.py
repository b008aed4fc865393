"""Tools that read and search. They answer in plain text."""

from __future__ import annotations

from collections.abc import Mapping
from textwrap import indent

from recalld.domain.errors import Invalid, RecalldError
from recalld.domain.node import Node
from recalld.domain.query import Answer, Hit
from recalld.domain.uri import Uri
from recalld.rules.context import ALL_CATEGORIES
from recalld.rules.search_request import SearchOptions

from . import arguments as args
from .tool_context import ToolContext

EMPTY = "No matching context found."
_MIN_SCORE = 0.35
_CONTENT_CHARS_MAX = 40_000
_CONTENT_CHARS_EACH = 8_000
READ_CHARS_MAX = 100_000
"""Largest answer of read: about 25,000 tokens."""
READ_CHARS_MIN = 2_000
GREP_LINE_CHARS_MAX = 500
LIST_DEPTH = 64
FOLDED_SHOWN = 3
_MORE = "[only the first {}; raise node_limit or name a deeper uri]"


async def find(context: ToolContext, params: args.Find) -> str:
    """Search memories, resources and skills. Each hit shows the passage that answers; all_hits includes copies and weak hits,
    read_content the text of the best hits."""
    result = await context.workspace.find(params.query, **_options(params, params.min_score), **_shown(params))
    return listed(result, await _contents(context, result) if params.read_content else {})


async def search(context: ToolContext, params: args.Search) -> str:
    """Search in the context of a session, or with mode context return one block of text within a token budget."""
    if params.mode == "context":
        return await _block(context, params)
    floor = _MIN_SCORE if params.min_score is None else params.min_score
    result = await context.workspace.search(
        params.query, session_id=params.session_id or "", **_options(params, floor), **_shown(params)
    )
    return listed(result)


async def read(context: ToolContext, params: args.Read) -> str:
    """Read one or more viking:// addresses. Long texts are cut at a line: continue with offset (lines from 0) and limit."""
    if isinstance(params.uris, str):
        return await _page(context, params.uris, params, READ_CHARS_MAX)
    if not params.uris:
        raise Invalid("uris is empty", remedy="name at least one address", details={"field": "uris"})
    each = max(READ_CHARS_MIN, READ_CHARS_MAX // len(params.uris))
    shown, chars_left = list[str](), READ_CHARS_MAX
    for at, uri in enumerate(params.uris):
        if chars_left <= 0:
            shown.append(f"[{len(params.uris) - at} more were not read: name fewer addresses]")
            break
        text = await _one(context, uri, params, min(each, chars_left))
        chars_left -= len(text)
        shown.append(f"=== {uri} ===\n{text}")
    return "\n\n".join(shown)


async def _page(context: ToolContext, uri: str, params: args.Read, chars_max: int) -> str:
    """A text, or the part of it that fits and how to continue."""
    page = await context.workspace.read_page(uri, offset=params.offset, limit=params.limit, chars_max=chars_max)
    if page.whole:
        return page.text
    more = f"; continue with offset={page.end}" if page.end < page.total else ""
    cut = "; the last line was cut, download has all of it" if page.cut else ""
    return f"{page.text.rstrip()}\n[lines {page.start} to {page.end} of {page.total}{more}{cut}]"


async def list_(context: ToolContext, params: args.List) -> str:
    """List a directory."""
    most = params.node_limit
    if params.recursive:
        entries = await context.workspace.tree(params.uri, depth=LIST_DEPTH, limit=most + 1)
        lines = [_row(e.node, e.rel_path) for e in entries]
    else:
        lines = [_row(n, n.uri.name) for n in await context.workspace.ls(params.uri, limit=most + 1)]
    more = [_MORE.format(most)] if len(lines) > most else []
    return "\n".join([*lines[:most], *more]) or f"{params.uri} is empty."


async def tree(context: ToolContext, params: args.Tree) -> str:
    """Show everything below a directory, by level."""
    most = params.node_limit
    entries = await context.workspace.tree(params.uri, depth=params.level_limit, limit=most + 1)
    more, entries = len(entries) > most, entries[:most]
    lines = [params.uri]
    for entry in entries:
        indent = "  " * (entry.rel_path.count("/") + 1)
        lines.append(indent + _row(entry.node, entry.node.uri.name))
        if params.include_abstract and entry.node.abstract:
            lines.append(f"{indent}  {_line(entry.node.abstract)}")
    return "\n".join([*lines, *([_MORE.format(most)] if more else [])])


async def grep(context: ToolContext, params: args.Grep) -> str:
    """Find lines that match a regular expression (RE2), or any of several."""
    patterns = [params.pattern] if isinstance(params.pattern, str) else params.pattern
    if not patterns:
        raise Invalid("pattern is empty", remedy="give at least one", details={"field": "pattern"})
    whole = patterns[0] if len(patterns) == 1 else "|".join(f"(?:{p})" for p in patterns)
    result = await context.workspace.grep(
        params.uri, whole, ignore_case=params.case_insensitive, limit=params.node_limit
    )
    lines = [f"{m.uri}:{m.line}: {m.content[:GREP_LINE_CHARS_MAX]}" for m in result.matches]
    if result.complete:
        return "\n".join([f"Found {len(lines)} match(es):", *lines]) if lines else "No matches found."
    if len(lines) < params.node_limit:
        return "\n".join([f"Found {len(lines)} match(es) before the time limit; name a smaller uri:", *lines])
    return "\n".join(
        [f"Found more than {len(lines)} matches; the first {len(lines)} (raise node_limit for more):", *lines]
    )


async def glob(context: ToolContext, params: args.Glob) -> str:
    """Find files and directories by a glob pattern."""
    result = await context.workspace.glob(params.pattern, params.uri, limit=params.node_limit + 1)
    if len(result) > params.node_limit:
        shown = result[: params.node_limit]
        head = f"Found more than {len(shown)} files; the first {len(shown)} (raise node_limit for more):"
        return "\n".join([head, *shown])
    return "\n".join([f"Found {len(result)} file(s):", *result]) if result else "No matching files found."


async def health(context: ToolContext, params: args.Nothing) -> str:
    """Report whether the store works."""
    state = await context.engine.readiness()
    reasons = f": {'; '.join(state.reasons)}" if state.reasons else ""
    return f"recalld is {state.state}{reasons}"


async def _contents(context: ToolContext, result: Answer) -> dict[Uri, str]:
    """The texts of the best hits, up to a total size. A file that is gone is left out."""
    contents: dict[Uri, str] = {}
    chars_left = _CONTENT_CHARS_MAX
    for hit in result.hits:
        if chars_left <= 0:
            break
        try:
            text = await context.workspace.read(str(hit.uri))
        except RecalldError:  # a hit that cannot be read leaves the others alone
            continue
        contents[hit.uri] = _cut(text.strip(), min(chars_left, _CONTENT_CHARS_EACH))
        chars_left -= len(contents[hit.uri])
    return contents


def _cut(text: str, chars_max: int) -> str:
    return text if len(text) <= chars_max else f"{text[:chars_max].rstrip()}\n[cut: use read for the rest]"


def listed(result: Answer, contents: Mapping[Uri, str] | None = None) -> str:
    """The text of hits, best first, each with its passage or abstract, or its text if ``contents`` has it."""
    notes = [f"(answered without: {', '.join(result.degraded)})"] if result.degraded else []
    if not result.hits:
        return "\n".join([EMPTY, *notes])
    lines = [f"Found {len(result.hits)} item(s):"]
    for hit in result.hits:
        text = (contents or {}).get(hit.uri) or _excerpt(hit)
        lines += [f"- [{hit.type} {round(hit.score * 100)}%] {hit.uri}", indent(text, "  ")]
        if hit.folded:
            more = f" and {len(hit.folded) - FOLDED_SHOWN} more" if len(hit.folded) > FOLDED_SHOWN else ""
            lines.append(f"  [the same text: {', '.join(map(str, hit.folded[:FOLDED_SHOWN]))}{more}]")
    if result.weaker:
        lines.append(f"({result.weaker} weaker hit(s) left out; all_hits shows them)")
    return "\n".join([*lines, "Use read with an address for the full text.", *notes])


def _excerpt(hit: Hit) -> str:
    """A hit's passage below its headings and lines, or its abstract."""
    passage = hit.passage
    if passage is None:
        return _line(hit.abstract)
    lines = f"lines {passage.line_start} to {passage.line_end}" if passage.line_start else ""
    place = ", ".join(part for part in (" > ".join(passage.headings), lines) if part)
    return f"[{place}]\n{passage.text}" if place else passage.text


def _shown(params: args.Find | args.Search) -> dict[str, bool]:
    return {"passages": True, "fold": not params.all_hits, "gap": not params.all_hits}


def _options(params: args.Find | args.Search, floor: float) -> SearchOptions:
    return {
        "target_uri": params.target_uri,
        "limit": params.limit,
        "score_threshold": floor,
        "level": params.level or (),
        "context_type": params.context_type or (),
    }


async def _block(context: ToolContext, params: args.Search) -> str:
    if params.target_uri:
        raise Invalid("target_uri does not go with mode context", remedy="leave it out; quotas choose what is recalled")
    detail: dict[str, str] = {} if params.detail == "auto" else dict.fromkeys(ALL_CATEGORIES, params.detail)
    detail |= params.detail_by_category or {}
    penalty = params.other_peer_penalty
    penalties = ({} if penalty is None else dict.fromkeys(ALL_CATEGORIES, penalty)) | (
        params.other_peer_penalties or {}
    )
    result = await context.workspace.assemble(
        params.query,
        session_id=params.session_id or "",
        query_expansion=params.query_expansion == "auto",
        max_tokens=params.max_tokens,
        quotas=params.quotas,
        purpose=params.purpose or "",
        detail={c: d for c, d in detail.items() if d != "auto"} or None,
        limit=params.limit,
        score_min=params.min_score,
        exclude=tuple(params.exclude_uris or ()),
        all_peers=params.peer_scope == "all",
        penalties=penalties or None,
        dedup_turns=params.dedup_turns,
        rewrite=params.rewrite,
        rewrite_max_bullets=params.rewrite_max_bullets,
        narrow={"level": params.level or (), "context_type": params.context_type or ()},
    )
    return result.digest or result.rendered or EMPTY


async def _one(context: ToolContext, uri: str, params: args.Read, chars_max: int) -> str:
    try:
        return await _page(context, uri, params, chars_max)
    except RecalldError as error:  # one bad address leaves the others alone
        return f"Error: {error}"


def _row(node: Node, name: str) -> str:
    return f"[{'dir' if node.is_dir else 'file'}] {name}"


def _line(text: str) -> str:
    return " ".join(text.split())


async def download(context: ToolContext, params: args.Download) -> str:
    """Return an address from which a file can be fetched once, within ten minutes, without a key."""
    node = await context.workspace.stat(params.uri)
    if node.is_dir:
        raise Invalid(f"{node.uri} is a directory", remedy="name a file in it; list shows them")
    if context.ticket is None:
        raise Invalid(
            "there is no server to download from: this agent is on the store's own machine",
            remedy="read the file, or run recalld get while recalld serve has the store",
            code="UNIMPLEMENTED",
        )
    address = context.ticket(str(node.uri))
    return f"{node.uri} ({node.size} bytes) can be fetched once, within ten minutes, from:\n{address}"
