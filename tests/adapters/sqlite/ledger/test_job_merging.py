"""Merging a job with a pending one of its key: its effect, and its cost without effect."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import apsw
import pytest

from recalld.adapters.sqlite.database.schema import MIGRATIONS
from recalld.adapters.sqlite.ledger import job_queue
from recalld.adapters.sqlite.ledger.job_wakeups import JobWakeups
from recalld.adapters.sqlite.ledger.transaction import WriteTx
from recalld.domain.caller import Caller
from recalld.domain.job import Lane, NewJob

EMBED = NewJob("embed", "embed")


@pytest.fixture
def c() -> Iterator[apsw.Connection]:
    c = apsw.Connection(":memory:")
    for script in MIGRATIONS.values():
        c.execute(script).fetchall()
    yield c
    c.close()


def enqueued(c: apsw.Connection, job: NewJob, at: float) -> WriteTx:
    tx = WriteTx(c, Caller(), at, "")
    job_queue.enqueue(tx, job)
    return tx


def row(c: apsw.Connection) -> tuple[object, ...]:
    return c.execute("SELECT not_before, lane, payload, task FROM job").fetchall()[0]


def test_a_job_that_waits_already_is_not_written_again(c: apsw.Connection) -> None:
    enqueued(c, EMBED, 10.0)
    before = c.total_changes()
    enqueued(c, EMBED, 20.0)
    assert c.total_changes() == before


def test_only_a_new_job_wakes_workers(c: apsw.Connection) -> None:
    assert enqueued(c, EMBED, 10.0).result.jobs_changed
    assert not enqueued(c, EMBED, 20.0).result.jobs_changed


@pytest.mark.parametrize(
    ("later", "expected"),
    [
        (NewJob("embed", "embed", delay_s=1.0), (21.0, "bulk", "{}", "")),
        (NewJob("embed", "embed", lane=Lane.INTERACTIVE, delay_s=99.0), (50.0, "interactive", "{}", "")),
        (NewJob("embed", "embed", {"uri": "a"}, delay_s=99.0), (50.0, "bulk", '{"uri": "a"}', "")),
        (NewJob("embed", "embed", delay_s=99.0, task_id="t1"), (50.0, "bulk", "{}", "t1")),
    ],
)
def test_an_improvement_by_the_later_job_is_applied_and_wakes_workers(
    c: apsw.Connection, later: NewJob, expected: tuple[object, ...]
) -> None:
    enqueued(c, NewJob("embed", "embed", delay_s=40.0), 10.0)
    assert enqueued(c, later, 20.0).result.jobs_changed
    assert row(c) == expected


async def test_delayed_calls_at_about_one_time_are_one() -> None:
    wakes = JobWakeups()
    loop = asyncio.get_running_loop()
    timers: list[float] = []
    at = loop.call_at
    loop.call_at = lambda when, *rest, **more: (timers.append(when), at(when, *rest, **more))[1]  # type: ignore[method-assign]
    for _ in range(100):
        wakes.notify(30.0)
    assert 1 <= len(timers) <= 3
