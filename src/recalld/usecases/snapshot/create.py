"""Create a snapshot: read what changed since the one before, then one commit that names the place in the log.

Safe against a crash at any instant: the contents a snapshot needs were durable when they were written, and its row and its
log entry are one commit; before it nothing exists that could be half. From that commit on ``prune`` keeps every content the
log names up to there. Between the look and the commit a content may lose its node: replaced or removed by itself, it is
named by a young entry and kept; removed with its directory, the commit is refused (``adapters/sqlite/ledger/snapshots.py``), and
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
    """What a snapshot says of itself."""

    branch: str
    message: str
    author: Author


async def record(note: Note, under: Sequence[Uri], caller: Caller, ports: Ports) -> Recorded:
    """Name the present, or only what lies at and below ``under``. Raises ``Conflict`` when the branch keeps moving."""
    return await _tried(note, under, caller, ports, even_if_same=False)


async def mark(note: Note, caller: Caller, ports: Ports) -> Recorded:
    """Name the present, whether anything has changed or not."""
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
    """The snapshot that could be made now, still without a name."""
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
    """The files of both at and below ``under``, and how many living ones are ignored."""
    before, after = await trees_of([head, draft], past, under)
    if not draft.ignore:
        return before, after, 0
    ignored, left_out = ignoring(draft.ignore), 0

    def count(_: int, state: Files) -> None:
        nonlocal left_out
        left_out = sum(1 for path in state if ignored(path))

    await past.walk([draft.seq], under, count)
    return before, after, left_out
