"""Typed values to msgpack and back, for what crosses between our own processes. No pickle.

A value is always decoded as the type both sides agreed on. Bytes name a class to build only in a tagged union, whose
members are listed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Sequence
from functools import cache
from typing import Any, TypeVar, cast

import msgspec

from recalld.domain.errors import Corrupt

T = TypeVar("T")


_encoder = msgspec.msgpack.Encoder()


def encode(value: object) -> msgspec.Raw:
    """Bytes of a value made of dataclasses, enums, tuples, lists, dicts, bytes, texts, numbers and None.

    Raises ``Corrupt`` for anything else.
    """
    try:
        return msgspec.Raw(_encoder.encode(value))
    except (TypeError, OverflowError, RecursionError, UnicodeEncodeError) as unsupported:
        raise Corrupt(f"{type(value).__name__} cannot cross: {unsupported}", remedy="send plain data") from unsupported


def decode(kind: type[T], data: msgspec.Raw | bytes) -> T:
    """The value back, checked against ``kind`` (any annotation: ``tuple[Node, ...]`` too). Raises ``Corrupt``."""
    try:
        value: T = _decoder(cast("Hashable", kind)).decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as bad:
        raise Corrupt(f"bytes are no {kind}: {bad}", remedy="both sides must be one version") from bad
    return value


async def decode_slices(kind: type[T], slices: Sequence[msgspec.Raw]) -> list[T]:
    """Decode one slice after the other and yield to the loop in between, so that a large value does not block it."""
    decoded = []
    for data in slices:
        decoded.append(decode(kind, data))
        await asyncio.sleep(0)
    return decoded


@cache
def _decoder(kind: Any) -> msgspec.msgpack.Decoder[Any]:
    return msgspec.msgpack.Decoder(kind)
