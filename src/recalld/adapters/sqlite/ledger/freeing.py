"""What gives space back: on a full disk it may use the space that was set aside for it (``database.reserve``)."""

from __future__ import annotations

from collections.abc import Callable

import apsw

from recalld.adapters.sqlite.database.sql import fetch_all
from recalld.domain.commit import (
    Anchor,
    Commit,
    DropMember,
    DropWork,
    ForgetEntries,
    MarkLeaving,
    NewTask,
    Remove,
    UpdateTask,
)
from recalld.domain.errors import Upstream, refused_by_disk
from recalld.domain.job import StoredJob

from .access import Access

FREE = (Remove, DropMember, DropWork, ForgetEntries, MarkLeaving)
BESIDE = (Anchor, NewTask, UpdateTask)
"""What may come with them: some bytes."""
KINDS = "'purge', 'leave'"


def frees(commit: Commit) -> bool:
    """True for a commit that removes and writes nothing of size."""
    return any(isinstance(op, FREE) for op in commit.ops) and all(isinstance(op, (*FREE, *BESIDE)) for op in commit.ops)


async def leased(access: Access, work: Callable[[apsw.Connection], list[StoredJob]]) -> list[StoredJob]:
    """A lease; on a full disk with what was set aside if work waits that gives space back."""
    try:
        return await access.write(work, bulk=True)
    except Upstream as full:
        if not refused_by_disk(full) or not await access.read(_waits):
            raise
    return await access.freeing().write(work, bulk=True)


def _waits(c: apsw.Connection) -> bool:
    return bool(fetch_all(c, f"SELECT 1 FROM job WHERE state = 'pending' AND kind IN ({KINDS}) LIMIT 1"))
