"""Index terms carry their owner in front, so that a posting list is one owner's alone."""

from __future__ import annotations


def qualified_term(owner_id: int, term: str) -> str:
    """``term`` as it stands in the full-text index of ``owner_id``: one token of letters, digits and ``_``."""
    return f"o{owner_id}_{term}"
