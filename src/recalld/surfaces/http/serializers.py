"""Domain types as the JSON of the API: plain dicts, ready to be encoded."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from recalld.domain.job import QueueCount, Task, TaskStatus
from recalld.domain.node import ContextType, Entry, Node
from recalld.domain.query import Answer, Hit, Passage, Selection, Trajectory
from recalld.domain.results import ContextBlock, GrepReport, VectorCount, Written
from recalld.domain.uri import Uri
from recalld.domain.why_not import WhyNot
from recalld.rules.address import context_type
from recalld.rules.openviking_json import iso
from recalld.rules.redact import redacted
from recalld.rules.sidecar import not_ready

_LISTS = {ContextType.MEMORY: "memories", ContextType.RESOURCE: "resources", ContextType.SKILL: "skills"}
_PARAMETERS = {
    "targets": "target_uri",
    "types": "context_type",
    "levels": "level",
    "score_min": "score_threshold",
    "times": "time range",
}
"""Fields of a query, as the body of a find names them."""
_DIR_MODE = 0o755
_FILE_MODE = 0o644
_QUEUES = {"embed": "Embedding", "extract": "SessionCommit", "import": "AddResource"}
_NO_WORK = {"processed": 0, "requeue_count": 0, "error_count": 0}


def vectors(counts: Sequence[VectorCount]) -> dict[str, Any]:
    """``vectors`` of the model that lacks most: the number of chunks that have one, of how many, and why texts were refused one;
    {} without a model."""
    if not counts:
        return {}
    behind = min(reversed(counts), key=lambda count: count.made)
    shown = {"made": behind.made, "wanted": behind.wanted, "refused": dict(behind.refused), "model": behind.model}
    return {"vectors": shown}


def listed(node: Node, abstract_chars_max: int, rel_path: str | None = None) -> dict[str, Any]:
    """An entry in the form for agents, with its abstract. A directory without one has a sentence that it is not ready."""
    is_dir = node.is_dir
    shown: dict[str, Any] = {
        "uri": str(node.uri),
        "size": 0 if is_dir else node.size,
        "isDir": is_dir,
        "modTime": iso(node.updated_at),
    }
    if rel_path is not None:
        shown["rel_path"] = rel_path
    shown["abstract"] = cut(node.abstract or (not_ready(node.uri, 0) if is_dir else ""), abstract_chars_max)
    return shown


def original(node: Node) -> dict[str, Any]:
    """An entry as a file system would show it."""
    is_dir = node.is_dir
    return {
        "name": node.uri.name,
        "size": 0 if is_dir else node.size,
        "mode": _DIR_MODE if is_dir else _FILE_MODE,
        "modTime": iso(node.updated_at),
        "isDir": is_dir,
        "uri": str(node.uri),
    }


def walked(entry: Entry, output: str, abstract_chars_max: int) -> dict[str, Any]:
    """An entry of a tree, either way."""
    shown = listed(entry.node, abstract_chars_max, entry.rel_path)
    return shown if output == "agent" else shown | original(entry.node)


def stat(node: Node, count: int | None) -> dict[str, Any]:
    """One entry; ``count`` for directories only."""
    shown = original(node)
    del shown["uri"]
    meta = {"tags": list(node.tags), "media": node.media, "version": node.version}
    shown |= {"isLocked": False, "meta": {} if node.is_dir else meta}
    return shown if count is None else shown | {"count": count}


def cut(text: str, chars_max: int) -> str:
    """At most ``chars_max`` characters, ending in three dots if something was left out."""
    return text if len(text) <= chars_max else text[: max(0, chars_max - 3)] + "..."[:chars_max]


def hit(found: Hit) -> dict[str, Any]:
    """Exactly the wire's six keys."""
    return {
        "context_type": found.type.value,
        "uri": str(found.uri),
        "level": found.level,
        "score": found.score if math.isfinite(found.score) else 0.0,
        "abstract": found.abstract,
        "tags": list(found.tags),
    }


def passage(found: Passage | None) -> dict[str, Any] | None:
    """A passage; null for an unknown line."""
    if found is None:
        return None
    return {
        "text": found.text,
        "headings": list(found.headings),
        "line_start": found.line_start or None,
        "line_end": found.line_end or None,
        "marks": [list(mark) for mark in found.marks],
    }


def answer(found: Answer, selection: Selection) -> dict[str, Any]:
    """Hits by type, in their order, with the fields of ``selection``; with a trajectory, also the reasons."""
    lists: dict[str, Any] = {"memories": [], "resources": [], "skills": []}
    for one in found.hits:
        shown = hit(one)
        if selection.passages:
            shown["passage"] = passage(one.passage)
        if selection.fold:
            shown["folded"] = [str(uri) for uri in one.folded]
        lists[_LISTS[one.type]].append(shown)
    lists["total"] = len(found.hits)
    if selection.gap:
        lists["weaker"] = found.weaker
    if found.trajectory is not None:
        lists["provenance"] = [_provenance(one) for one in found.hits]
        lists["trajectory"] = _trajectory(found, found.trajectory)
    return lists


def _provenance(found: Hit) -> dict[str, Any]:
    sources = [
        {"uri": str(s.uri), "session_id": s.session_id or None, "message_id": s.message_id or None}
        for s in found.sources
    ]
    return {
        "uri": str(found.uri),
        "sources": sources or [{"uri": str(found.uri), "session_id": None, "message_id": None}],
        "features": [
            {"name": one.name, "raw": one.raw, "share": one.share, "note": one.note} for one in found.features
        ],
    }


