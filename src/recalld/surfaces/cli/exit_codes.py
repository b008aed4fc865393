"""Exit codes by family of error, and the output of errors."""

from __future__ import annotations

import io
import json
import sys
from typing import Any

from recalld.domain.errors import Busy, Closed, Conflict, Corrupt, Denied, Invalid, NotFound, RecalldError, Upstream
from recalld.rules.wording import worded

OK = 0
RUNTIME = 1
INTERRUPTED = 130
BROKEN_PIPE = 141
"""What a shell reports for a program that lost its reader (128 + SIGPIPE)."""
_CODES: tuple[tuple[type[RecalldError], int], ...] = (
    (Invalid, 2),
    (NotFound, 3),
    (Denied, 4),
    (Conflict, 5),
    (Busy, 6),
    (Closed, 6),
    (Upstream, 7),
    (Corrupt, 8),
)

WORDS = {
    "begin_new_store": "recalld fsck --new-store --data",
    "check": "recalld fsck",
    "config": "--config",
    "confirm_removals": "recalld add --yes",
    "create_account": "the server's administration",
    "create_user": "the server's administration",
    "data": "--data",
    "keep_removed": "recalld add --keep-removed",
    "repair": "recalld fsck --repair",
    "snapshot_log": "recalld snapshot log",
    "snapshot_versions": "recalld snapshot log",
    "validate_skill": "recalld skills validate",
}
"""What remedies call by the name of an operation."""


def exit_code(error: RecalldError) -> int:
    """Return the exit code of the error's family, 1 for any other error."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), RUNTIME)


def lenient_output() -> None:
    """Let consoles that lack a character (cp1252, GBK, ASCII) show a question mark instead of ending the command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def print_json(value: Any) -> None:
    """One line of JSON on stdout, in UTF-8 whatever the locale."""
    line = json.dumps(value, ensure_ascii=False, default=str, separators=(",", ":")) + "\n"
    sys.stdout.flush()
    sys.stdout.buffer.write(line.encode("utf-8", "backslashreplace"))
    sys.stdout.buffer.flush()


def report(error: RecalldError, *, as_json: bool) -> int:
    """Print ``error`` (to stdout as JSON, else to stderr as text) and return its exit code."""
    remedy = worded(error.remedy, WORDS)
    if as_json:
        facts: dict[str, object] = {"code": error.code, "message": error.message, "details": error.details}
        if remedy:
            facts["remedy"] = remedy
        print_json({"ok": False, "error": facts})
    else:
        print(f"error: {error.message}", file=sys.stderr)
        if remedy:
            print(f"  try: {remedy}", file=sys.stderr)
    return exit_code(error)
