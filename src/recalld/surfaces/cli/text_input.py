"""Text arguments of commands: files and stdin, in any encoding."""

from __future__ import annotations

import sys
from pathlib import Path

from recalld.domain.errors import Invalid
from recalld.rules.encoding import decode
from recalld.rules.media import HEAD_BYTES, is_binary

from .render import note


def read_text(path: Path | None) -> str:
    """A file's text, or stdin's for None; one that is not UTF-8 is read as an import reads it, and that is said. Raises
    ``Invalid``."""
    named = "stdin" if path is None else str(path)
    try:
        if path is None and sys.stdin.isatty():
            note("reading the text from the terminal; end it with Ctrl-D")
        data = sys.stdin.buffer.read() if path is None else path.read_bytes()
    except OSError as unreadable:
        raise Invalid(f"cannot read {named}: {unreadable.strerror}", remedy="check the path") from unreadable
    if is_binary(data[:HEAD_BYTES]):
        raise Invalid(f"{named} is not text", remedy="import it instead: recalld add")
    decoded = decode(data)
    if decoded.warning:
        note(f"warning: {named}: {decoded.warning}")
    return decoded.text
