"""Contents are named by the sha256 of their bytes, so that what is read can be compared with what was written."""

from __future__ import annotations

import hashlib

from recalld.domain.errors import Corrupt
from recalld.domain.node import Node

REMEDY = "restore it from a backup, or write it again; recalld fsck names everything that is damaged"


def verify(node: Node, data: bytes) -> bytes:
    """The bytes of a file, if they are those that were written. Raises ``Corrupt``."""
    if hashlib.sha256(data).hexdigest() != node.hash:
        raise damaged_file(node, "its bytes are not those that were written")
    return data


def damaged_file(node: Node, why: str) -> Corrupt:
    """What a file's reader is told."""
    return Corrupt(
        f"the content of {node.uri} is damaged: {why}",
        remedy=REMEDY,
        details={"uri": str(node.uri), "hash": node.hash},
    )
