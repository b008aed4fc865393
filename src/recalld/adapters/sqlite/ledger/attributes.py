"""Tags and origin of an entry. The log records their former values, so that a change can be undone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from recalld.domain.commit import SetAttributes, SetTags
from recalld.domain.errors import Conflict, Invalid
from recalld.domain.policy import TAGS_MAX
from recalld.domain.uri import Uri
from recalld.rules.tags import merged

from . import rows
from .rows import Row
from .transaction import WriteTx, existing, required


def changes(found: Row, tags: Sequence[str] | None, source: dict[str, Any] | None) -> dict[str, Any]:
    """Former and new value of tags and origin where they differ, for the log entry (None: unchanged)."""
    had, came_from = json.loads(found.tags), json.loads(found.source)
    changed: dict[str, Any] = {}
    if tags is not None and list(tags) != had:
        changed["tags"] = [had, list(tags)]
    if source is not None and source != came_from:
        changed["source"] = [came_from, source]
    return changed


def set_tags(tx: WriteTx, op: SetTags) -> None:
    """See ``commit.SetTags``."""
    found = existing(tx, op.uri)
    if found is None and op.optional:
        return
    if found is None:
        raise rows.missing(op.uri)
    had = tuple(json.loads(found.tags))
    tags = merged(had, op.tags, append=True) if op.append else op.tags
    if len(tags) > TAGS_MAX:
        raise Invalid(f"{len(tags)} tags on one entry", remedy=f"at most {TAGS_MAX}", details={"field": "tags"})
    if tags == had:
        tx.result.unchanged.append(op.uri)
        return
    seq = tx.log("tags", found.id, op.uri, detail={"tags": [had, tags]})
    tx.c.execute("UPDATE node SET tags = ?, seq = ? WHERE id = ?", (json.dumps(tags), seq, found.id))
    tx.result.updated.append(op.uri)


def set_attributes(tx: WriteTx, op: SetAttributes) -> None:
    """See ``commit.SetAttributes``."""
    found = required(tx, op.uri)
    if op.expect_tags is not None and list(op.expect_tags) != json.loads(found.tags):
        raise Conflict(
            f"{op.uri} has other tags by now",
            remedy="read them again",
            code="ABORTED",
            details={"uri": str(op.uri), "retryable": True},
        )
    done = update_attributes(tx, op.uri, found, op.tags, op.source)
    (tx.result.updated if done else tx.result.unchanged).append(op.uri)


def update_attributes(
    tx: WriteTx, uri: Uri, found: Row, tags: Sequence[str] | None, source: dict[str, Any] | None
) -> bool:
    """Set an entry's tags and origin (None: unchanged); False if it has them already."""
    changed = changes(found, tags, source)
    if not changed:
        return False
    seq = tx.log("attrs", found.id, uri, detail=changed)
    tx.c.execute(
        "UPDATE node SET tags = coalesce(?, tags), source = coalesce(?, source), seq = ? WHERE id = ?",
        (
            None if tags is None else json.dumps(list(tags)),
            None if source is None else json.dumps(source, ensure_ascii=False),
            seq,
            found.id,
        ),
    )
    return True
