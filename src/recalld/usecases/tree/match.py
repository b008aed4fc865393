"""Search the tree by pattern: grep by regular expression, glob by name."""

from __future__ import annotations

import asyncio
import unicodedata
from collections.abc import Iterator
from itertools import islice

from recalld.domain.caller import Caller
from recalld.domain.errors import Invalid
from recalld.domain.node import Kind, Node
from recalld.domain.results import GrepReport, LineMatch
from recalld.domain.uri import Uri
from recalld.ports.bundle import Ports
from recalld.ports.ledger import Tenant
from recalld.rules.address import session_of
from recalld.rules.contents import verify
from recalld.rules.encoding import decode
from recalld.rules.escapes import may_hold_escapes, unicode_unescaped
from recalld.rules.glob import compile_glob
from recalld.rules.memory_footer import strip
from recalld.rules.pattern import Pattern, compile_pattern
from recalld.rules.tool_outputs import FOLDER

from .read import walk
from .session_files import is_view, stat_view, view_text

PAGE_FILES = 2_000
GREP_DEADLINE_S = 10.0
NAMES_MAX = 200_000


async def grep(
    uri: Uri,
    pattern: str,
    caller: Caller,
    ports: Ports,
    *,
    exclude: Uri | None,
    ignore_case: bool,
    limit: int,
    depth: int,
) -> GrepReport:
    """Return lines that match an RE2 expression, file by file; memories without their footer; bounded in hits and
    time."""
    compiled = compile_pattern(pattern, ignore_case)
    tenant = ports.ledger.tenant(caller)
    if session_of(uri) and uri.parts[4:5] not in {("messages",), (FOLDER,)}:
        return await _grep_views(uri, compiled, tenant, ports, limit)
    await tenant.stat(uri)
    found: list[LineMatch] = []
    scanned, after = 0, 0
    end = ports.clock.monotonic() + GREP_DEADLINE_S
    while (left_s := end - ports.clock.monotonic()) > 0:
        try:
            async with asyncio.timeout(left_s):
                page = await tenant.grep_candidates(
                    uri, literal=compiled.literal, fold=compiled.fold, depth_max=depth, after=after, limit=PAGE_FILES
                )
        except TimeoutError:
            break
        if not page:
            return GrepReport(tuple(found), scanned)
        after = page[-1][0].id
        texts = [(n, data) for n, data in page if exclude is None or not n.uri.under(exclude)]
        scanned += len(texts)
        # One more than the limit, to know whether there are more.
        found += await ports.compute.run(_scan, texts, compiled, limit + 1 - len(found))
        if len(found) > limit:
            break
    return GrepReport(tuple(found[:limit]), scanned, complete=False)


async def _grep_views(uri: Uri, compiled: Pattern, tenant: Tenant, ports: Ports, limit: int) -> GrepReport:
    if is_view(uri) and not (await tenant.read_transaction(lambda reader: stat_view(uri, reader))).is_dir:
        files = [uri]
    else:
        entries = await walk(uri, tenant.caller, ports, depth=3, limit=10_000, hidden=True)
        files = [
            e.node.uri for e in entries if not e.node.is_dir and e.node.uri.name in {"messages.jsonl", ".overview.md"}
        ]
    texts = [(Node(0, f, Kind.FILE), (await view_text(f, tenant)).encode()) for f in files]
    found = await ports.compute.run(_scan, texts, compiled, limit + 1)
    return GrepReport(tuple(found[:limit]), len(texts), complete=len(found) <= limit)


def _scan(texts: list[tuple[Node, bytes]], compiled: Pattern, limit: int) -> list[LineMatch]:
    """Return matching lines, at most ``limit``. Only matching files are verified: hashing all would cost a third
    more."""
    found: list[LineMatch] = []
    for node, data in texts:
        escaped = may_hold_escapes(node.uri.name) and b"\\u" in data
        if compiled.absent(data) and not escaped:
            continue
        text = decode(data).text
        text = strip(text) if "memories" in node.uri.parts else text
        lines = islice(_lines(compiled, text, escaped), limit - len(found))
        matches = [LineMatch(node.uri, number, line) for number, line in lines]
        if matches and node.hash:
            verify(node, data)
        found += matches
        if len(found) >= limit:
            break
    return found


def _lines(compiled: Pattern, text: str, escaped: bool) -> Iterator[tuple[int, str]]:
    """Yield matching lines; in formats with escaped characters both the decoded and the raw text are searched."""
    if not escaped:
        return compiled.lines(text)
    unescaped = dict(compiled.lines(unicode_unescaped(text)))
    return iter(sorted((dict(compiled.lines(text)) | unescaped).items()))


async def glob(pattern: str, uri: Uri, caller: Caller, ports: Ports, *, limit: int) -> list[str]:
    """Return URIs of files and directories whose path below ``uri`` matches; ``**`` spans directories."""
    if not pattern.strip():
        raise Invalid("the pattern is empty", remedy="give one such as **/*.md", details={"field": "pattern"})
    matches = compile_glob(unicodedata.normalize("NFC", pattern))
    tenant = ports.ledger.tenant(caller)
    if session_of(uri):
        entries = await walk(uri, caller, ports, depth=8, limit=NAMES_MAX, hidden=False)
    else:
        entries = await tenant.names(uri, nodes_max=NAMES_MAX)
    return await ports.compute.run(lambda: [str(e.node.uri) for e in entries if matches(e.rel_path)][:limit])
