"""A session's memory policy: which messages and memory types are extracted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from recalld.domain.memory_type import BY_NAME, MEMORY_TYPES
from recalld.domain.session import Message
from recalld.domain.uri import Uri

from .tags import tags_of

TYPES = frozenset(one.name for one in MEMORY_TYPES if one.by_default)
"""Default types of a policy."""
DIFF_FILE = "memory_diff.json"
"""File next to an archive's messages: the memories extracted from them."""
EXTRACTED_TO = "extracted_to"
"""Session setting: the ordinal up to which memories were extracted from live messages. A commit passes its current value to
the archive's job."""


@dataclass(frozen=True, slots=True)
class MemoryPolicy:
    """``own``: extract from the user's messages; ``peers``: from messages with a peer;
    ``working``: write an overview of the archive."""

    own: bool = True
    peers: bool = True
    working: bool = True
    types: frozenset[str] = TYPES

    def allowed(self, messages: Sequence[Message]) -> tuple[Message, ...]:
        """Return the messages that memories may be extracted from."""
        if not self.types:
            return ()
        return tuple(m for m in messages if (self.peers if m.peer_id else self.own))


def read_memory_policy(policy: Mapping[str, Any] | None) -> MemoryPolicy:
    """Parse the API's ``memory_policy``; missing parts get their defaults."""
    fields = policy or {}
    named = fields.get("memory_types")
    types = TYPES if named is None else frozenset(name for one in named for name in (one, *_implied(one)))
    return MemoryPolicy(_on(fields, "self"), _on(fields, "peer"), _on(fields, "working_memory"), types)


def event_tags(config: Mapping[str, Any], over: Sequence[str] | None) -> tuple[str, ...]:
    """Tags of event memories: a commit's own (``over``, [] = none), else the session's."""
    if over is not None:
        return tags_of(over)
    extraction = config.get("memory_extraction_config") or {}
    return tags_of((extraction.get("events") or {}).get("tags") or ())


def memory_type(uri: Uri) -> str:
    """Return the type that a memory's address implies: ``events``, or ``profile`` for ``profile.md``; "" outside
    memories."""
    at = uri.parts.index("memories") + 1 if "memories" in uri.parts else len(uri.parts)
    return uri.parts[at].removesuffix(".md") if at < len(uri.parts) else ""


def memory_diff(archive: Uri, trace_id: str, at: str, changes: Sequence[tuple[Uri, str | None, str]]) -> dict[str, Any]:
    """Return the changes an archive made to memories, in the API's form. ``changes``: address, text before (None: did
    not exist) and after; unchanged memories are left out."""
    adds = [
        {"uri": str(u), "memory_type": memory_type(u), "after": after} for u, before, after in changes if before is None
    ]
    updates = [
        {"uri": str(u), "memory_type": memory_type(u), "before": before, "after": after}
        for u, before, after in changes
        if before is not None and before != after
    ]
    return {
        "archive_uri": str(archive),
        "trace_id": trace_id,
        "extracted_at": at,
        "operations": {"adds": adds, "updates": updates, "deletes": []},
        "summary": {"total_adds": len(adds), "total_updates": len(updates), "total_deletes": 0},
    }


def _on(policy: Mapping[str, Any], part: str) -> bool:
    return bool((policy.get(part) or {}).get("enabled", True))


def _implied(name: str) -> tuple[str, ...]:
    return BY_NAME[name].implies if name in BY_NAME else ()
