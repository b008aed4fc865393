"""viking:// addresses: parsed once, then passed on as tuples of clean segments."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from .errors import Denied, Invalid

SCHEME = "viking://"
SCOPES = frozenset({"resources", "user", "agent"})
HIDDEN_SCOPES = frozenset({"temp", "queue", "upload"})
SEGMENT_BYTES_MAX = 255
DEPTH_MAX = 64
URI_BYTES_MAX = 8_192
# C0/C1 controls, zero-width and bidirectional controls: invisible characters that make two names look alike.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")
_DRIVE = re.compile(r"[A-Za-z]:")


@dataclass(frozen=True, slots=True)
class Uri:
    """An absolute address inside one account. ``parts`` is empty for the root ``viking://``."""

    parts: tuple[str, ...] = ()

    def __str__(self) -> str:
        return SCHEME + "/".join(self.parts)

    def __truediv__(self, name: str) -> Uri:
        return Uri((*self.parts, *clean_segments(name, f"{self}/{name}")))

    @property
    def name(self) -> str:
        """Last segment; "" for the root."""
        return self.parts[-1] if self.parts else ""

    @property
    def parent(self) -> Uri:
        """The parent directory; the root is its own parent."""
        return Uri(self.parts[:-1])

    def under(self, other: Uri) -> bool:
        """True if this is ``other`` or below it."""
        return self.parts[: len(other.parts)] == other.parts

    def relative_to(self, base: Uri) -> str:
        """The path below ``base`` ("" for ``base`` itself)."""
        return "/".join(self.parts[len(base.parts) :])

    @classmethod
    def parse(cls, text: str) -> Uri:
        """Parse ``viking://a/b``; a query is cut off, empty segments and a trailing slash are ignored.

        Raises ``Invalid`` (``INVALID_URI``) for another scheme, an unknown scope, control characters or excessive
        length, ``Denied`` for ``.``, ``..``, backslashes and drive prefixes. Aliases (``~``) are resolved in
        ``rules/address``.
        """
        if not text or not text.strip():
            raise bad_uri(text, "it is empty")
        if len(text.encode("utf-8", "surrogatepass")) > URI_BYTES_MAX:
            raise bad_uri(text, f"it is longer than {URI_BYTES_MAX} bytes")
        if not text.startswith(SCHEME):
            raise bad_uri(text, f"it does not start with {SCHEME}")
        return cls(clean_segments(text[len(SCHEME) :].split("?", 1)[0], text))


def clean_segments(path: str, whole: str) -> tuple[str, ...]:
    """Split a path at ``/``, normalise it to NFC (one spelling per name) and check every segment; ``whole`` is shown in
    errors."""
    if not path.isascii():
        path = unicodedata.normalize("NFC", path)
    if _UNSAFE.search(path):
        raise bad_uri(whole, "it holds control or invisible characters")
    if "\\" in path:
        raise unsafe_path(whole, "backslash")
    segments = tuple(s for s in path.split("/") if s)
    if len(segments) > DEPTH_MAX:
        raise bad_uri(whole, f"it is deeper than {DEPTH_MAX} levels")
    for segment in segments:
        if segment in {".", ".."}:
            raise unsafe_path(whole, f"segment {segment!r}")
        if _DRIVE.match(segment):
            raise unsafe_path(whole, "drive prefix")
        if len(segment.encode("utf-8")) > SEGMENT_BYTES_MAX:
            raise bad_uri(whole, f"a name in it is longer than {SEGMENT_BYTES_MAX} bytes")
    return segments


def bad_uri(text: str, reason: str) -> Invalid:
    """Return the API's INVALID_URI error for ``text``."""
    shown = text[:200].encode("utf-8", "backslashreplace").decode()
    return Invalid(
        f"Invalid URI: {shown}: {reason}",
        remedy="give an address such as viking://resources/docs/page.md",
        code="INVALID_URI",
        details={"uri": shown, "reason": reason},
    )


def unsafe_path(text: str, what: str) -> Denied:
    """Return the API's error for a path that tries to leave its tree."""
    return Denied(
        f"Unsafe path in {text[:200]!r}: {what}",
        remedy="name the target without . or .. segments, backslashes and drive letters",
        details={"uri": text[:200], "reason": what},
    )
