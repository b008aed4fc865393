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
    """Read one or more viking:// addresses."""
    if isinstance(asked.uris, str):
        return await desk.workspace.read(asked.uris)
    if not asked.uris:
        raise Invalid("uris is empty", remedy="name at least one address", details={"field": "uris"})
    return "\n\n".join([f"=== {uri} ===\n{await _one(desk, uri)}" for uri in asked.uris])


async def list_(desk: Desk, asked: args.List) -> str:
    """List a directory."""
    if asked.recursive:
        entries = await desk.workspace.tree(asked.uri, depth=100)
        lines = [_row(e.node, e.rel_path) for e in entries]
    else:
        lines = [_row(n, n.uri.name) for n in await desk.workspace.ls(asked.uri)]
    return "\n".join(lines) or f"{asked.uri} is empty."


async def tree(desk: Desk, asked: args.Tree) -> str:
    """Show what lies below a directory, level by level."""
    entries = await desk.workspace.tree(asked.uri, depth=asked.level_limit, limit=asked.node_limit)
    lines = [asked.uri]
    for entry in entries:
        indent = "  " * (entry.rel_path.count("/") + 1)
        lines.append(indent + _row(entry.node, entry.node.uri.name))
        if asked.include_abstract and entry.node.abstract:
            lines.append(f"{indent}  {_line(entry.node.abstract)}")
    return "\n".join(lines)


async def grep(desk: Desk, asked: args.Grep) -> str:
    """Find lines that match a regular expression (RE2), or any of several."""
    patterns = [asked.pattern] if isinstance(asked.pattern, str) else asked.pattern
    if not patterns:
        raise Invalid("pattern is empty", remedy="give at least one", details={"field": "pattern"})
    whole = patterns[0] if len(patterns) == 1 else "|".join(f"(?:{p})" for p in patterns)
    found = await desk.workspace.grep(asked.uri, whole, ignore_case=asked.case_insensitive, limit=asked.node_limit)
    lines = [f"{m.uri}:{m.line}: {m.content}" for m in found.matches]
    return "\n".join([f"Found {len(lines)} match(es):", *lines]) if lines else "No matches found."


async def glob(desk: Desk, asked: args.Glob) -> str:
    """Find files and directories by a pattern of their path."""
    found = await desk.workspace.glob(asked.pattern, asked.uri, limit=asked.node_limit)
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


async def _one(desk: Desk, uri: str) -> str:
    try:
        return await desk.workspace.read(uri)
    except RecalldError as error:  # one bad address leaves the others alone
        return f"Error: {error}"


def _row(node: Node, name: str) -> str:
    return f"[{'dir' if node.is_dir else 'file'}] {name}"


def _line(text: str) -> str:
    return " ".join(text.split())
