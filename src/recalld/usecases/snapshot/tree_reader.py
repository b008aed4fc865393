"""Resolves references to snapshots, and snapshots to files."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from recalld.domain.errors import Invalid, NotFound
from recalld.domain.snapshot import Files, Snapshot
from recalld.domain.uri import Uri
from recalld.ports.history import Past
from recalld.rules.snapshots import check_branch, is_oid, merged

LINE_MAX = 1_000
"""Snapshots of one branch examined per request."""
MAIN = "main"


async def refer(text: str, past: Past) -> Snapshot:
    """Resolve a reference: a branch's newest snapshot (``HEAD`` is main's), an oid or a prefix of one. Raises
    ``NotFound`` and ``Invalid``."""
    name = text.strip()
    if name == "HEAD":
        return await head_of(MAIN, past)
    found = await past.head(check_branch(name))
    if found is not None:
        return found
    if not is_oid(name.lower()):
        raise no_branch(name)
    return await past.snapshot(name)


async def head_of(branch: str, past: Past) -> Snapshot:
    """Return a branch's newest snapshot. Raises ``NotFound``."""
    found = await past.head(check_branch(branch))
    if found is None:
        raise no_branch(branch)
    return found


def no_branch(name: str) -> NotFound:
    """Return the error for a branch without snapshots."""
    return NotFound(
        f"Git_ref not found: {name}",
        remedy="make a snapshot first, or name another branch",
        details={"type": "git_ref", "resource": name},
    )


async def parent_of(snapshot: Snapshot, past: Past) -> Snapshot | None:
    """Return the previous snapshot of its branch; None for the first."""
    return await past.snapshot(snapshot.parent) if snapshot.parent else None


async def lineage(snapshot: Snapshot | None, past: Past) -> tuple[Snapshot, ...]:
    """Return the snapshots that determine a snapshot's files, oldest first: itself and its predecessors back to the
    last complete one. Raises ``Invalid`` if that is too far back."""
    if snapshot is None:
        return ()
    chain = [snapshot]
    if snapshot.paths and snapshot.parent:
        parent = await past.snapshot(snapshot.parent)
        for one in await past.line(snapshot.branch, until=parent.seq, limit=LINE_MAX):
            chain.append(one)
            if not one.paths:
                break
    if chain[-1].paths and chain[-1].parent:
        raise Invalid(
            f"the last {LINE_MAX} snapshots of branch {snapshot.branch} cover single paths only",
            remedy="make a snapshot of everything",
            code="RESOURCE_EXHAUSTED",
        )
    return tuple(reversed(chain))


async def trees_of(snapshots: Sequence[Snapshot | None], past: Past, under: Sequence[Uri] = ()) -> list[Files]:
    """Return the files of each snapshot at and below ``under``, in input order, from one pass over the log; None has
    none."""
    chains = [await lineage(snapshot, past) for snapshot in snapshots]
    trees: list[Files] = [{} for _ in chains]

    def visit(point: int, state: Files) -> None:
        for at, chain in enumerate(chains):
            for one in chain:
                if one.seq == point:
                    trees[at] = merged(trees[at], state, one)

    await past.walk([one.seq for chain in chains for one in chain], under, visit)
    return trees


async def along(
    line: Sequence[Snapshot], past: Past, under: Sequence[Uri], seen: Callable[[Snapshot, Files, Files], None]
) -> None:
    """Visit a branch's snapshots (newest first, contiguous) from the oldest, each with its files and those of its
    predecessor. ``seen`` runs off the event loop and must only compute."""
    if not line:
        return
    before = await lineage(await parent_of(line[-1], past), past)
    tree: Files = {}

    def visit(point: int, state: Files) -> None:
        nonlocal tree
        for one in (*before, *reversed(line)):
            if one.seq == point:
                last, tree = tree, merged(tree, state, one)
                if one not in before:
                    seen(one, last, tree)

    await past.walk([one.seq for one in (*before, *line)], under, visit)
