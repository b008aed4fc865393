"""Creates a snapshot: reads the changes since the previous one, then makes one commit that names the log position.

It is safe against a crash at any time. The contents of a snapshot were durable when they were written, and its row and
log entry are one commit. From that commit on, ``prune`` keeps every content that the log names up to there. Between
read and commit a content may lose its node. If it was replaced or removed on its own, a recent log entry names it and
it is kept. If it was removed with its directory, the commit is refused (``adapters/sqlite/ledger/snapshots.py``) and
the traversal starts again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from recalld.domain.caller import Caller
from recalld.domain.commit import Commit, MarkSnapshot
from recalld.domain.snapshot import Author, Files, Recorded, Snapshot
from recalld.domain.uri import Uri
from recalld.ports.bundle import Ports
from recalld.ports.history import Past
from recalld.rules.ovgitignore import ignoring
from recalld.rules.snapshots import changes, oid_of, path_of, tree_oid
from recalld.usecases.retrying import key_of, retrying

from .tree_reader import trees_of


@dataclass(frozen=True, slots=True)
class Note:
    """Message and author of a snapshot."""

    branch: str
    message: str
    author: Author


async def record(note: Note, under: Sequence[Uri], caller: Caller, ports: Ports) -> Recorded:
    """Create a snapshot of the present, or only of what is at and below ``under``. Raises ``Conflict`` if the branch
    keeps moving."""
    return await _tried(note, under, caller, ports, even_if_same=False)


async def mark(note: Note, caller: Caller, ports: Ports) -> Recorded:
    """Create a snapshot of the present even if nothing has changed."""
    return await _tried(note, (), caller, ports, even_if_same=True)


async def _tried(note: Note, under: Sequence[Uri], caller: Caller, ports: Ports, *, even_if_same: bool) -> Recorded:
    return await retrying(
        lambda: _record(note, under, caller, ports, even_if_same),
        key_of(caller.account, f"snapshots of {note.branch}"),
        ports=ports,
    )


async def _record(note: Note, under: Sequence[Uri], caller: Caller, ports: Ports, even_if_same: bool) -> Recorded:
    past = ports.history.past(caller)
    # Read the head first: a snapshot created after it is detected, and this one's position follows the head's.
    head = await past.head(note.branch)
    draft = await present(note, head, tuple(path_of(uri) for uri in under), past, ports)
    before, after, ignored = await _compared(head, draft, under, past)
    changed = await ports.compute.run(lambda: len(changes(before, after)))
    if not changed and not even_if_same:
        return Recorded(head, created=False, changed=0, ignored=ignored)
    whole = (await trees_of([draft], past))[0] if under else after
    draft = replace(draft, tree=await ports.compute.run(tree_oid, whole))
    new = replace(draft, oid=oid_of(caller.account, draft))
    await ports.ledger.tenant(caller).commit(Commit((MarkSnapshot(new),), cause="snapshot"))
    return Recorded(new, created=True, changed=changed, ignored=ignored)


async def present(note: Note, head: Snapshot | None, paths: tuple[str, ...], past: Past, ports: Ports) -> Snapshot:
    """Return the snapshot that would be created now, without its id."""
    return Snapshot(
        oid="",
        branch=note.branch,
        seq=await past.end(),
        at=ports.clock.now(),
        parent=head.oid if head else "",
        message=note.message,
        author=note.author,
        paths=paths,
        ignore=await past.ignore(),
    )


async def _compared(
    head: Snapshot | None, draft: Snapshot, under: Sequence[Uri], past: Past
) -> tuple[Files, Files, int]:
    """Return the files of both at and below ``under``, and the number of living files that are ignored."""
    before, after = await trees_of([head, draft], past, under)
    if not draft.ignore:
        return before, after, 0
    ignored, left_out = ignoring(draft.ignore), 0

    def count(_: int, state: Files) -> None:
        nonlocal left_out
        left_out = sum(1 for path in state if ignored(path))

    await past.walk([draft.seq], under, count)
    return before, after, left_out
