"""Two models: the first one's vectors come first, the second one's join in the background and give way to other work."""

from __future__ import annotations

from dataclasses import replace

import pytest

from recalld.adapters.embedder.hash import HashEmbedder, HashSettings
from recalld.app.worker_loop import run_job
from recalld.domain.caller import Caller
from recalld.domain.job import Job, Lane
from recalld.domain.policy import DayPolicy
from recalld.domain.query import Query
from recalld.usecases.find.find import find
from recalld.usecases.maintenance.embed import PAUSE_S, enqueue_missing
from tests.harness import Harness

AT = "viking://resources/birds"


@pytest.fixture
async def harness(dense_harness: Harness) -> Harness:
    """A store with a second model, which is slower by what the test says."""
    ports = dense_harness.ports
    embedders = (*ports.embedders, HashEmbedder(HashSettings(32)))
    await ports.maintenance.configure_models(embedders)  # type: ignore[attr-defined]
    dense_harness.ports = replace(ports, embedders=embedders)
    return dense_harness


async def vector_counts(harness: Harness) -> list[int]:
    """The number of vectors by model."""
    return [count.made for count in (await harness.engine.usage()).embedded]


async def run_one(harness: Harness, kind: str = "embed") -> Job:
    """Run the next job of a kind, and no other."""
    job = await harness.lease_of(kind)
    await run_job(job, harness.ports)
    return job


async def similarities(harness: Harness) -> int:
    """How many models have a vote on the one entry."""
    answer = await find(Query("the heron"), Caller(), harness.ports, deadline_s=5.0)
    (note,) = [stage.note for stage in answer.stages if stage.name == "recall"]
    return int(note.split(", ")[1].split()[0])


async def test_the_first_models_vectors_do_not_wait_for_the_second(harness: Harness) -> None:
    await harness.append("s", "the heron stood still")
    assert (await run_one(harness)).lane is Lane.INTERACTIVE
    assert (await vector_counts(harness), await similarities(harness)) == ([1, 0], 1)
    assert (await run_one(harness)).lane is Lane.BACKGROUND
    assert (await vector_counts(harness), await similarities(harness)) == ([1, 1], 2)


async def test_the_second_model_pauses_while_there_is_other_work(harness: Harness) -> None:
    for n in range(3):
        await harness.append("s", *(f"heron {n} {k}" for k in range(20)))
    await run_one(harness)
    background = await harness.lease_of("embed")
    await harness.append("s", "a stork")  # its job is due
    await run_job(background, harness.ports)
    batch = (await vector_counts(harness))[1]
    assert 0 < batch < 60
    assert [job.lane for job in await harness.lease(9)] == [Lane.INTERACTIVE]
    harness.clock.advance(PAUSE_S)
    assert (await harness.lease_of("embed")).lane is Lane.BACKGROUND


async def test_without_other_work_the_second_model_goes_on(harness: Harness) -> None:
    await harness.append("s", *(f"heron {k}" for k in range(60)))
    await run_one(harness)
    await run_one(harness)
    assert await vector_counts(harness) == [60, 60]


async def test_a_provider_takes_no_cpu_time_and_does_not_give_way(harness: Harness) -> None:
    harness.ports = replace(harness.ports, days={harness.ports.embedders[1].name: DayPolicy(0, 0)})
    await harness.append("s", "the heron stood still")
    await run_one(harness)
    assert (await run_one(harness)).lane is Lane.INTERACTIVE


async def test_a_backfill_begins_without_a_write(harness: Harness) -> None:
    both = harness.ports
    harness.ports = replace(both, embedders=both.embedders[:1])
    await harness.append("s", "the heron stood still")
    await harness.settle()
    harness.ports = both
    await enqueue_missing(both)
    await harness.settle()
    assert await vector_counts(harness) == [1, 1]


async def test_a_store_with_all_its_vectors_gets_no_job(harness: Harness) -> None:
    await harness.append("s", "the heron stood still")
    await harness.settle()
    await enqueue_missing(harness.ports)
    assert (await harness.queue("embed")).pending == 0
