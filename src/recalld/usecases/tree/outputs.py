"""Tool outputs stored as separate files of a session: list, read, search."""

from __future__ import annotations

from typing import Any

from recalld.domain.caller import Caller
from recalld.domain.errors import Invalid, NotFound
from recalld.domain.results import ToolResult
from recalld.domain.uri import Uri
from recalld.ports.bundle import Ports
from recalld.ports.ledger import Tree
from recalld.rules.tool_outputs import FOLDER, TEXT_FILE, is_output_id, matches

LISTED_MAX = 100_000
SNIPPET_CHARS_MAX = 10_000


async def outputs(session_id: str, tool_name: str, limit: int, caller: Caller, ports: Ports) -> list[dict[str, Any]]:
    """Return the facts of a session's tool outputs, newest first; of one tool if ``tool_name`` is set."""
    tenant = ports.ledger.tenant(caller)
    session = await tenant.session(session_id)
    found = await _facts(session.uri / FOLDER, tenant)
    chosen = [facts for _, facts in found if not tool_name or facts.get("tool_name") == tool_name]
    return sorted(chosen, key=lambda f: str(f.get("created_at")), reverse=True)[:limit]


async def output(session_id: str, output_id: str, offset: int, limit: int, caller: Caller, ports: Ports) -> ToolResult:
    """Return ``limit`` characters (-1 = all) from ``offset``. Raises ``NotFound``."""
    data, facts = await _stored(session_id, output_id, caller, ports)
    text, total = await ports.compute.run(_stretch, data, offset, limit)
    return ToolResult(output_id, text, offset, total, facts)


async def search_output(
    session_id: str, output_id: str, wanted: str, limit: int, context_chars: int, caller: Caller, ports: Ports
) -> list[tuple[int, str]]:
    """Return where ``wanted`` occurs in an output, ignoring case: offsets with surrounding text. Raises
    ``NotFound``."""
    if not wanted.strip():
        raise Invalid("q is empty", remedy="say what to look for", details={"field": "q"})
    data, _ = await _stored(session_id, output_id, caller, ports)
    return await ports.compute.run(_search, data, wanted, limit, min(context_chars, SNIPPET_CHARS_MAX))


async def outputs_of(message: Uri, tree: Tree) -> list[Uri]:
    """Return the folders of a message's outputs."""
    found = await _facts(message.parent.parent / FOLDER, tree)
    return [folder for folder, facts in found if facts.get("message_id") == message.name.removesuffix(".md")]


async def _facts(folder: Uri, tree: Tree) -> list[tuple[Uri, dict[str, Any]]]:
    try:
        entries = await tree.walk(folder, depth_max=2, nodes_max=3 * LISTED_MAX)
    except NotFound:
        return []
    return [(e.node.uri.parent, e.node.source) for e in entries if e.node.uri.name == TEXT_FILE]


def _stretch(data: bytes, offset: int, limit: int) -> tuple[str, int]:
    """Return this many characters and the total; outputs may be megabytes, so it runs off the loop."""
    text = data.decode("utf-8", "replace")
    return text[offset : len(text) if limit < 0 else offset + limit], len(text)


def _search(data: bytes, wanted: str, limit: int, context_chars: int) -> list[tuple[int, str]]:
    return matches(data.decode("utf-8", "replace"), wanted, limit, context_chars)


async def _stored(session_id: str, output_id: str, caller: Caller, ports: Ports) -> tuple[bytes, dict[str, Any]]:
    tenant = ports.ledger.tenant(caller)
    session = await tenant.session(session_id)
    missing = NotFound(
        f"Tool result not found: {output_id[:120]}",
        remedy="list the session's tool results",
        details={"type": "tool_result", "resource": output_id[:120]},
    )
    if not is_output_id(output_id):
        raise missing
    uri = session.uri / FOLDER / output_id / TEXT_FILE
    try:
        node, data = await tenant.file(uri)
    except NotFound as gone:
        raise missing from gone
    return data, node.source
