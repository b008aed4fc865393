"""Name patterns: ``*`` within a segment, ``**`` across segments, ``?``, ``[...]`` and ``{a,b}``."""

from __future__ import annotations

import re
from collections.abc import Callable

import re2

from recalld.domain.errors import Invalid

GLOB_CHARS_MAX = 1_000
ALTERNATIVES_MAX = 64


def compile_glob(pattern: str) -> Callable[[str], bool]:
    """A predicate over relative paths. A pattern without ``/`` is matched at the first level, as shells do."""
    if len(pattern) > GLOB_CHARS_MAX:
        raise Invalid(
            f"a pattern of {len(pattern)} characters", remedy=f"at most {GLOB_CHARS_MAX}", details={"field": "pattern"}
        )
    options = re2.Options()
    options.log_errors = False
    whole = "|".join(expression(p) for p in _alternatives(pattern.strip("/")))
    try:
        compiled = re2.compile(f"(?:{whole})", options)
    except re2.error as bad:
        raise Invalid(
            f"pattern {pattern!r} is not a glob", remedy="close its brackets", details={"field": "pattern"}
        ) from bad
    return lambda path: compiled.fullmatch(path) is not None


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
    """One pattern without braces as a regular expression."""
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
        elif pattern[i] == "[" and "]" in pattern[i + 1 :]:
            end = pattern.index("]", i + 1)
            inside = pattern[i + 1 : end].replace("\\", "\\\\")
            out, i = out + "[" + ("^" + inside[1:] if inside.startswith("!") else inside) + "]", end + 1
        else:
            out, i = out + re.escape(pattern[i]), i + 1
    return out
