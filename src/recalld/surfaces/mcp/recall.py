"""Tools that look something up, each answering in plain text."""

from __future__ import annotations

from collections.abc import Mapping
from textwrap import indent
from typing import Any

from recalld.domain.errors import Invalid, RecalldError
from recalld.domain.hit import Answer
from recalld.domain.node import Node
from recalld.domain.uri import Uri

from . import arguments as args
from .desk import Desk

EMPTY = "No matching context found."
_MIN_SCORE = 0.35
_CONTENT_CHARS_MAX = 40_000
_CONTENT_CHARS_EACH = 8_000
READ_CHARS_MAX = 100_000
"""Characters of one answer of read: about 25,000 tokens."""
READ_CHARS_MIN = 2_000
GREP_LINE_CHARS_MAX = 500
LIST_DEPTH = 64
_MORE = "[only the first {}; raise node_limit or name a deeper uri]"
_CATEGORIES = ("events", "entities", "preferences", "experiences", "resources", "skills", "memories")


async def find(desk: Desk, asked: args.Find) -> str:
    """Find memories, resources and skills that answer a question; with read_content the best ones in full."""
    found = await desk.workspace.find(asked.query, **_options(asked, asked.min_score))
    return listed(found, await _contents(desk, found) if asked.read_content else {})


async def search(desk: Desk, asked: args.Search) -> str:
    """Find in the light of a session, or with mode context give one block of text that fits a budget."""
    if asked.mode == "context":
        return await _block(desk, asked)
    floor = _MIN_SCORE if asked.min_score is None else asked.min_score
    found = await desk.workspace.search(asked.query, session_id=asked.session_id or "", **_options(asked, floor))
    return listed(found)


