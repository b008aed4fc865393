"""Refreshes abstracts and overviews of stale directories, bottom-up, each once however many children changed."""

from __future__ import annotations

from dataclasses import replace

from recalld.domain.caller import Caller
from recalld.domain.commit import Commit, Op, SetTiers
from recalld.domain.job import Job, Lane, TiersPayload
from recalld.ports.bundle import Ports
from recalld.ports.maintenance import StaleDir
from recalld.rules.chunks import chunks_of_tiers
from recalld.rules.sidecar import refreshed
from recalld.usecases.tree.prepare import EMBED, FOLLOW_UP_JOBS

from .enrich import ENRICH, child_of, known_directory, title_of

DIRS_PER_COMMIT = 16
ENTRIES_MAX = 200
ROUNDS_MAX = 400


async def refresh(job: Job[TiersPayload], ports: Ports) -> None:
    """Summarise stale directories of the caller's tree and of the account's shared one until none is left."""
    trees = (job.caller, replace(job.caller, user=""))
    for tree in trees:
        for _ in range(ROUNDS_MAX):
            stale = await ports.backlog.stale_dirs(tree, limit=DIRS_PER_COMMIT, entries_max=ENTRIES_MAX)
            if not stale:
                break
            # A parent waits for the next round, after its children's new abstracts.
            ready = [s for s in stale if not _waits(s, stale)]
            ops: list[Op] = [await tiers_of(s, tree, ports) for s in ready]
            await ports.ledger.tenant(job.caller).commit(Commit(tuple(ops)), lane=Lane.BULK)
        else:
            await ports.ledger.tenant(job.caller).commit(Commit(jobs=FOLLOW_UP_JOBS, done=job.id), lane=Lane.BULK)
            return
    after = (EMBED, *((ENRICH,) if ports.writer is not None else ()))
    await ports.ledger.tenant(job.caller).commit(Commit(jobs=after, done=job.id), lane=Lane.BULK)


def _waits(one: StaleDir, stale: list[StaleDir]) -> bool:
    return any(other is not one and other.node.uri.under(one.node.uri) for other in stale)


async def tiers_of(stale: StaleDir, tree: Caller, ports: Ports) -> SetTiers:
    """Return a directory's up-to-date tiers."""
    generated = await known_directory(stale, tree, ports)
    if generated is None:
        uri, children = str(stale.node.uri), tuple(map(child_of, stale.entries))
        generated = await ports.model.tiers_of_directory(uri, title_of(stale.node), children, stale.total)
    tiers = refreshed(stale.own, generated)
    return SetTiers(
        stale.node.id,
        stale.node.version,
        tiers,
        chunks_of_tiers(stale.node.uri, tiers),
        stale.seq,
        checked=True,
        own=stale.own,
    )
