"""Stores the file of a multipart body: piece by piece, on a thread; its name in each of the ways clients write it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from email.errors import HeaderParseError
from email.header import decode_header
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import unquote_to_bytes

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from recalld.domain.errors import FULL_ERRNOS, Invalid, Upstream
from recalld.infra.file_permissions import make_folder, private_opener
from recalld.infra.thread_pool import Pool
from recalld.rules.archive_names import names_codec
from recalld.surfaces.http.body import check_declared, too_large

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

_FLUSH_BYTES = 1024 * 1024
_FIELD_BYTES_MAX = 4096
FIELDS_MAX = 8
_FRAMING_BYTES = 64 * 1024
"""Largest size of boundaries, part headers and small fields together."""


@dataclass(slots=True)
class Received:
    """The contents of a form: the file's name as its sender gave it, its size, and the small fields."""

    filename: str = ""
    size: int = -1
    fields: dict[str, str] = field(default_factory=dict)


async def receive_file(
    request: Request, target: Path, *, bytes_max: int, pool: Pool, counted: Callable[[int], None] = lambda _: None
) -> Received:
    """Write the part named ``file`` to ``target``. ``counted`` is called with the size of every piece and may raise.

    Raises ``Invalid`` for a body that is not a form, has no file, has more than ``FIELDS_MAX`` small fields, or exceeds
    ``bytes_max`` by its declared or its actual size, and ``Upstream`` if the disk cannot store it. ``target`` is then removed.
    """
    boundary = _boundary(request)
    check_declared(request, bytes_max + _FRAMING_BYTES)
    form = _Form(boundary)
    try:
        out = await pool.run(_open, target)
        whole = False
        try:
            await _receive(request, form, out, bytes_max=bytes_max, pool=pool, counted=counted)
            await pool.run(_close, out, form.take())
            whole = True
        finally:
            if not whole:
                await pool.run(_drop, out, target)
    except OSError as refused:
        raise not_stored(refused) from refused
    return form.received


async def _receive(
    request: Request, form: _Form, out: BinaryIO, *, bytes_max: int, pool: Pool, counted: Callable[[int], None]
) -> None:
    total = 0
    async for data in request.stream():
        total += len(data)
        form.feed(data)
        counted(len(data))
        if form.received.size > bytes_max or total - max(form.received.size, 0) > _FRAMING_BYTES:
            raise too_large(bytes_max)
        if form.waiting >= _FLUSH_BYTES:
            await pool.run(out.writelines, form.take())
    form.check_end()


def not_stored(refused: OSError) -> Upstream:
    """Return the error for an upload that the disk did not store."""
    if refused.errno in FULL_ERRNOS:
        return Upstream("the disk is full: the upload was not stored", remedy="free some space and send it again")
    return Upstream(
        f"the upload cannot be stored: {refused.strerror or refused}",
        remedy="check the folder uploads in the data folder, and send it again",
    )


def _boundary(request: Request) -> bytes:
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    boundary = options.get(b"boundary", b"")
    if kind != b"multipart/form-data" or not boundary:
        raise Invalid(
            "an upload is multipart/form-data with a part named file",
            remedy="curl -F file=@page.md …/api/v1/resources/temp_upload",
            details={"header": "Content-Type"},
        )
    return boundary


class _Form:
    """The state of the parser: the open part, and the bytes of the file that are not written yet."""

    def __init__(self, boundary: bytes) -> None:
        self.received = Received()
        self.waiting = 0
        self._chunks: list[bytes] = []
        self._header = b""
        self._value = b""
        self._name = ""
        self._is_file = False
        self._field = b""
        self._parts = 0
        self._ended = False
        callbacks: MultipartCallbacks = {
            "on_part_begin": self._begin,
            "on_header_field": self._header_field,
            "on_header_value": self._header_value,
            "on_header_end": self._header_end,
            "on_part_data": self._data,
            "on_part_end": self._end,
            "on_end": self._finish,
        }
        try:
            self._parser = MultipartParser(boundary, callbacks)
        except FormParserError as bad:
            raise _malformed() from bad

    def feed(self, data: bytes) -> None:
        try:
            self._parser.write(data)
        except FormParserError as bad:
            raise _malformed() from bad

    def take(self) -> list[bytes]:
        """Return the bytes of the file that are not written yet, and forget them."""
        taken, self._chunks, self.waiting = self._chunks, [], 0
        return taken

    def check_end(self) -> None:
        if not self._ended:
            raise _malformed()
        if self.received.size < 0:
            raise Invalid(
                "the form has no part named file", remedy="name the file's part file", details={"field": "file"}
            )

    def _begin(self) -> None:
        self._name, self._is_file, self._field = "", False, b""

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        if self._header.lower() == b"content-disposition":
            _, options = parse_options_header(self._value)
            self._name = options.get(b"name", b"").decode("utf-8", "replace")
            if self._name == "file":
                if self.received.size >= 0:
                    raise Invalid("the form has two files", remedy="send one file a request", details={"field": "file"})
                self._is_file = True
                self.received.size = 0
                self.received.filename = filename_of(self._value)
        self._header, self._value = b"", b""

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._is_file:
            self._chunks.append(data[start:end])
            self.waiting += end - start
            self.received.size += end - start
            return
        self._field += data[start:end]
        if len(self._field) > _FIELD_BYTES_MAX:
            raise Invalid(f"form field {self._name[:40]!r} is too long", details={"field": self._name[:40]})

    def _end(self) -> None:
        self._parts += 1
        if self._parts > FIELDS_MAX + 1:
            raise Invalid(
                f"the form has more than {FIELDS_MAX} fields beside the file",
                remedy="send the file and the documented fields alone",
                details={"fields_max": FIELDS_MAX},
            )
        if not self._is_file and self._name:
            self.received.fields[self._name] = self._field.decode("utf-8", "replace")

    def _finish(self) -> None:
        self._ended = True


def _malformed() -> Invalid:
    return Invalid("the form is broken or cut off", remedy="send the upload again", details={"field": "file"})


def _open(target: Path) -> BinaryIO:
    make_folder(target.parent)
    return open(target, "xb", opener=private_opener)


def _close(out: BinaryIO, rest: list[bytes]) -> None:
    out.writelines(rest)
    out.flush()
    os.fsync(out.fileno())
    out.close()


def _drop(out: BinaryIO, target: Path) -> None:
    with suppress(OSError):  # its buffer does not fit either
        out.close()
    target.unlink(missing_ok=True)


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
    return (name or _plain_name(options.get(b"filename", b"")))[:CHARS_MAX]


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


def _plain_name(value: bytes) -> str:
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
