"""Contents are named by the sha256 of their bytes, so that a read can be verified."""

from __future__ import annotations

import hashlib

from recalld.domain.errors import Corrupt
from recalld.domain.node import Node

REMEDY = "restore it from a backup, or write it again; `check` names everything that is damaged"


def verify(node: Node, data: bytes) -> bytes:
    """Return the bytes of a file if their hash matches. Raises ``Corrupt``."""
    if hashlib.sha256(data).hexdigest() != node.hash:
        raise damaged_file(node, "its bytes differ from what was written")
    return data


def damaged_file(node: Node, why: str) -> Corrupt:
    """Return the error for readers of a damaged file."""
    return Corrupt(
        f"the content of {node.uri} is damaged: {why}",
        remedy=REMEDY,
        details={"uri": str(node.uri), "hash": node.hash},
    )
