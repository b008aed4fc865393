"""Brings names of stores made before addresses were NFC to NFC."""

from __future__ import annotations

import json
import time
import unicodedata

import apsw

from recalld.infra.logs import get_logger

from .sql import fetch_all

CAUSE = "migration: names composed"
_NON_ASCII_NAMES = (
    "SELECT id, parent, name, kind FROM node WHERE id > ? AND gone = 0 AND parent <> 0 AND name GLOB '*[^ -~]*' "
    "ORDER BY id LIMIT ?"
)
_ABOVE = """
WITH RECURSIVE up(id, parent, name) AS (
  SELECT id, parent, name FROM node WHERE id = ?
  UNION ALL SELECT n.id, n.parent, n.name FROM up JOIN node n ON n.id = up.parent)
SELECT name FROM up"""
PAGE = 10_000
LOG_EVERY = 20_000
"""Names, about a second."""
log = get_logger("recalld.store")
DIRECTORY = 0
PathCache = dict[int, list[str]]
"""Names above and of a directory, outermost (the account's) first."""


def normalize_names(c: apsw.Connection) -> int:
    """Rename every node whose name is not NFC, as a move in the log; returns how many. If a sibling has the name already,
    ``_1``, ``_2`` ... goes before the extension. Checking a million names takes a second."""
    done = after = logged = 0
    paths: PathCache = {}
    while page := fetch_all(c, _NON_ASCII_NAMES, (after, PAGE)):
        for node, parent, name, kind in page:
            composed = unicodedata.normalize("NFC", name)
            if composed != name:
                _rename(c, node, parent, name, _unused_name(c, parent, composed), paths)
                done += 1
                if kind == DIRECTORY or len(paths) > PAGE:
                    paths.clear()
        after = page[-1][0]
        if done - logged >= LOG_EVERY:
            logged = done
            log.info("normalizing names to NFC", renamed=done)
    if done:
        log.info("names normalized to NFC", renamed=done)
    return done


def _unused_name(c: apsw.Connection, parent: int, name: str) -> str:
    stem, dot, ending = name.rpartition(".")
    if not stem.strip("."):
        stem, dot, ending = name, "", ""
    candidate, count = name, 0
    while c.execute("SELECT 1 FROM node WHERE parent = ? AND name = ? AND gone = 0", (parent, candidate)).fetchall():
        count += 1
        candidate = f"{stem}_{count}{dot}{ending}"
    return candidate


def _rename(c: apsw.Connection, node: int, parent: int, former: str, name: str, paths: PathCache) -> None:
    if parent not in paths:
        paths[parent] = [str(n) for (n,) in c.execute(_ABOVE, (parent,))][::-1]
    account, *above = paths[parent]
    detail = json.dumps({"from": "viking://" + "/".join([*above, former]), "parent": parent, "name": name})
    c.execute(
        "INSERT INTO log (at, account, actor, op, node, uri, cause, detail) VALUES (?, ?, '', 'move', ?, ?, ?, ?)",
        (time.time(), account, node, "viking://" + "/".join([*above, name]), CAUSE, detail),
    )
    c.execute("UPDATE node SET name = ?, seq = ? WHERE id = ?", (name, c.last_insert_rowid(), node))
