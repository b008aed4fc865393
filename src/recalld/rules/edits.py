"""Replaces a text in a file's bytes. Everything else stays unchanged, including encoding and line ends."""

from __future__ import annotations

import re
from dataclasses import dataclass

from recalld.domain.errors import Invalid

from .encoding import decode

_END = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True, slots=True)
class Edit:
    """Bytes with a text replaced ``times`` times; 0: the text does not occur and ``data`` is unchanged."""

    data: bytes
    times: int


def edited(data: bytes, old: str, new: str) -> Edit:
    """Replace every ``old`` by ``new``.

    A line end in ``old`` matches any line end. The replacement gets the line ends of the text it replaces, else the
    prevailing ones of the file. An ``old`` that contains carriage returns and occurs literally is replaced literally.
    Raises ``Invalid`` for bytes that are not text.
    """
    mark, text, encoding, errors = _text(data)
    if "\r" in old and old in text:
        changed, times = text.replace(old, new), text.count(old)
    else:
        changed, times = _replaced(text, old, new)
    if not times:
        return Edit(data, 0)
    try:
        return Edit(mark + changed.encode(encoding, errors), times)
    except UnicodeEncodeError:
        # The new words cannot be written in the file's encoding: the whole of it becomes UTF-8.
        return Edit(changed.encode("utf-8", "replace"), times)


def _replaced(text: str, old: str, new: str) -> tuple[str, int]:
    crlf = text.count("\r\n")
    lf, cr = text.count("\n") - crlf, text.count("\r") - crlf
    usual = max((("\n", lf), ("\r\n", crlf), ("\r", cr)), key=lambda one: one[1])[0]

    def put(found: re.Match[str]) -> str:
        end = _END.search(found[0])
        return _END.sub(lambda _: end[0] if end else usual, new)

    return re.subn("(?:\r\n|\r|\n)".join(re.escape(line) for line in _END.split(old)), put, text)


def _text(data: bytes) -> tuple[bytes, str, str, str]:
    """Return byte order mark, text, encoding, and the error handler; together they reproduce ``data``."""
    decoded = decode(data)
    errors = "surrogateescape" if decoded.encoding == "utf-8" else "strict"
    try:
        # Decoders differ in whether they leave the mark to the text: what stands in front of the rest is the mark.
        body = decoded.text.encode(decoded.encoding, "strict")
        mark = data[: len(data) - len(body)] if data.endswith(body) and len(data) - len(body) <= 4 else b""
        text = data[len(mark) :].decode(decoded.encoding, errors)
        whole = mark + text.encode(decoded.encoding, errors) == data
    except (UnicodeError, LookupError):
        whole = False
    if not whole or "\x00" in text:
        raise Invalid(
            "the file is not text that can be edited in place", remedy="download it, change it and write it again"
        )
    return mark, text, decoded.encoding, errors
