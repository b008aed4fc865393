"""Text that no reader wants: path data, tables of digits, minified code, encoded bytes."""

from __future__ import annotations

import re
from typing import Final

JUDGED_CHARS_MIN: Final = 160
"""Shorter texts are not judged: a phone number or a hash is what somebody looks for."""
JUDGED_CHARS_MAX: Final = 4_000
HEAD_CHARS: Final = 400
# Anything beyond ASCII counts as a letter: a class of letters alone takes five times as long.
_WORDS = re.compile(r"[A-Za-z\u00aa-\U0010ffff]{3,}")
_FIGURES = re.compile(r"[\d.,+\-]")
_OPERATORS = re.compile(r"[;(){}=&|!]")
_ENCODED = re.compile(r"[A-Za-z0-9+/_-]{40,}={0,2}")
_WIDE = re.compile(r"[^\x00-\x7f]")


def is_noise(text: str, *, chars_min: int = JUDGED_CHARS_MIN) -> bool:
    """True for a text of at least ``chars_min`` characters that is hardly made of words.

    Figures: most characters belong to numbers and at most one in fifteen to a word. Minified code: almost no white space,
    and many operators. Encoded bytes: long runs of upper case, lower case and digits.
    """
    head = text[:HEAD_CHARS]
    # Prose is recognised at a glance: 10 us a chunk.
    if sum(map(len, _WORDS.findall(head))) * 2 > len(head) < 12 * head.count(" "):
        return False
    sample = text[:JUDGED_CHARS_MAX]
    bare = "".join(sample.split())
    size = len(bare)
    if size < chars_min or len(_WIDE.findall(bare)) * 4 > size:
        return False
    figures = len(_FIGURES.findall(bare))
    if figures * 2 > size:
        return sum(map(len, _WORDS.findall(sample))) * 15 < size
    spaces = len(sample) - size
    if spaces * 16 < size and len(_OPERATORS.findall(bare)) * 12 > size:
        return True
    encoded = [run for run in _ENCODED.findall(sample) if _is_mixed(run)]
    return sum(map(len, encoded)) * 5 > size * 4


def _is_mixed(run: str) -> bool:
    return any(c.isdigit() for c in run) and any(c.isupper() for c in run) and any(c.islower() for c in run)
