"""Name patterns: ``*`` within a segment, ``**`` across segments, ``?``, ``[...]`` and ``{a,b}``."""

from __future__ import annotations

import re
from collections.abc import Callable

import re2

from recalld.domain.errors import Invalid

GLOB_CHARS_MAX = 1_000
ALTERNATIVES_MAX = 64


def compile_glob(pattern: str) -> Callable[[str], bool]:
    """Compile a pattern to a predicate over relative paths. A pattern without ``/`` matches at the first level, as in
    shells."""
    if len(pattern) > GLOB_CHARS_MAX:
        raise Invalid(
            f"a pattern of {len(pattern)} characters", remedy=f"at most {GLOB_CHARS_MAX}", details={"field": "pattern"}
        )
    pattern = _plain_classes(pattern)
    options = re2.Options()
    options.log_errors = False
    whole = "|".join(expression(p.translate(_AS_WRITTEN)) for p in _alternatives(pattern.strip("/")))
    try:
        compiled = re2.compile(f"(?:{whole})", options)
    except re2.error as bad:
        raise Invalid(
            f"pattern {pattern!r} is not a glob", remedy="close its brackets", details={"field": "pattern"}
        ) from bad
    return lambda path: compiled.fullmatch(path) is not None


_IN_CLASS = {ord("{"): "\udc00", ord("}"): "\udc01", ord(","): "\udc02"}
"""What braces and commas are within a class until alternatives are told apart; no path holds such characters."""
_AS_WRITTEN = {ord(stands): chr(code) for code, stands in _IN_CLASS.items()}


def _plain_classes(pattern: str) -> str:
    """Return the pattern with braces and commas inside classes replaced by placeholders. Raises ``Invalid`` for an
    unclosed bracket or brace; a literal one must be in brackets."""
    plain, at = "", 0
    while at < len(pattern):
        end = _class_end(pattern, at) if pattern[at] == "[" else at
        if end < 0:
            raise _unclosed(pattern, "[")
        piece = pattern[at : end + 1]
        plain += piece if end == at else piece.translate(_IN_CLASS)
        at = end + 1
    if "{" in _without_pairs(plain):
        raise _unclosed(pattern, "{")
    return plain


def _without_pairs(text: str) -> str:
    """Return the text without matching braces, at any depth."""
    while (less := re.sub(r"\{[^{}]*\}", "", text)) != text:
        text = less
    return text


def _class_end(pattern: str, begin: int) -> int:
    """Return the end of the class that begins at ``[``, or -1. A ``]`` in first position is a literal."""
    first = begin + (2 if pattern[begin + 1 : begin + 2] in {"!", "^"} else 1)
    return pattern.find("]", first + 1)


def _unclosed(pattern: str, bracket: str) -> Invalid:
    return Invalid(
        f"pattern {pattern[:80]!r} has a {bracket} that is not closed",
        remedy=f"close it, or write [{bracket}] for the character itself",
        details={"field": "pattern"},
    )


def _alternatives(pattern: str) -> list[str]:
    done, todo = [], [pattern]
    while todo:
        one = todo.pop()
        braces = re.search(r"\{([^{}]*)\}", one)
        if braces is None:
            done.append(one)
        else:
            todo += [one[: braces.start()] + part + one[braces.end() :] for part in braces[1].split(",")]
        if len(todo) + len(done) > ALTERNATIVES_MAX:
            raise Invalid(
                "too many alternatives in braces", remedy=f"at most {ALTERNATIVES_MAX}", details={"field": "pattern"}
            )
    return done


def expression(pattern: str) -> str:
    """Return the regular expression of a pattern without braces."""
    out, i = "", 0
    while i < len(pattern):
        if pattern.startswith("**/", i):
            out, i = out + "(?:[^/]+/)*", i + 3
        elif pattern.startswith("**", i):
            out, i = out + ".*", i + 2
        elif pattern[i] == "*":
            out, i = out + "[^/]*", i + 1
        elif pattern[i] == "?":
            out, i = out + "[^/]", i + 1
        elif pattern[i] == "[" and (end := _class_end(pattern, i)) > 0:
            inside = pattern[i + 1 : end].replace("\\", "\\\\").replace("[", "\\[")
            out, i = out + "[" + ("^" + inside[1:] if inside.startswith("!") else inside) + "]", end + 1
        else:
            out, i = out + re.escape(pattern[i]), i + 1
    return out
