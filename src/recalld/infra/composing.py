"""Names of stores made before addresses were composed (NFC): brought to the one spelling that addresses have."""

from __future__ import annotations

import json
import time
import unicodedata

import apsw

from .lookup import every

CAUSE = "migration: names composed"
_FOREIGN = "SELECT id, parent, name FROM node WHERE gone = 0 AND parent <> 0 AND name GLOB '*[^ -~]*' ORDER BY id"
_ABOVE = """
WITH RECURSIVE up(id, parent, name) AS (
  SELECT id, parent, name FROM node WHERE id = ?
  UNION ALL SELECT n.id, n.parent, n.name FROM up JOIN node n ON n.id = up.parent)
SELECT name FROM up"""


def compose_names(c: apsw.Connection) -> int:
    """Rename every node whose name is not composed, as a move in the log; returns how many. A name that a neighbour has
    already gets ``_1``, ``_2`` ... before its ending."""
    done = 0
    for node, parent, name in every(c, _FOREIGN):
        composed = unicodedata.normalize("NFC", name)
        if composed != name:
            _rename(c, node, parent, _free(c, parent, composed))
            done += 1
    return done


def _free(c: apsw.Connection, parent: int, name: str) -> str:
    stem, dot, ending = name.rpartition(".")
    if not stem.strip("."):
        stem, dot, ending = name, "", ""
    candidate, count = name, 0
    while c.execute("SELECT 1 FROM node WHERE parent = ? AND name = ? AND gone = 0", (parent, candidate)).fetchall():
        count += 1
        candidate = f"{stem}_{count}{dot}{ending}"
    return candidate


def _rename(c: apsw.Connection, node: int, parent: int, name: str) -> None:
    *above, account = [str(n) for (n,) in c.execute(_ABOVE, (node,))]
    former = "viking://" + "/".join(reversed(above))
    uri = "viking://" + "/".join([*reversed(above[1:]), name])
    detail = json.dumps({"from": former, "parent": parent, "name": name})
    c.execute(
        "INSERT INTO log (at, account, actor, op, node, uri, cause, detail) VALUES (?, ?, '', 'move', ?, ?, ?, ?)",
        (time.time(), account, node, uri, CAUSE, detail),
    ).fetchall()
    c.execute("UPDATE node SET name = ?, seq = ? WHERE id = ?", (name, c.last_insert_rowid(), node)).fetchall()
