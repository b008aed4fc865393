"""Index terms are prefixed with their partition, so that a posting list belongs to one partition."""

from __future__ import annotations


def qualified_term(owner_id: int, term: str) -> str:
    """Return ``term`` as stored in the full-text index of ``owner_id``: one token of letters, digits and ``_``."""
    return f"o{owner_id}_{term}"
