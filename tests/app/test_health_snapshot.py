"""The health of an engine."""

from __future__ import annotations

import math

from recalld.app.config import load_config
from recalld.app.housekeeping import COUNT_EVERY_S, Housekeeping
from recalld.infra.watchdog import Watchdog
from tests.harness import Harness


def housekeeping(harness: Harness) -> Housekeeping:
    return Housekeeping(harness.ports, load_config(None, data=harness.folder), Watchdog())


async def test_before_the_first_round_nothing_is_known(harness: Harness) -> None:
    found = housekeeping(harness).health_snapshot()
    assert (found.usage, found.queues, found.measured_ago_s) == (None, (), math.inf)
    assert found.readiness.state == "degraded"


async def test_a_round_measures_and_counts(harness: Harness) -> None:
    await harness.write("viking://resources/a.md", "text")
    await harness.settle()
    keeper = housekeeping(harness)
    await keeper.round()
    found = keeper.health_snapshot()
    assert found.usage is not None
    assert found.usage.chunks >= 1
    assert found.measured_ago_s == 0.0
    assert found.readiness.state == "ready"
    assert [(m.role, m.state) for m in found.models] == [
        ("embedder", "not_configured"),
        ("reranker", "not_configured"),
        ("model", "ok"),
    ]


async def test_the_store_is_counted_once_a_minute_and_probed_each_time(harness: Harness) -> None:
    keeper = housekeeping(harness)
    await keeper.round()
    first = keeper.health_snapshot().usage
    await harness.write("viking://resources/a.md", "text")
    harness.clock.advance(COUNT_EVERY_S - 1)
    await keeper.round()
    assert keeper.health_snapshot().usage == first
    assert keeper.health_snapshot().measured_ago_s == 0.0
    harness.clock.advance(1)
    await keeper.round()
    again = keeper.health_snapshot().usage
    assert first is not None
    assert again is not None
    assert again.nodes > first.nodes


async def test_jobs_are_counted_by_kind_with_the_age_of_the_oldest(harness: Harness) -> None:
    await harness.write("viking://resources/docs/a.md", "text")
    harness.clock.advance(30)
    keeper = housekeeping(harness)
    await keeper.round()
    queues = {q.kind: q for q in keeper.health_snapshot().queues}
    assert queues["tiers"].pending >= 1
    assert queues["tiers"].oldest_s >= 30
