"""Phrases that a query puts in quotation marks."""

from __future__ import annotations

import re

PHRASES_MAX = 4
"""A query with more of them is pasted text, such as JSON, in which quotation marks carry no intent."""
PHRASE_CHARS_MAX = 200
_INSIDE = rf"{{1,{PHRASE_CHARS_MAX}}}"
_MARKED = re.compile(
    # A straight mark opens at the start of a word and closes at the end of one: 5" is a length.
    rf'(?<![^\W_])"([^"\n]{_INSIDE})"(?![^\W_])'
    rf"|[“„]([^“”„\n]{_INSIDE})[”“]"
    rf"|«([^«»\n]{_INSIDE})»"
    rf"|「([^「」\n]{_INSIDE})」|『([^『』\n]{_INSIDE})』|《([^《》\n]{_INSIDE})》"
)


def quoted_phrases(text: str) -> tuple[str, ...]:
    """Return the distinct phrases in “…”, "…", „…“, «…», 「…」, 『…』 or 《…》, in order; () if there are more than four."""
    found = dict.fromkeys(next(filter(None, marked.groups())).strip() for marked in _MARKED.finditer(text))
    found.pop("", None)
    return tuple(found) if len(found) <= PHRASES_MAX else ()