async def read(desk: Desk, asked: args.Read) -> str:
    """Read one or more viking:// addresses. Long texts are cut at whole lines: go on with offset (lines from 0) and limit."""
    if isinstance(asked.uris, str):
        return await _page(desk, asked.uris, asked, READ_CHARS_MAX)
    if not asked.uris:
        raise Invalid("uris is empty", remedy="name at least one address", details={"field": "uris"})
    each = max(READ_CHARS_MIN, READ_CHARS_MAX // len(asked.uris))
    shown, left = list[str](), READ_CHARS_MAX
    for at, uri in enumerate(asked.uris):
        if left <= 0:
            shown.append(f"[{len(asked.uris) - at} more were not read: name fewer addresses at once]")
            break
        text = await _one(desk, uri, asked, min(each, left))
        left -= len(text)
        shown.append(f"=== {uri} ===\n{text}")
    return "\n\n".join(shown)


async def _page(desk: Desk, uri: str, asked: args.Read, chars_max: int) -> str:
    """A text, or the part of it that fits and how to go on."""
    page = await desk.workspace.read_page(uri, offset=asked.offset, limit=asked.limit, chars_max=chars_max)
    if page.whole:
        return page.text
    more = f"; go on with offset={page.end}" if page.end < page.total else ""
    cut = "; the last line was cut, download has all of it" if page.cut else ""
    return f"{page.text.rstrip()}\n[lines {page.start} to {page.end} of {page.total}{more}{cut}]"


async def list_(desk: Desk, asked: args.List) -> str:
    """List a directory."""
    most = asked.node_limit
    if asked.recursive:
        entries = await desk.workspace.tree(asked.uri, depth=LIST_DEPTH, limit=most + 1)
        lines = [_row(e.node, e.rel_path) for e in entries]
    else:
        lines = [_row(n, n.uri.name) for n in await desk.workspace.ls(asked.uri, limit=most + 1)]
    return "\n".join(_cut_list(lines, most)) or f"{asked.uri} is empty."


async def tree(desk: Desk, asked: args.Tree) -> str:
    """Show what lies below a directory, level by level."""
    most = asked.node_limit
    entries = await desk.workspace.tree(asked.uri, depth=asked.level_limit, limit=most + 1)
    more, entries = len(entries) > most, entries[:most]
    lines = [asked.uri]
    for entry in entries:
        indent = "  " * (entry.rel_path.count("/") + 1)
        lines.append(indent + _row(entry.node, entry.node.uri.name))
        if asked.include_abstract and entry.node.abstract:
            lines.append(f"{indent}  {_line(entry.node.abstract)}")
    return "\n".join([*lines, *([_MORE.format(most)] if more else [])])


async def grep(desk: Desk, asked: args.Grep) -> str:
    """Find lines that match a regular expression (RE2), or any of several."""
    patterns = [asked.pattern] if isinstance(asked.pattern, str) else asked.pattern
    if not patterns:
        raise Invalid("pattern is empty", remedy="give at least one", details={"field": "pattern"})
    whole = patterns[0] if len(patterns) == 1 else "|".join(f"(?:{p})" for p in patterns)
    found = await desk.workspace.grep(asked.uri, whole, ignore_case=asked.case_insensitive, limit=asked.node_limit)
    lines = [f"{m.uri}:{m.line}: {m.content[:GREP_LINE_CHARS_MAX]}" for m in found.matches]
    if found.complete:
        return "\n".join([f"Found {len(lines)} match(es):", *lines]) if lines else "No matches found."
    if len(lines) < asked.node_limit:
        return "\n".join(
            [f"Found {len(lines)} match(es) before the time allowed was over; name a smaller uri:", *lines]
        )
    return "\n".join(
        [f"Found more than {len(lines)} matches; the first {len(lines)} (raise node_limit for more):", *lines]
    )


async def glob(desk: Desk, asked: args.Glob) -> str:
    """Find files and directories by a pattern of their path."""
    found = await desk.workspace.glob(asked.pattern, asked.uri, limit=asked.node_limit + 1)
    if len(found) > asked.node_limit:
        shown = found[: asked.node_limit]
        head = f"Found more than {len(shown)} files; the first {len(shown)} (raise node_limit for more):"
        return "\n".join([head, *shown])
    return "\n".join([f"Found {len(found)} file(s):", *found]) if found else "No matching files found."


async def health(desk: Desk, asked: args.Nothing) -> str:
    """Say whether the store works."""
    state = await desk.engine.readiness()
    reasons = f": {'; '.join(state.reasons)}" if state.reasons else ""
    return f"recalld is {state.state}{reasons}"


async def _contents(desk: Desk, found: Answer) -> dict[Uri, str]:
    """Texts of the best hits, until there is enough to read; what has gone meanwhile is left out."""
    contents: dict[Uri, str] = {}
    left = _CONTENT_CHARS_MAX
    for hit in found.hits:
        if left <= 0:
            break
        try:
            text = await desk.workspace.read(str(hit.uri))
        except RecalldError:  # a hit that cannot be read leaves the others alone
            continue
        contents[hit.uri] = _cut(text.strip(), min(left, _CONTENT_CHARS_EACH))
        left -= len(contents[hit.uri])
    return contents


def _cut(text: str, chars_max: int) -> str:
    return text if len(text) <= chars_max else f"{text[:chars_max].rstrip()}\n[cut: use read for the rest]"


def listed(found: Answer, contents: Mapping[Uri, str] | None = None) -> str:
    """Hits as agents read them, the best first, each with its abstract, or its text where ``contents`` has it."""
    notes = [f"(answered without: {', '.join(found.degraded)})"] if found.degraded else []
    if not found.hits:
        return "\n".join([EMPTY, *notes])
    lines = [f"Found {len(found.hits)} item(s):"]
    for hit in found.hits:
        text = (contents or {}).get(hit.uri, _line(hit.abstract))
        lines += [f"- [{hit.type} {round(hit.score * 100)}%] {hit.uri}", indent(text, "  ")]
    return "\n".join([*lines, "Use read with an address to see all of it.", *notes])


def _options(asked: args.Find | args.Search, floor: float) -> dict[str, Any]:
    return {
        "target_uri": asked.target_uri,
        "limit": asked.limit,
        "score_threshold": floor,
        "level": asked.level or (),
        "context_type": asked.context_type or (),
    }


async def _block(desk: Desk, asked: args.Search) -> str:
    if asked.target_uri:
        raise Invalid("target_uri does not go with mode context", remedy="leave it out; quotas choose what is recalled")
    detail: dict[str, str] = {} if asked.detail == "auto" else dict.fromkeys(_CATEGORIES, asked.detail)
    detail |= asked.detail_by_category or {}
    penalty = asked.other_peer_penalty
    penalties = ({} if penalty is None else dict.fromkeys(_CATEGORIES, penalty)) | (asked.other_peer_penalties or {})
    found = await desk.workspace.assemble(
        asked.query,
        session_id=asked.session_id or "",
        query_expansion=asked.query_expansion == "auto",
        max_tokens=asked.max_tokens,
        quotas=asked.quotas,
        purpose=asked.purpose or "",
        detail={c: d for c, d in detail.items() if d != "auto"} or None,
        limit=asked.limit,
        score_min=asked.min_score,
        exclude=tuple(asked.exclude_uris or ()),
        all_peers=asked.peer_scope == "all",
        penalties=penalties or None,
        dedup_turns=asked.dedup_turns,
        rewrite=asked.rewrite,
        rewrite_max_bullets=asked.rewrite_max_bullets,
        narrow={k: v for k, v in (("level", asked.level), ("context_type", asked.context_type)) if v},
    )
    return found.digest or found.rendered or EMPTY


async def _one(desk: Desk, uri: str, asked: args.Read, chars_max: int) -> str:
    try:
        return await _page(desk, uri, asked, chars_max)
    except RecalldError as error:  # one bad address leaves the others alone
        return f"Error: {error}"


def _cut_list(lines: list[str], most: int) -> list[str]:
    return [*lines[:most], _MORE.format(most)] if len(lines) > most else lines


def _row(node: Node, name: str) -> str:
    return f"[{'dir' if node.is_dir else 'file'}] {name}"


def _line(text: str) -> str:
    return " ".join(text.split())
