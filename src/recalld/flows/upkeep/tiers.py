"""Keep directories' abstracts and overviews true: bottom-up, every stale directory once however many children changed."""

from __future__ import annotations

from dataclasses import replace

from recalld.domain.commit import Commit, Op, SetTiers
from recalld.domain.job import Job
from recalld.domain.node import Node
from recalld.flows.tree.write import FOLLOWING
from recalld.ports.doors import Doors
from recalld.ports.ledger import StaleDir
from recalld.ports.model import Child
from recalld.rules.chunks import chunks_of_tiers
from recalld.rules.sidecar import refreshed

DIRS_PER_COMMIT = 16
ENTRIES_MAX = 200
ROUNDS_MAX = 400


async def refresh(job: Job, doors: Doors) -> None:
    """Summarise stale directories of the caller's tree and of the account's shared one until none is left."""
    trees = (job.caller, replace(job.caller, user=""))
    for tree in trees:
        for _ in range(ROUNDS_MAX):
            stale = await doors.ledger.stale_dirs(tree, limit=DIRS_PER_COMMIT, entries_max=ENTRIES_MAX)
            if not stale:
                break
            # A parent is left for the next round, when its children's new abstracts are in.
            ready = [s for s in stale if not _waits(s, stale)]
            ops: list[Op] = [await _tiers(s, doors) for s in ready]
            await doors.ledger.tenant(job.caller, bulk=True).commit(Commit(tuple(ops)))
        else:
            await doors.ledger.tenant(job.caller, bulk=True).commit(Commit(jobs=FOLLOWING, done=job.id))
            return
    await doors.ledger.tenant(job.caller, bulk=True).commit(Commit(jobs=FOLLOWING[1:], done=job.id))


def _waits(one: StaleDir, stale: list[StaleDir]) -> bool:
    return any(other is not one and other.node.uri.under(one.node.uri) for other in stale)


async def _tiers(stale: StaleDir, doors: Doors) -> SetTiers:
    title = stale.node.uri.name.replace("_", " ")
    made = await doors.model.tiers_of_directory(
        str(stale.node.uri), title, tuple(map(_child, stale.entries)), stale.total
    )
    tiers = refreshed(stale.own, made)
    return SetTiers(stale.node.id, stale.node.version, tiers, chunks_of_tiers(stale.node.uri, tiers), stale.seq)


def _child(node: Node) -> Child:
    return Child(node.uri.name, node.is_dir, node.abstract)
