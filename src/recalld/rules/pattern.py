"""User regular expressions: RE2 only, so that every pattern has linear running time."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import re2

from recalld.domain.errors import Invalid

from .lines import split_lines

PATTERN_CHARS_MAX = 2_000
LINE_CHARS_MAX = 2_000
# A piece of an expression: an escape (properties and code points with their braces), a class, a counted repeat.
_ATOM = re.compile(
    r"\\[pP](?:\{[^}]*\}|.)|\\x(?:\{[^}]*\}|[0-9A-Fa-f]{2})|\\[0-7]{1,3}|\\.|\[\^?\]?(?:\\.|\[:\w+:\]|[^\]\\])*\]|\{\d*,?\d*\}",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Pattern:
    """A compiled expression. ``literal``: text contained in every match ("" = none known); ``fold``: compare it
    case-insensitively (it is lower-case then); ``raw``: the same expression over bytes; ``anchored``: it uses line
    anchors, so the quick check of the whole text does not apply."""

    compiled: Any
    raw: Any
    literal: str
    fold: bool
    anchored: bool

    def absent(self, data: bytes) -> bool:
        """True if no line of these bytes can match, by a quick check without decoding. Encodings other than UTF-8
        always need the full check."""
        return (
            not self.anchored
            and data.isascii()
            and b"\x1b" not in data
            and b"\x00" not in data
            and self.raw.search(data) is None
        )

    def lines(self, text: str) -> Iterator[tuple[int, str]]:
        """Yield matching lines with 1-based numbers, truncated at 2,000 characters."""
        if self.compiled.search(text) is None and not self.anchored:
            return
        for number, line in enumerate(split_lines(text), 1):
            if self.compiled.search(line) is not None:
                yield number, line[:LINE_CHARS_MAX]


def compile_pattern(pattern: str, ignore_case: bool) -> Pattern:
    """Compile with RE2. Raises ``Invalid`` for anything RE2 rejects (look-around, back-references, bad syntax,
    excessive size)."""
    if not pattern or len(pattern) > PATTERN_CHARS_MAX:
        raise _refused(pattern, f"a pattern has 1 to {PATTERN_CHARS_MAX} characters")
    options = re2.Options()
    options.log_errors = False
    options.case_sensitive = not ignore_case
    options.max_mem = 8 << 20
    try:
        compiled, raw = re2.compile(pattern, options), re2.compile(pattern.encode(), options)
    except re2.error as bad:
        raise _refused(pattern, bad.args[0].decode() if isinstance(bad.args[0], bytes) else str(bad)) from bad
    literal = literal_of(pattern)
    anchored = any(mark in pattern for mark in ("^", "$", "\\A", "\\z"))
    return Pattern(compiled, raw, _caseless(literal) if ignore_case else literal, ignore_case, anchored)


def literal_of(pattern: str) -> str:
    """Return the longest run of at least three plain characters that every match contains; "" if there is none or
    groups and alternatives make it uncertain."""
    runs, at = [""], 0
    if "\\Q" in pattern:
        return ""
    while at < len(pattern):
        piece = _ATOM.match(pattern, at)
        atom = piece[0] if piece else pattern[at]
        at += len(atom)
        if atom in {"(", ")", "|"} or (atom[0] == "[" and len(atom) == 1):
            return ""
        if atom[0] in "*?{":
            # The piece before is optional, so it is not part of the run.
            runs += [runs.pop()[:-1], ""]
        elif _is_plain(atom):
            runs[-1] += atom[-1]
        else:
            runs.append("")
    best = max(runs, key=len)
    return best if len(best) >= 3 else ""


def _is_plain(atom: str) -> bool:
    return (len(atom) == 1 and atom not in ".^$+") or (len(atom) == 2 and atom[0] == "\\" and not atom[1].isalnum())


def _caseless(text: str) -> str:
    # The store compares without case in ASCII only.
    return text.lower() if text.isascii() or text.upper() == text.lower() else ""


def _refused(pattern: str, why: str) -> Invalid:
    return Invalid(
        f"pattern {pattern[:80]!r} is refused: {why}",
        remedy="use RE2 syntax: no look-around, no back-references",
        details={"field": "pattern", "reason": why},
    )
