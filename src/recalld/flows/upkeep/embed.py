"""Give every chunk a vector, newest messages first, in batches; recall answers lexically until then."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

import numpy as np

from recalld.domain.caller import Caller
from recalld.domain.commit import Commit, CountCost, Embedded, Op, PutVectors
from recalld.domain.errors import Busy
from recalld.domain.job import Job, NewJob
from recalld.ports.doors import Doors
from recalld.ports.embedder import Embedder
from recalld.ports.ledger import ChunkRow, Tenant
from recalld.rules.wire import tokens

from .bill import DAY, check_day

VECTORS_PER_COMMIT = 128
ROUNDS_MAX = 200
"""Then the job makes room for others and comes back: no user's import keeps another's messages waiting."""


async def embed(job: Job, doors: Doors) -> None:
    """Embed what lacks a vector in the caller's tree and the account's shared one. The last vectors come with the end of the
    job, in one commit."""
    tenant = doors.ledger.tenant(job.caller, bulk=True)
    made: tuple[Op, ...] = ()
    rounds, wait_s = 0, 0.0
    try:
        if doors.embedder is not None:
            async with aclosing(_pages(job.caller, doors, doors.embedder)) as pages:
                async for rows, more in pages:
                    made = await _keep(made, tenant)  # paid for: kept before anything else is asked for
                    made = await _vectors(rows, doors, doors.embedder)
                    rounds += 1
                    if rounds >= ROUNDS_MAX:
                        break
                    if more:
                        made = await _keep(made, tenant)
    except Busy as later:
        # A model that is not to be asked now is no failure of this job: it comes back when it said.
        rounds, wait_s = ROUNDS_MAX, max(later.retry_after_s, 1.0)
    again = rounds >= ROUNDS_MAX
    await tenant.commit(Commit(made, (_again(job, wait_s),) if again else (), done=job.id))


async def _pages(caller: Caller, doors: Doors, embedder: Embedder) -> AsyncGenerator[tuple[list[ChunkRow], bool], None]:
    """What lacks a vector, and whether there may be more in its tree: then this page's are to be kept first."""
    most = min(VECTORS_PER_COMMIT, embedder.batch_max)
    for tree in (caller, replace(caller, user="")):
        more = True
        while more:
            rows = await doors.ledger.unembedded(tree, fingerprint=embedder.fingerprint, limit=most)
            more = len(rows) == most
            if rows:
                yield rows, more


async def _vectors(rows: list[ChunkRow], doors: Doors, embedder: Embedder) -> tuple[Op, ...]:
    await check_day(embedder.name, doors)
    vectors = await embedder.embed([r.text for r in rows])
    made = tuple(Embedded(r.id, np.asarray(v, "<f2").tobytes()) for r, v in zip(rows, vectors, strict=True))
    put = PutVectors(embedder.fingerprint, made)
    if embedder.name not in doors.days:
        return (put,)
    asked = sum(tokens(r.text) for r in rows)
    return put, CountCost(doors.clock.stamp(DAY), embedder.name, "embed", calls=1, tokens_in=asked)


async def _keep(made: tuple[Op, ...], tenant: Tenant) -> tuple[Op, ...]:
    """Commit what was made; what is left of it."""
    if made:
        await tenant.commit(Commit(made))
    return ()


def _again(job: Job, wait_s: float) -> NewJob:
    return NewJob(job.kind, "embed", lane=job.lane, delay_s=wait_s)
