"""Give every chunk a vector, newest messages first, in batches; recall answers lexically until then."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from recalld.domain.caller import Caller
from recalld.domain.commit import Commit, CountCost, Embedded, PutVectors
from recalld.domain.errors import Busy
from recalld.domain.job import Job, NewJob
from recalld.ports.doors import Doors
from recalld.ports.embedder import Embedder
from recalld.rules.wire import tokens

from .bill import DAY, check_day

VECTORS_PER_COMMIT = 128
ROUNDS_MAX = 200
"""Then the job makes room for others and comes back: no user's import keeps another's messages waiting."""


async def embed(job: Job, doors: Doors) -> None:
    """Embed what lacks a vector in the caller's tree and the account's shared one."""
    tenant = doors.ledger.tenant(job.caller, bulk=True)
    rounds, wait_s = 0, 0.0
    try:
        if doors.embedder is not None:
            for tree in (job.caller, replace(job.caller, user="")):
                while rounds < ROUNDS_MAX and await _round(tree, doors, doors.embedder):
                    rounds += 1
    except Busy as later:
        # A model that is not to be asked now is no failure of this job: it comes back when it said.
        rounds, wait_s = ROUNDS_MAX, max(later.retry_after_s, 1.0)
    again = rounds >= ROUNDS_MAX
    await tenant.commit(Commit(jobs=(_again(job, wait_s),) if again else (), done=job.id))


async def _round(tree: Caller, doors: Doors, embedder: Embedder) -> int:
    rows = await doors.ledger.unembedded(
        tree, fingerprint=embedder.fingerprint, limit=min(VECTORS_PER_COMMIT, embedder.batch_max)
    )
    if not rows:
        return 0
    await check_day(embedder.name, doors)
    vectors = await embedder.embed([r.text for r in rows])
    made = tuple(Embedded(r.id, np.asarray(v, "<f2").tobytes()) for r, v in zip(rows, vectors, strict=True))
    spent: tuple[CountCost, ...] = ()
    if embedder.name in doors.days:
        asked = sum(tokens(r.text) for r in rows)
        spent = (CountCost(doors.clock.stamp(DAY), embedder.name, "embed", calls=1, tokens_in=asked),)
    await doors.ledger.tenant(tree, bulk=True).commit(Commit((PutVectors(embedder.fingerprint, made), *spent)))
    return len(rows)


def _again(job: Job, wait_s: float) -> NewJob:
    return NewJob(job.kind, "embed", lane=job.lane, delay_s=wait_s)
