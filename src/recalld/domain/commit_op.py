"""The base of every operation of a commit."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

Own = TypeVar("Own", bound="CommitOp")


class CommitOp(msgspec.Struct, frozen=True, tag_field="op", tag=True):
    """What a commit does to the store, as data; its class name tells which operation it is when it crosses to another process."""

    def replace(self: Own, **changes: Any) -> Own:
        """Return this operation with some fields changed."""
        return msgspec.structs.replace(self, **changes)
