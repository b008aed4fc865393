"""What an engine knows of itself."""

from __future__ import annotations

import math

from recalld.app.config import load_config
from recalld.app.housekeeping import COUNT_EVERY_S, Housekeeping
from recalld.infra.watchdog import Watchdog
from tests.house_fixture import House


def housekeeping(house: House) -> Housekeeping:
    return Housekeeping(house.ports, load_config(None, data=house.folder), Watchdog())


async def test_before_the_first_round_nothing_is_known(house: House) -> None:
    found = housekeeping(house).findings()
    assert (found.usage, found.queues, found.measured_ago_s) == (None, (), math.inf)
    assert found.readiness.state == "degraded"


async def test_a_round_measures_and_counts(house: House) -> None:
    await house.write("viking://resources/a.md", "text")
    await house.settle()
    keeper = housekeeping(house)
    await keeper.round()
    found = keeper.findings()
    assert found.usage is not None
    assert found.usage.chunks >= 1
    assert found.measured_ago_s == 0.0
    assert found.readiness.state == "ready"
    assert [(m.role, m.state) for m in found.models] == [
        ("embedder", "not_configured"),
        ("reranker", "not_configured"),
        ("model", "ok"),
    ]


async def test_the_store_is_counted_once_a_minute_and_probed_each_time(house: House) -> None:
    keeper = housekeeping(house)
    await keeper.round()
    first = keeper.findings().usage
    await house.write("viking://resources/a.md", "text")
    house.clock.advance(COUNT_EVERY_S - 1)
    await keeper.round()
    assert keeper.findings().usage == first
    assert keeper.findings().measured_ago_s == 0.0
    house.clock.advance(1)
    await keeper.round()
    again = keeper.findings().usage
    assert first is not None
    assert again is not None
    assert again.nodes > first.nodes


async def test_jobs_are_told_by_kind_with_the_age_of_the_oldest(house: House) -> None:
    await house.write("viking://resources/docs/a.md", "text")
    house.clock.advance(30)
    keeper = housekeeping(house)
    await keeper.round()
    queues = {q.kind: q for q in keeper.findings().queues}
    assert queues["tiers"].pending >= 1
    assert queues["tiers"].oldest_s >= 30