def _trajectory(found: Answer, by: Trajectory) -> dict[str, Any]:
    return {
        "stages": [{"name": one.name, "ms": round(one.took_ms, 3), "note": one.note} for one in found.stages],
        "taken": [{"uri": str(one.uri), "by": list(one.by)} for one in by.taken],
        "cut": [{"uri": str(one.uri), "score": one.score, "rule": one.rule} for one in by.cut],
        "degraded": list(found.degraded),
        "confidence": by.confidence,
        "answerable": found.answerable,
    }


def why_not(found: WhyNot) -> dict[str, Any]:
    """The gates of a search for one entry."""
    ranks, nearest = found.ranks, found.nearest
    return {
        "uri": str(found.uri),
        "found": found.found,
        "gates": [{"name": gate.name, "open": gate.open, "detail": gate.detail} for gate in found.gates],
        "score": ranks and ranks.score,
        "ranks": ranks
        and {"words": ranks.words, "meaning": dict(ranks.meaning), "fused": ranks.fused, "entries": ranks.entries},
        "nearest": nearest
        and {
            "parameter": _PARAMETERS.get(nearest.parameter, nearest.parameter) or None,
            "value": nearest.value,
            "text": nearest.text,
        },
    }


def block(found: ContextBlock) -> dict[str, Any]:
    """A context block."""
    entries = [
        {
            "uri": str(e.uri),
            "category": e.category,
            "score": e.score if math.isfinite(e.score) else 0.0,
            "detail": e.detail,
            "text": e.text,
            "origin": e.origin,
        }
        for e in found.entries
    ]
    return {"entries": entries, "rendered": found.rendered, "digest": found.digest, "stats": dict(found.stats)}


def grep(report: GrepReport) -> dict[str, Any]:
    """Matching lines and the number of scanned files."""
    matches = [{"line": m.line, "uri": str(m.uri), "content": m.content} for m in report.matches]
    return {
        "matches": matches,
        "count": len(matches),
        "match_count": len(matches),
        "files_scanned": report.files_scanned,
        "truncated": not report.complete,
    }


def written(uri: Uri, result: Written, mode: str, queues: dict[str, Any] | None) -> dict[str, Any]:
    """The write of one file. Without ``wait`` the tiers of its directory follow in the background."""
    memory = context_type(uri) is ContextType.MEMORY
    later = "complete" if queues is not None or uri in result.unchanged else "queued"
    shown = {
        "uri": str(uri),
        "root_uri": str(uri.parent),
        "context_type": context_type(uri).value,
        "mode": mode,
        "written_bytes": result.bytes_written,
        "content_updated": True,
        "semantic_status": "skipped" if memory else later,
        "vector_status": "complete" if result.indexed else later,
        "queue_status": queues,
    }
    return shown | {"overview_status": later} if memory else shown


def batch(root: Uri, result: Written, queues: dict[str, Any] | None) -> dict[str, Any]:
    """The result of a batch, by file."""
    later = "complete" if queues is not None or not (result.created or result.updated) else "queued"
    return {
        "root_uri": str(root),
        "created": [str(u) for u in result.created],
        "updated": [str(u) for u in result.updated],
        "unchanged": [str(u) for u in result.unchanged],
        "queue_status": queues,
        "semantic_status": later,
        "vector_status": "complete" if result.indexed else later,
    }


def queues(counts: Sequence[QueueCount]) -> dict[str, Any]:
    """Work by the wire's queue names; ``Semantic`` and ``Embedding`` are always there."""
    shown: dict[str, Any] = {name: _NO_WORK | {"errors": []} for name in ("Semantic", "Embedding")}
    for count in counts:
        row = shown.setdefault(_QUEUES.get(count.kind, "Semantic"), _NO_WORK | {"errors": []})
        row["processed"] += count.done
        row["error_count"] += count.dead
        if count.dead:
            row["errors"].append({"message": f"{count.dead} {count.kind} jobs failed for good"})
    return shown


def progress(before: Sequence[QueueCount], after: Sequence[QueueCount]) -> dict[str, Any]:
    """The work between two counts, by queue: of the request that waited, and of any other in the meantime."""
    was = {count.kind: count for count in before}
    return queues(
        [
            replace(c, done=c.done - was[c.kind].done, dead=max(0, c.dead - was[c.kind].dead)) if c.kind in was else c
            for c in after
        ]
    )


_NEVER_DONE: dict[str, Any] = {
    "session_skills_extracted": 0,
    "session_skill_uris": [],
    "usage_events_extracted": 0,
    "active_count_updated": 0,
    "agent_evolution_enabled": False,
    "agent_memory_skip_reason": "agent evolution is off",
}
"""Fields of a session commit that clients expect and that are always 0 here."""


def import_result(result: Mapping[str, Any]) -> dict[str, Any]:
    """An import's result with the queues through which clients follow one."""
    queue = {"processed": result.get("files", 0), "requeue_count": 0, "error_count": 0, "errors": []}
    return {"queue_status": {"Semantic": queue, "Embedding": queue}, **result}


def _result(one: Task) -> dict[str, Any] | None:
    if one.result is None or one.status is not TaskStatus.COMPLETED:
        return one.result
    match one.type:
        case "session_commit":
            return {**_NEVER_DONE, **one.result}
        case "add_resource":
            return import_result(one.result)
    return one.result


def task(one: Task) -> dict[str, Any]:
    """A background task."""
    return {
        "task_id": one.id,
        "task_type": one.type,
        "status": one.status.value,
        "created_at": one.created_at,
        "updated_at": one.updated_at,
        "resource_id": one.resource_id or None,
        "meta": one.meta,
        "stage": one.stage or None,
        "result": _result(one),
        "error": redacted(one.error) or None,
        "created_at_iso": iso(one.created_at),
        "updated_at_iso": iso(one.updated_at),
    }
