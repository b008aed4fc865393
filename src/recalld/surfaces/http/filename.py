"""The name of an uploaded file, in each of the ways clients write it into a header."""

from __future__ import annotations

import re
from collections.abc import Mapping
from email.errors import HeaderParseError
from email.header import decode_header
from urllib.parse import unquote_to_bytes

from recalld.rules.archive_names import names_codec

CHARS_MAX = 255
HEADER_BYTES_MAX = 8_192
_PARAMETER = re.compile(rb';\s*([^=;\s"]{1,40})\s*=\s*("(?:[^"\\]|\\.)*"|[^;]*)')
_CONTINUED = re.compile(rb"filename\*(\d{1,3})(\*?)")
_ENCODED_WORD = re.compile(r"=\?[^?\s]+\?[bqBQ]\?[^?]*\?=")
_ESCAPES = {"%22": '"', "%0d": "", "%0a": "", "%0D": "", "%0A": ""}


def filename_of(header: bytes) -> str:
    """The name from a Content-Disposition: ``filename*`` (RFC 5987; forms are not meant to have it, and some clients send it),
    its continuations (RFC 2231), an encoded word (RFC 2047), or ``filename`` in UTF-8 or the sender's code page. "" if there
    is none."""
    options = {key.lower(): _unquoted(value) for key, value in _PARAMETER.findall(header[:HEADER_BYTES_MAX])}
    extended = options.get(b"filename*") or _continued(options)
    name = _extended(extended) if extended else ""
    return (name or _plain(options.get(b"filename", b"")))[:CHARS_MAX]


def _unquoted(value: bytes) -> bytes:
    value = value.strip()
    if len(value) < 2 or value[:1] != b'"' or value[-1:] != b'"':
        return value
    # Browsers of old send whole paths with plain backslashes: only what needs an escape has one.
    return value[1:-1].replace(b'\\"', b'"').replace(b"\\\\", b"\\")


def _extended(value: bytes) -> str:
    """``UTF-8'en'%e2%82%ac.md``; "" where it is not that."""
    charset, quote, rest = value.strip(b' "').partition(b"'")
    _, quoted, text = rest.partition(b"'")
    if not quote or not quoted:
        return ""
    try:
        return unquote_to_bytes(text).decode(charset.decode("ascii") or "utf-8")
    except (UnicodeDecodeError, LookupError):
        return ""


def _continued(options: Mapping[bytes, bytes]) -> bytes:
    parts = [(int(found[1]), found[2], value) for key, value in options.items() if (found := _CONTINUED.fullmatch(key))]
    if not parts:
        return b""
    parts.sort(key=lambda part: part[0])
    if not parts[0][1]:
        return b"utf-8''" + b"".join(value for _, _, value in parts)
    # Pieces without a star are plain: what looks like an escape in them is none.
    return b"".join(value if star else value.replace(b"%", b"%25") for _, star, value in parts)


def _plain(value: bytes) -> str:
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return value.decode(names_codec([value]), "replace")
    if _ENCODED_WORD.search(text):
        return _words(text)
    for escape, char in _ESCAPES.items():
        text = text.replace(escape, char)
    return text


def _words(text: str) -> str:
    try:
        pieces = decode_header(text)
        return "".join(p if isinstance(p, str) else p.decode(charset or "ascii", "replace") for p, charset in pieces)
    except (HeaderParseError, LookupError, ValueError):
        return text
