"""Tags as callers send them: ``key=value``, one value a key."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from recalld.domain.errors import Invalid

from .search_request import tag


def tags_of(texts: Iterable[str]) -> tuple[str, ...]:
    """The valid ones in order, lower-cased; what is no ``key=value`` is left out, a later value of a key wins."""
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
    """What a node's tags become: ``new`` alone, or ``old`` with those of ``new`` added and replaced by key."""
    return tags_of((*old, *new) if append else new)
