"""Reading a request body: counted while it is received, decoded off the event loop when it is large."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable
from typing import Any

import orjson
from starlette.requests import Request

from recalld.domain.errors import Invalid
from recalld.domain.policy import JSON_DEPTH_MAX
from recalld.infra.thread_pool import Pool
from recalld.rules.encoding import decode, utf8
from recalld.rules.origin import is_json
from recalld.surfaces.http.reply import ContentTooLarge, UnsupportedMediaType

JSON_BYTES_MAX = 24 * 1024 * 1024
INLINE_BYTES = 64 * 1024
"""JSON up to this size is decoded on the event loop, larger JSON on a pool."""
VALUES_MAX = 100_000
"""Members and elements that one body may hold. Decoding holds the GIL: 8 million empty lists take 4.6 s."""
_SLICE = 64 * 1024
_COUNTED_BYTES = 256 * 1024
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
# Every escape in turn, so that none begins within another; group 1 is a surrogate without its partner.
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL
)
_TYPE_CHARS_MAX = 80


async def read_body(
    request: Request, bytes_max: int = JSON_BYTES_MAX, *, counted: Callable[[int], None] = lambda _: None
) -> bytes:
    """Read the whole body. ``counted`` is called with the memory it takes, about every ``_COUNTED_BYTES``, and may raise.

    Raises ``Invalid`` as soon as its declared or its actual size exceeds ``bytes_max``.
    """
    check_declared(request, bytes_max, ContentTooLarge)
    parts: list[bytes] = []
    size = uncounted = 0
    async for part in request.stream():
        size += len(part)
        uncounted += len(part)
        if uncounted > _COUNTED_BYTES:
            counted(uncounted)
            uncounted = 0
        if size > bytes_max:
            raise too_large(bytes_max, ContentTooLarge)
        if part:
            parts.append(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def check_media_type(request: Request, *, has_body: bool | None = None) -> bool:
    """Check that a body is declared as JSON, and return whether there is one.

    A page of another site can make a browser send any text without a preflight, but not JSON. A missing type without an origin
    comes from a program and is read as JSON. ``has_body`` None: as the headers declare it. Raises ``UnsupportedMediaType``.
    """
    headers = request.headers
    if has_body is None:
        has_body = headers.get("content-length", "0").strip("0") != "" or "transfer-encoding" in headers
    if not has_body:
        return False
    types = [one.strip() for one in headers.getlist("content-type") if one.strip()]
    if types and all(is_json(one) for one in types):
        return True
    if not types and "origin" not in headers and "sec-fetch-site" not in headers:
        return True
    shown = ", ".join(types)[:_TYPE_CHARS_MAX]
    raise UnsupportedMediaType(
        f"the request body is sent as {shown!r}"
        if shown
        else "the request body comes from a page and has no Content-Type",
        remedy="send JSON with the header Content-Type: application/json; files go through /api/v1/resources/temp_upload",
        details={"header": "Content-Type"},
    )


def check_declared(request: Request, bytes_max: int, refusal: type[Invalid] = Invalid) -> None:
    """Check ``Content-Length`` before a byte is read. Raises ``Invalid``."""
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > bytes_max:
        raise too_large(bytes_max, refusal)


def too_large(bytes_max: int, refusal: type[Invalid] = Invalid) -> Invalid:
    """Return the error for a body beyond ``bytes_max``."""
    return refusal(
        f"the request body is larger than {bytes_max} bytes",
        remedy="send it in smaller pieces; files go through /api/v1/resources/temp_upload",
        details={"limit_bytes": bytes_max},
    )


def decode_at_once(data: bytes) -> tuple[bool, Any]:
    """Decode small, simple JSON here: whether that worked, and the value. Otherwise use ``decode_json``. Raises ``Invalid``."""
    if len(data) > INLINE_BYTES:
        return False, None
    data = data.removeprefix(codecs.BOM_UTF8)
    try:
        return True, _decode(data)
    except Invalid:
        if not may_be_repaired(data):
            raise
    return False, None


async def decode_json(data: bytes, pool: Pool) -> Any:
    """Decode JSON; large bodies on ``pool``. Raises ``Invalid`` for malformed, too deep and too fine-grained JSON.

    A byte order mark is skipped. Half an emoji (a lone surrogate) becomes U+FFFD, and text that is not UTF-8 is read as
    files are: refusing it would lose a whole message for one character.
    """
    return (await read_json(data, pool))[1]


async def read_json(data: bytes, pool: Pool) -> tuple[bytes, Any]:
    """The same, with the JSON text of the value in a form that any strict decoder reads."""
    decoded, value = decode_at_once(data)
    data = data.removeprefix(codecs.BOM_UTF8)
    return (data, value) if decoded else await pool.run(_measure_and_decode, data)


def may_be_repaired(data: bytes) -> bool:
    """Whether rejected JSON may be invalid only in its characters."""
    return b"\x00" in data or _SURROGATE.search(data) is not None or utf8(data) is None


def repaired(data: bytes) -> bytes:
    """Return the JSON in UTF-8 with its lone surrogates replaced. Linear; escaped backslashes are left alone."""
    if b"\x00" in data or utf8(data) is None:
        data = decode(data).text.encode()
    return _ESCAPE.sub(lambda escape: b"\\ufffd" if escape[1] else escape[0], data)


def _measure_and_decode(data: bytes) -> tuple[bytes, Any]:
    if len(data) > INLINE_BYTES and values_in(data) > VALUES_MAX:
        raise Invalid(
            f"the JSON body holds more than {VALUES_MAX} values",
            remedy="send it in smaller pieces",
            details={"values_max": VALUES_MAX},
        )
    try:
        return data, _decode(data)
    except Invalid:
        if not may_be_repaired(data):
            raise
    fixed = repaired(data)
    return fixed, _decode(fixed)


def _decode(data: bytes) -> Any:
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as bad:
        # The decoder's own words stay out: clients read some of them ("unexpected") as signs of an old server.
        raise Invalid(
            f"the request body is not JSON this server reads (line {bad.lineno}, column {bad.colno})",
            remedy="send UTF-8 JSON without NaN or Infinity, nested at most 100 levels deep",
            details={"line": bad.lineno, "column": bad.colno},
        ) from bad
    # A value cannot be deeper than it has brackets: nearly every body skips the traversal.
    if data.count(b"[") + data.count(b"{") > JSON_DEPTH_MAX and _deeper_than(value, JSON_DEPTH_MAX):
        raise Invalid(
            f"the request body is nested deeper than {JSON_DEPTH_MAX} levels",
            remedy="flatten it",
            details={"depth_max": JSON_DEPTH_MAX},
        )
    return value


def _deeper_than(value: Any, depth_max: int) -> bool:
    """Whether containers are nested deeper than ``depth_max``. Level by level, without recursion."""
    level = [value]
    for _ in range(depth_max + 1):
        below: list[Any] = []
        for one in level:
            if isinstance(one, dict):
                below.extend(v for v in one.values() if isinstance(v, (dict, list)))
            elif isinstance(one, list):
                below.extend(v for v in one if isinstance(v, (dict, list)))
        if not below:
            return False
        level = below
    return True


def values_in(data: bytes) -> int:
    """About how many values a JSON text holds: commas and opening brackets outside its strings.

    Slice by slice, so that no single step holds the GIL for long.
    """
    count = 0
    inside = 0
    start = 0
    while start < len(data):
        part = data[start : start + _SLICE]
        start += _SLICE
        if start < len(data) and (len(part) - len(part.rstrip(b"\\"))) % 2:
            part, start = part[:-1], start - 1  # an escape must not be cut in two
        pieces = part.replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"')
        outside = b"".join(pieces[inside::2])
        count += outside.count(b",") + outside.count(b"[") + outside.count(b"{")
        inside ^= (len(pieces) - 1) & 1
    return count
