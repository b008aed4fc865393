"""``.ovgitignore``: files that snapshots leave out. Patterns as in a .gitignore, without ``!`` and backslashes."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import re2

from recalld.domain.errors import Invalid

from .glob import expression
from .lines import split_lines

IGNORE_BYTES_MAX = 64 * 1024
PATTERNS_MAX = 500


def check_ignore(text: str) -> str:
    """Return the text unchanged if every line is a supported pattern. Raises ``Invalid`` naming the line."""
    if len(text.encode("utf-8", "surrogatepass")) > IGNORE_BYTES_MAX:
        raise Invalid(
            ".ovgitignore is too large", remedy=f"at most {IGNORE_BYTES_MAX} bytes", details={"field": "content"}
        )
    for number, line in enumerate(split_lines(text), 1):
        if line.startswith("!") or "\\" in line:
            raise Invalid(
                f".ovgitignore line {number} negates or escapes, which is not understood",
                remedy="leave out ! at the beginning, and backslashes",
                details={"field": "content", "line": number},
            )
    _compiled(text)
    return text


def ignoring(text: str) -> Callable[[str], bool]:
    """Return a predicate over file paths from the account's root (``resources/docs/page.md``)."""
    return _compiled(text)


@lru_cache(maxsize=16)
def _compiled(text: str) -> Callable[[str], bool]:
    patterns = [p for line in split_lines(text) if (p := line.strip()) and not p.startswith("#") and p.strip("/")]
    if not patterns:
        return lambda path: False
    if len(patterns) > PATTERNS_MAX:
        raise Invalid(
            f".ovgitignore has {len(patterns)} patterns", remedy=f"at most {PATTERNS_MAX}", details={"field": "content"}
        )
    options = re2.Options()
    options.log_errors = False
    options.never_capture = True
    try:
        compiled = re2.compile("|".join(f"(?:{_whole(p)})" for p in patterns), options)
    except re2.error as bad:
        raise Invalid(
            ".ovgitignore cannot be compiled",
            remedy="close its brackets, or use fewer patterns",
            details={"field": "content"},
        ) from bad
    return lambda path: compiled.fullmatch(path) is not None


def _whole(pattern: str) -> str:
    """Return the expression of a pattern over a whole path and everything below it. A pattern with an inner slash
    starts at the root; without one it matches on every level; a trailing slash matches directories only."""
    inner = pattern.strip("/")
    anywhere = "/" not in pattern.rstrip("/")
    begin = "(?:[^/]+/)*" if anywhere else ""
    return f"{begin}{expression(inner)}{'/.+' if pattern.endswith('/') else '(?:/.+)?'}"
