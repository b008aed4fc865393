"""Bytes to text: UTF-8, else GB18030, else Latin-1, always something readable and always said."""

from __future__ import annotations

from dataclasses import dataclass

_ASCII = bytes(range(128))
_MARKS = (
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe\x00\x00", "utf-32-le"),
    (b"\x00\x00\xfe\xff", "utf-32-be"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
)
# A GBK character is two bytes with the high bit, as a rule; Latin-1 read as GBK swallows one ASCII letter per accent.
_HIGH_BYTES_PER_CHAR_MIN = 1.5
_DAMAGED_SHARE_MAX = 0.02


@dataclass(frozen=True, slots=True)
class Decoded:
    """``text`` without byte order mark, ``encoding`` it was read with, ``warning`` what to tell ("" = nothing)."""

    text: str
    encoding: str
    warning: str = ""


def decode(data: bytes) -> Decoded:
    """Read bytes as text. Total and linear; never yields lone surrogates."""
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return _marked(data[len(mark) :], encoding)
    try:
        return Decoded(data.decode("utf-8"), "utf-8")
    except UnicodeDecodeError as broken:
        first_bad = broken.start
    return _damaged_utf8(data, first_bad) or _gb18030(data) or _latin1(data)


def _marked(data: bytes, encoding: str) -> Decoded:
    text = data.decode(encoding, "replace")
    if "\ufffd" in text:
        return Decoded(text, encoding, f"some bytes are not {encoding.upper()}; they were replaced")
    said = "" if encoding == "utf-8" else f"read as {encoding.upper()}"
    return Decoded(text, encoding, said)


def _damaged_utf8(data: bytes, first_bad: int) -> Decoded | None:
    """A UTF-8 file with a few broken bytes is still UTF-8: read as anything else, all the rest would be garbled."""
    text = data.decode("utf-8", "replace")
    foreign = len(text) - len(text.encode("ascii", "ignore"))
    replaced = text.count("\ufffd")
    if foreign - replaced < replaced or replaced > max(1.0, foreign * _DAMAGED_SHARE_MAX):
        return None
    return Decoded(text, "utf-8", f"bytes that are not UTF-8 were replaced (the first at {first_bad})")


def _gb18030(data: bytes) -> Decoded | None:
    try:
        text = data.decode("gb18030")
    except UnicodeDecodeError:
        return None
    high_bytes = len(data.translate(None, _ASCII))
    foreign = len(text) - len(text.encode("ascii", "ignore"))
    if high_bytes < foreign * _HIGH_BYTES_PER_CHAR_MIN:
        return None
    return Decoded(text, "gb18030", "not UTF-8: read as GB18030")


def _latin1(data: bytes) -> Decoded:
    return Decoded(data.decode("latin-1"), "latin-1", "not UTF-8: read as Latin-1")
