"""The header of a file that holds one message of a transcript: "[2023-05-08T13:56] Caroline: text"."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .media import suffix_of
from .moments import epoch_of

ROLES = frozenset({"user", "assistant", "system", "tool"})
HEAD_CHARS_MAX = 160
_STAMPED = re.compile(r"\s*\[(\d{4}-\d\d-\d\d[^\]\n]{0,30})\]\s*(?:([^\W\d][^:：\[\]\n]{0,40}?)[:：]\s)?")
_PROSE = frozenset({"", ".md", ".markdown", ".txt", ".text"})
_ROLE = re.compile(r"\s*(user|assistant|system|tool)[:：]\s", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class TranscriptHeader:
    """``speaker`` ("" = unknown), time (epoch seconds, None = unknown), offset of the text, and the original time
    stamp."""

    speaker: str
    at: float | None
    start: int
    stamp: str = ""


def transcript_header(text: str, name: str = "") -> TranscriptHeader | None:
    """Parse a time stamp in brackets, with or without a speaker, or a role; return None if there is neither.

    A bare "Name: text" is not a header: tool descriptions and glossaries look the same. ``name``: the file's name ("" = a
    message's own text). A role starts a message in prose only: in YAML ``user: www-data`` is a setting.
    """
    head = text[:HEAD_CHARS_MAX]
    stamped = _STAMPED.match(head)
    if stamped is not None:
        at = epoch_of(stamped[1])
        if at is not None:
            return TranscriptHeader((stamped[2] or "").strip(), at, stamped.end(), stamped[1])
    role = _ROLE.match(head) if suffix_of(name) in _PROSE else None
    return TranscriptHeader(role[1].lower(), None, role.end()) if role else None
