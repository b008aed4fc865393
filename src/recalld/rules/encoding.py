"""Decodes bytes as UTF-8, else by byte statistics, else as Latin-1. The result is always readable, and a guess has a
warning."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

from .legacy import legacy_codec, oddness

_MARKS = (
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe\x00\x00", "utf-32-le"),
    (b"\x00\x00\xfe\xff", "utf-32-be"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
)
_DAMAGED_SHARE_MAX = 0.02
_WIDE_HEAD_BYTES = 4_096
_WIDE_BYTES_MIN = 8
_WIDE_ODDNESS_MAX = 0.5
_HALF_EMOJI = re.compile(rb"\xf0\x9f[\x80-\xbf]?(?![\x80-\xbf])")
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
# The upper bytes of UTF-16 in CJK text: ASCII, general punctuation, kana, Han, Hangul, full-width forms.
_CJK_PAGES = bytes((0x00, 0x20, 0x30, 0x31, *range(0x4E, 0xA0), *range(0xAC, 0xD8), 0xFE, 0xFF))
# ISO 2022 is ASCII with escapes: nothing else names its character sets this way.
_ESCAPES = ((re.compile(rb"\x1b\$[@B]|\x1b\(I"), "iso2022_jp_2"), (re.compile(rb"\x1b\$\)C"), "iso2022_kr"))
_SHOWN = {"cp1252": "Windows-1252", "euc_jp": "EUC-JP", "big5hkscs": "Big5", "mac-roman": "Mac Roman"} | {
    f"cp125{n}": f"Windows-125{n}" for n in range(9)
}


@dataclass(frozen=True, slots=True)
class Decoded:
    """``text`` without byte order mark, the ``encoding`` it was decoded with, and a ``warning`` ("" = none)."""

    text: str
    encoding: str
    warning: str = ""


def decode(data: bytes) -> Decoded:
    """Decode bytes. Total and linear; never yields lone surrogates."""
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return _marked(data[len(mark) :], encoding)
    wide = wide_codec(data)
    if wide:
        return Decoded(data.decode(wide, "replace"), wide, f"read as {wide.upper()}")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as broken:
        first_bad = broken.start
    else:
        return _escaped(data) or Decoded(text, "utf-8")
    return (
        _damaged_utf8(data, first_bad)
        or _legacy(data)
        or Decoded(data.decode("latin-1"), "latin-1", "not UTF-8: read as Latin-1")
    )


def utf8(data: bytes) -> str | None:
    """Return the text of plain UTF-8 without mark or escapes (the fast path); None for anything else."""
    if b"\x1b$" in data or b"\x1b(" in data or b"\x00" in data:
        return None
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return None if text.startswith("\ufeff") else text


def settings_text(data: bytes) -> str:
    """Decode a settings file: UTF-8 with or without a byte order mark, or UTF-16 with one (PowerShell's ``>``). Raises
    ``UnicodeDecodeError`` for anything else: settings are not guessed."""
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding)
    return data.decode("utf-8")


def wide_codec(data: bytes) -> str:
    """Detect UTF-16 or UTF-32 without a byte order mark from the positions of NULs and other controls; "" if
    neither."""
    head = data[:_WIDE_HEAD_BYTES]
    if not _CONTROL.search(head):
        return ""
    zeros = [head[k::4].count(0) for k in range(4)]
    quarter = len(head) // 4
    if len(data) % 4 == 0:
        if zeros[3] >= quarter and zeros[2] >= quarter * 0.95 and zeros[0] + zeros[1] < quarter * 1.2:
            return _if_reads(data, "utf-32-le")
        if zeros[0] >= quarter and zeros[1] >= quarter * 0.95 and zeros[2] + zeros[3] < quarter * 1.2:
            return _if_reads(data, "utf-32-be")
    if len(data) % 2 or len(head) < _WIDE_BYTES_MIN:
        return ""
    even, odd = zeros[0] + zeros[2], zeros[1] + zeros[3]
    if odd >= quarter * 0.8 and even == 0:
        return _if_reads(data, "utf-16-le")
    if even >= quarter * 0.8 and odd == 0:
        return _if_reads(data, "utf-16-be")
    if utf8_head(head):
        return ""
    first, second = head[::2].translate(None, _CJK_PAGES), head[1::2].translate(None, _CJK_PAGES)
    if bool(first) == bool(second):
        return ""
    return _if_reads(data, "utf-16-be" if second else "utf-16-le")


def utf8_head(head: bytes) -> bool:
    """True if these first bytes are UTF-8, even if they end within a character."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return True


def _if_reads(data: bytes, codec: str) -> str:
    width = int(codec[4:6]) // 8
    try:
        text = data[: _WIDE_HEAD_BYTES // width * width].decode(codec)
    except UnicodeDecodeError as bad:
        # The head may end between two halves of a character.
        if len(data) <= _WIDE_HEAD_BYTES or bad.start < _WIDE_HEAD_BYTES - width * 2:
            return ""
        text = data[: bad.start].decode(codec, "replace")
    odd = sum(c < " " and c not in "\t\n\r\f\v\x1b" for c in text)
    return "" if odd or oddness(text) > _WIDE_ODDNESS_MAX else codec


def _marked(data: bytes, encoding: str) -> Decoded:
    text = data.decode(encoding, "replace")
    if "\ufffd" in text:
        return Decoded(text, encoding, f"some bytes are not {encoding.upper()}; they were replaced")
    note = "" if encoding == "utf-8" else f"read as {encoding.upper()}"
    return Decoded(text, encoding, note)


def _escaped(data: bytes) -> Decoded | None:
    if b"\x1b" not in data:
        return None
    for looks, codec in _ESCAPES:
        if looks.search(data):
            try:
                return Decoded(data.decode(codec), codec, f"read as {codec.upper().replace('_', '-')}")
            except UnicodeDecodeError:
                continue
    return None


def _damaged_utf8(data: bytes, first_bad: int) -> Decoded | None:
    """Decode UTF-8 with a few broken bytes as UTF-8: any other codec would garble the rest."""
    text = data.decode("utf-8", "replace")
    foreign = len(text) - len(text.encode("ascii", "ignore"))
    replaced = text.count("\ufffd")
    half = _HALF_EMOJI.sub(b"", data).isascii()  # a client truncated its text by bytes
    if not half and (foreign - replaced < replaced or replaced > max(1.0, foreign * _DAMAGED_SHARE_MAX)):
        return None
    return Decoded(text, "utf-8", f"bytes that are not UTF-8 were replaced (the first at {first_bad})")


def _legacy(data: bytes) -> Decoded | None:
    codec = legacy_codec(data)
    if not codec:
        return None
    shown = _SHOWN.get(codec, codec.upper())
    text = data.decode(codec, "replace")
    replaced = text.count("\ufffd")
    if replaced > len(text) * _DAMAGED_SHARE_MAX:
        return None
    return Decoded(text, codec, f"not UTF-8: read as {shown}" + (", bytes it lacks were replaced" if replaced else ""))
