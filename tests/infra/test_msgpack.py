"""What goes through the codec comes back as it was; what is not in the table does not pass."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from recalld.domain.caller import Caller, Role
from recalld.domain.errors import Corrupt
from recalld.domain.uri import Uri
from recalld.infra.msgpack import TaggedUnion, decode, encode


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


def test_a_sum_gives_back_the_member_it_was_given() -> None:
    table = TaggedUnion(Known, Caller)
    for value in (Known(Uri(("x",)), b"", 0.0), Caller("a", "b")):
        assert table.unpack(table.pack(value)) == value


def test_a_class_outside_the_table_cannot_be_sent() -> None:
    with pytest.raises(Corrupt, match="Stranger"):
        TaggedUnion(Known).pack(Unknown("x"))


def test_a_name_outside_the_table_cannot_be_received() -> None:
    with pytest.raises(Corrupt, match="Stranger"):
        TaggedUnion(Known).unpack(("Stranger", encode(Unknown("x"))))


def test_bytes_of_another_shape_are_corrupt() -> None:
    with pytest.raises(Corrupt):
        decode(Known, encode(Unknown("x")))


@pytest.mark.parametrize("value", [object(), {"a": object()}, "\ud800", 2**70])
def test_types_other_than_plain_data_cannot_be_encoded(value: object) -> None:
    with pytest.raises(Corrupt):
        encode(value)
