"""Values round-trip through the codec."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from recalld.domain.caller import Caller, Role
from recalld.domain.errors import Corrupt
from recalld.domain.uri import Uri
from recalld.infra.msgpack import decode, encode


@dataclass(frozen=True)
class Known:
    uri: Uri
    data: bytes | None
    at: float


@dataclass(frozen=True)
class Unknown:
    name: str


def test_nested_dataclasses_bytes_and_none_come_back() -> None:
    value = (Known(Uri(("a", "b")), b"\x00\xff", 1.5), Known(Uri(), None, -0.0))
    assert decode(tuple[Known, ...], encode(value)) == value


def test_enums_come_back_as_enums() -> None:
    assert decode(Caller, encode(Caller(role=Role.ADMIN))).role is Role.ADMIN


def test_bytes_of_another_shape_are_corrupt() -> None:
    with pytest.raises(Corrupt):
        decode(Known, encode(Unknown("x")))


@pytest.mark.parametrize("value", [object(), {"a": object()}, "\ud800", 2**70])
def test_types_other_than_plain_data_cannot_be_encoded(value: object) -> None:
    with pytest.raises(Corrupt):
        encode(value)
