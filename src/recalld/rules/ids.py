"""Ids of sessions and messages: one segment of an address, in any script."""

from __future__ import annotations

import re
import unicodedata

from recalld.domain.errors import Invalid

CHARS_MAX = 128
BYTES_MAX = 240
"""A message's page is called after it, with an ending; a name may have 255 bytes."""
_MARKS = frozenset("._:@-")
_PLAIN = re.compile(r"[A-Za-z0-9._:@-]+")


def is_id(text: str) -> bool:
    """True for up to 128 letters and digits of any script and . _ : @ -, in composed form (NFC)."""
    if not 0 < len(text) <= CHARS_MAX or text in {".", ".."}:
        return False
    if text.isascii():
        return _PLAIN.fullmatch(text) is not None
    plain = all(c in _MARKS or unicodedata.category(c)[0] in "LMN" for c in text)
    return plain and unicodedata.is_normalized("NFC", text) and len(text.encode("utf-8", "replace")) <= BYTES_MAX


def check_session_id(session_id: str) -> None:
    """Check a session id. Raises ``Invalid``."""
    if not is_id(session_id):
        shown = session_id[:60].encode("utf-8", "replace").decode()
        raise Invalid(
            f"session_id {shown!r} is not an identifier",
            remedy="use up to 128 letters, digits and . _ : @ -",
            details={"field": "session_id"},
        )
