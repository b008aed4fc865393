"""Computes missing vectors, newest messages first, in batches; a chunk is found by its words and by the vectors it has."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from recalld.domain.commit import Commit, Embedded, Op, PutVectors, RecordUsage
from recalld.domain.errors import Busy, Invalid, Upstream
from recalld.domain.job import EmbedPayload, Job, Lane, NewJob
from recalld.ports.bundle import Ports
from recalld.ports.embedder import Embedder
from recalld.ports.ledger import Commits
from recalld.ports.maintenance import ChunkRow
from recalld.rules.openviking_json import tokens

from .enrich import failed_by_itself
from .provider_budget import DAY, check_day

VECTORS_PER_COMMIT = 128
HARMLESS = "A heron stands by the water."
UNUSABLE_WAIT_S = 300.0
ROUNDS_MAX = 200
"""Then the job yields and is rescheduled, so that one user's import does not delay another's messages."""
BACKGROUND_TEXTS = 32
"""Texts of a background job's batch: about a second of a model in this process."""
PAUSE_S = 1.0
"""How long a background job waits between batches while there is other work."""


async def embed(job: Job[EmbedPayload], ports: Ports) -> None:
    """Embed chunks without a vector of a model in the caller's tree and the account's shared one. The last vectors are committed
    together with the end of the job, and with the job of the next model."""
    tenant = ports.ledger.tenant(job.caller)
    results: tuple[Op, ...] = ()
    rounds, wait_s = 0, 0.0
    embedder = ports.embedders[job.payload.model] if job.payload.model < len(ports.embedders) else None
    try:
        if embedder is not None:
            async with aclosing(_pages(job, ports, embedder)) as pages:
                async for rows, more in pages:
                    results = await _keep(results, tenant)  # paid for: committed before the next call
                    results = await _vectors(rows, ports, embedder)
                    rounds += 1
                    if job.lane is Lane.BACKGROUND and await ports.backlog.has_other_work():
                        rounds, wait_s = ROUNDS_MAX, PAUSE_S
                    if rounds >= ROUNDS_MAX:
                        break
                    if more:
                        results = await _keep(results, tenant)
    except Busy as later:
        # A paused or busy model does not fail this job: it is rescheduled for the given time.
        rounds, wait_s = ROUNDS_MAX, max(later.retry_after_s, 1.0)
    except Upstream as failed:
        await _tell(failed, job, embedder, ports)
        raise
    again = job.payload.job(_key(job.payload), lane=job.lane, delay_s=wait_s)
    jobs = (again,) if rounds >= ROUNDS_MAX else _jobs_of_next_model(job, ports)
    await tenant.commit(Commit(results, jobs, done=job.id), lane=Lane.BULK)


async def enqueue_missing(ports: Ports) -> None:
    """Enqueue the jobs that compute every missing vector, for example after a model was configured."""
    for tree in await ports.backlog.unembedded_partitions():
        await ports.ledger.tenant(tree).commit(Commit(jobs=(EmbedPayload().job(),)), lane=Lane.BULK)


def _jobs_of_next_model(job: Job[EmbedPayload], ports: Ports) -> tuple[NewJob, ...]:
    """Return the job of the model behind this one. A model in this process gives way to all other work, a provider takes none of
    its CPU time."""
    following = EmbedPayload(job.payload.model + 1)
    if following.model >= len(ports.embedders):
        return ()
    lane = job.lane if ports.embedders[following.model].name in ports.days else Lane.BACKGROUND
    return (following.job(_key(following), lane=lane),)


def _key(payload: EmbedPayload) -> str:
    return f"{payload.KIND}:{payload.model}" if payload.model else payload.KIND


async def _pages(
    job: Job[EmbedPayload], ports: Ports, embedder: Embedder
) -> AsyncGenerator[tuple[list[ChunkRow], bool], None]:
    """Yield chunks without a vector, and whether the tree may have more; then this page's vectors are committed
    first."""
    most = min(BACKGROUND_TEXTS if job.lane is Lane.BACKGROUND else VECTORS_PER_COMMIT, embedder.batch_max)
    for tree in (job.caller, replace(job.caller, user="")):
        more = True
        while more:
            rows = await ports.backlog.unembedded(tree, fingerprint=embedder.fingerprint, limit=most)
            more = len(rows) == most
            if rows:
                yield rows, more


async def _vectors(rows: list[ChunkRow], ports: Ports, embedder: Embedder) -> tuple[Op, ...]:
    await check_day(embedder.name, ports)
    try:
        vectors, calls, refusals = await _isolating([r.text for r in rows], embedder)
    except Invalid as unusable:
        # For example its extra is not installed: readiness reports it, and the job is retried later.
        raise Busy(unusable.message, remedy=unusable.remedy, retry_after_s=UNUSABLE_WAIT_S) from unusable
    refused = next((one for one in reversed(refusals) if one is not None), None)
    if refused is not None and not await _is_well(embedder):
        raise refused  # it refuses every text: the texts are not at fault
    results = tuple(
        Embedded(row.id, np.asarray(vector, "<f2").tobytes(), _reason(refusal))
        for row, vector, refusal in zip(rows, vectors, refusals, strict=True)
    )
    put = PutVectors(embedder.fingerprint, results)
    if embedder.name not in ports.days:
        return (put,)
    input_tokens, error = sum(tokens(r.text) for r in rows), refused.message if refused else ""
    day = ports.clock.stamp(DAY)
    return put, RecordUsage(day, embedder.name, "embed", calls=calls, tokens_in=input_tokens, error=error)


def _reason(refusal: Upstream | None) -> str:
    """Return the reason as one known word: other provider text may quote the input."""
    return "" if refusal is None else str(refusal.details.get("code") or "invalid_request")


async def _isolating(texts: list[str], embedder: Embedder) -> tuple[NDArray[np.float32], int, list[Upstream | None]]:
    """Return the vectors of all texts, the number of calls, and each text's refusal. A text refused on its own gets a
    zero row, as an empty one does: it is found lexically and not sent again with its neighbours."""
    try:
        return await embedder.embed(texts), 1, [None] * len(texts)
    except Upstream as failed:
        if not failed_by_itself(failed):
            raise
        if len(texts) == 1:
            return np.zeros((1, embedder.width), np.float32), 1, [failed]
    half = len(texts) // 2
    first, calls, one = await _isolating(texts[:half], embedder)
    second, more, other = await _isolating(texts[half:], embedder)
    return np.concatenate([first, second]), 1 + calls + more, one + other


async def _is_well(embedder: Embedder) -> bool:
    try:
        await embedder.embed([HARMLESS])
    except Upstream:
        return False
    return True


async def _tell(failed: Upstream, job: Job[EmbedPayload], embedder: Embedder | None, ports: Ports) -> None:
    """Record the failure for readiness: the server process does not make these calls."""
    if embedder is not None and embedder.name in ports.days:
        cost = RecordUsage(ports.clock.stamp(DAY), embedder.name, "embed", error=failed.message)
        await ports.ledger.tenant(job.caller).commit(Commit((cost,)), lane=Lane.BULK)


async def _keep(results: tuple[Op, ...], commits: Commits) -> tuple[Op, ...]:
    """Commit the results; return what is left of them."""
    if results:
        await commits.commit(Commit(results), lane=Lane.BULK)
    return ()
