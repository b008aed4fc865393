"""Long reads split into many short ones, so that no query waits behind them: whether a subtree is indexed, and what a
search by pattern scans."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import apsw

from recalld.adapters.sqlite.database.sql import fetch_one
from recalld.domain.caller import Caller
from recalld.domain.node import Node
from recalld.domain.results import Consistency, MissingRecord
from recalld.domain.uri import Uri
from recalld.ports.maintenance import ChunkRow
from recalld.rules.address import is_message, session_of

from . import background_queries, rows, tree_queries, vector_coverage
from .content_verification import bytes_to_embed
from .tree_queries import TEXTUAL

NODES_MAX = 200_000
PAGE_NODES = 500
Read = Callable[[Callable[[apsw.Connection], Any]], Awaitable[Any]]
_BELOW = (
    "WITH RECURSIVE s(id) AS (SELECT ? UNION ALL SELECT n.id FROM node n JOIN s ON n.parent = s.id WHERE n.gone = 0 "
    "LIMIT ?) SELECT id FROM s"
)
_PAGE = "WITH RECURSIVE s(id) AS (SELECT value FROM json_each(?))"
_INDEXED = (
    "EXISTS (SELECT 1 FROM chunk k JOIN fts_docsize f ON f.id = k.id WHERE k.node = n.id AND k.level = {level}{more})"
)
# A file whose parser found nothing to say has a tier and no chunk: that is complete.
_TEXTS = (
    f"SELECT n.id, 2, {_INDEXED.format(level=2, more=' AND (k.version = n.version OR n.kept)')} FROM node n JOIN s ON s.id = n.id "
    f"WHERE n.kind = 1 AND n.size > 0 AND {TEXTUAL} AND n.name NOT LIKE '.%' AND NOT EXISTS "
    "(SELECT 1 FROM tier t WHERE t.node = n.id AND t.version = n.version AND t.abstract = '')"
)
_MESSAGES = (
    f"SELECT n.id, 2, {_INDEXED.format(level=2, more='')} FROM node n JOIN s ON s.id = n.id "
    "JOIN message m ON m.node = n.id WHERE n.kind = 2 AND trim(m.text) <> ''"
)
_TIERS = " UNION ALL ".join(
    f"SELECT n.id, {level}, {_INDEXED.format(level=level, more='')} FROM node n JOIN s ON s.id = n.id "
    f"JOIN tier t ON t.node = n.id WHERE n.kind = 0 AND n.stale = 0 AND t.{column} <> ''"
    for level, column in ((0, "abstract"), (1, "overview"))
)
_DEAD = (
    f"{_PAGE}, gone(id) AS (SELECT n.id FROM node n JOIN s ON n.parent = s.id WHERE n.gone > 0 "
    "UNION ALL SELECT n.id FROM node n JOIN gone g ON n.parent = g.id) "
    "SELECT count(*) FROM chunk k JOIN gone g ON g.id = k.node"
)


async def consistency(read: Read, caller: Caller, uri: Uri, first: int) -> Consistency:
    nodes = await read(lambda c: _below(c, caller, uri))
    expected = missing = dead = 0
    shown: list[MissingRecord] = []
    refused: Counter[str] = Counter()
    for start in range(0, len(nodes), PAGE_NODES):
        page = json.dumps(nodes[start : start + PAGE_NODES])
        found, lost, gone, why = await read(partial(_look_at, caller=caller, page=page))
        expected, missing, dead = expected + found, missing + len(lost), dead + gone
        refused.update(why)
        shown += lost[: first - len(shown)]
    return Consistency(expected, missing, tuple(shown), dead, dict(refused))


async def unembedded(
    read: Read, get: Callable[[str], Awaitable[bytes]], caller: Caller, fingerprint: str, limit: int
) -> list[ChunkRow]:
    found = await read(lambda c: background_queries.unembedded(c, caller, fingerprint, limit))
    large = await read(lambda c: background_queries.in_blob_store(c, {f[7] for f in found if f[7]}))
    blobs = {h: await bytes_to_embed(h, read, get) for h in large}
    rows_of: list[ChunkRow] = await read(lambda c: background_queries.chunk_rows(c, found, blobs))
    return rows_of


async def candidates(
    read: Read, caller: Caller, uri: Uri, literal: str, fold: bool, depth_max: int, after: int, limit: int
) -> list[tuple[Node, bytes | None]]:
    """See ``ports.ledger.Tree.grep_candidates``; None for bytes in the blob store."""
    while True:
        page, after = await read(
            partial(
                tree_queries.grep_page, caller=caller, uri=uri, literal=literal, fold=fold, depth_max=depth_max, after=after,
                limit=limit,
            )
        )  # fmt: skip
        if page or not after:  # a slice that shows nothing of this subtree is no end
            found: list[tuple[Node, bytes | None]] = page
            return found


def _below(c: apsw.Connection, caller: Caller, uri: Uri) -> list[int]:
    top = tree_queries.stat(c, caller, uri)
    return [id_ for (id_,) in c.execute(_BELOW, (top.id, NODES_MAX))] if top.id else []


def _look_at(c: apsw.Connection, caller: Caller, page: str) -> tuple[int, list[MissingRecord], int, dict[str, int]]:
    paths, expected = rows.PathResolver(c, caller.account), 0
    missing: list[MissingRecord] = []
    for id_, level, there in c.execute(f"{_PAGE} {_TEXTS} UNION ALL {_MESSAGES} UNION ALL {_TIERS}", (page,)):
        path = paths.of(id_)
        if path is None or not _indexable(caller, Uri(path)):
            continue
        expected += 1
        missing += [] if there else [MissingRecord(Uri(path), id_, level)]
    return expected, missing, fetch_one(c, _DEAD, (page,))[0], vector_coverage.refused_below(c, page)


def _indexable(caller: Caller, uri: Uri) -> bool:
    """Contents of a session are found by its messages alone."""
    return rows.may_see(caller, uri) and (not session_of(uri) or is_message(uri))
