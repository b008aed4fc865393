"""Tags as sent by callers: ``key=value``, one value per key."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from recalld.domain.errors import Invalid

from .search_request import tag


def tags_of(texts: Iterable[str]) -> tuple[str, ...]:
    """Return the valid tags in order, lower-cased. Anything but ``key=value`` is left out; the last value of a key
    wins."""
    by_key: dict[str, str] = {}
    for text in texts:
        try:
            whole = tag(text)
        except Invalid:
            continue
        by_key.pop(whole.partition("=")[0], None)
        by_key[whole.partition("=")[0]] = whole
    return tuple(by_key.values())


def merged(old: Sequence[str], new: Sequence[str], *, append: bool) -> tuple[str, ...]:
    """Return a node's new tags: ``new`` alone, or ``old`` with ``new`` added and replaced by key."""
    return tags_of((*old, *new) if append else new)
