"""A store with remote models: healthy, failing, and unreachable."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from recalld.app.config import load_config
from recalld.app.engine import Engine
from recalld.app.housekeeping import Housekeeping
from recalld.domain.caller import Caller, Role
from recalld.domain.errors import Invalid
from recalld.infra.watchdog import Watchdog
from recalld.usecases.maintenance.provider_budget import USED_UP
from tests.fakes.provider import WIDTH, Provider, provider
from tests.harness import Harness, harness_at

HERON = "viking://resources/heron.md"
FAULTS = ["hang", "trickle", "reset", "garbage", "dimensions", "huge", "401", "403", "402", "429", "500"]


def behind(fake: Provider, **more: Any) -> dict[str, Any]:
    return {
        "provider": "openai",
        "base_url": fake.url,
        "model": "m",
        "dimensions": WIDTH,
        "static": False,
        "timeout_s": 5.0,
        **more,
    }


async def wrote(harness: Harness) -> None:
    await harness.write(HERON, "the heron stood still by the water")
    await harness.settle()


async def test_vectors_come_from_the_provider_and_are_found_by_meaning(tmp_path: Path) -> None:
    async with provider() as fake, harness_at(tmp_path, embedder=behind(fake, api_key="k")) as harness:
        await wrote(harness)
        answer = await harness.engine.find("heron water", explain=True)
        assert (str(answer.hits[0].uri), answer.degraded) == (HERON, ())
        assert any(one.name.startswith("meaning:") and one.raw > 0.3 for one in answer.hits[0].features)
        assert {seen.headers["authorization"] for seen in fake.seen} == {"Bearer k"}


@pytest.mark.parametrize("fault", FAULTS)
async def test_recall_answers_and_reports_any_embedder_fault(tmp_path: Path, fault: str) -> None:
    async with provider() as fake, harness_at(tmp_path, embedder=behind(fake, timeout_s=0.3)) as harness:
        await wrote(harness)
        fake.fault = fault
        for _ in range(3):
            answer = await harness.engine.find(f"heron {fault}")
            assert [str(hit.uri) for hit in answer.hits] == [HERON]
            assert answer.degraded == ("embedder",)
        # A second word said meanwhile is found at once all the same, and embedded when the provider is well again.
        await harness.append("s", "the stork flew")
        assert (await harness.engine.find("stork")).hits[0].abstract == "the stork flew"


async def test_a_rejected_key_pauses_calls_until_the_next_probe(tmp_path: Path) -> None:
    async with provider() as fake, harness_at(tmp_path, embedder=behind(fake)) as harness:
        await wrote(harness)
        fake.fault = "401"
        await harness.engine.find("heron one")
        request_count = len(fake.seen)
        await harness.engine.find("heron two")
        assert len(fake.seen) == request_count
        assert any(
            "embedding: paused: embedder openai:m answered 401" in r for r in (await harness.engine.readiness()).reasons
        )
        (provider_seen,) = harness.engine.health_snapshot().providers
        assert (provider_seen.circuit, provider_seen.failures, provider_seen.refused) == ("paused", 1, 1)


async def test_missing_vectors_are_embedded_after_the_outage(tmp_path: Path) -> None:
    async with provider(fault="429", retry_after="0") as fake, harness_at(tmp_path, embedder=behind(fake)) as harness:
        await harness.write(HERON, "the heron stood still by the water")
        fake.fault = "ok"
        await harness.settle()
        usage = await harness.engine.usage()
        assert usage.vectors == usage.chunks > 0
        assert (await harness.queue("embed")).dead == 0


async def test_a_search_takes_a_second_look_and_a_find_does_not(tmp_path: Path) -> None:
    async with (
        provider() as fake,
        harness_at(tmp_path, reranker={"provider": "tei", "base_url": fake.url, "timeout_s": 5.0}) as harness,
    ):
        await wrote(harness)
        await harness.engine.find("the heron stood")
        assert fake.seen == []
        answer = await harness.engine.search("the heron stood")
        assert [seen.path for seen in fake.seen] == ["/v1/rerank"]
        assert answer.hits[0].score == 1.0
        fake.fault = "500"
        assert (await harness.engine.search("the heron stood")).degraded == ("reranker",)


async def test_a_setting_that_does_not_fit_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match=r"embedder.*dimension"):
        async with harness_at(tmp_path, embedder={"provider": "openai", "model": "m", "dimension": 8}):
            pass


@pytest.mark.loop_may_block  # no loop here: settings are read before one runs
def test_a_key_may_lie_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("secret\n")
    config = load_config(None, embedder={"provider": "openai", "api_key_file": str(tmp_path / "key")})
    assert config.embedder.options() == {"api_key": "secret"}
    with pytest.raises(Invalid, match="api_key_file cannot be read"):
        load_config(None, embedder={"provider": "openai", "api_key_file": str(tmp_path / "nowhere")})


async def test_questions_and_second_looks_stop_at_their_days_budget_and_are_counted(tmp_path: Path) -> None:
    async with provider() as fake:
        first = behind(fake, calls_per_day_max=8)
        second = {"provider": "tei", "base_url": fake.url, "timeout_s": 5.0, "calls_per_day_max": 2}
        root = Caller(role=Role.ROOT)
        async with Engine.open(tmp_path, embedder=first, reranker=second, caller=root) as engine:
            keeper = Housekeeping(engine._ports, engine.config, Watchdog())
            await engine.write(HERON, "the heron stood still by the water", wait=True)
            await keeper.round()
            (before,) = [day for day in (await engine.stats.usage(1)).days if day.provider == "openai:m"]
            lacked = [(await engine.search(f"heron number {n}")).degraded for n in range(8)]
            allowed_calls = 8 - before.calls_today
            assert lacked == [
                (*(("embedder",) if n >= allowed_calls else ()), *(("reranker",) if n >= 2 else ())) for n in range(8)
            ]
            await keeper.round()
            reasons = keeper.readiness().reasons
            assert {"embedding: daily budget used up", "reranker: daily budget used up"} <= set(reasons)
            costs = await engine.stats.usage(1)
            counted = {(row.provider, row.operation): (row.calls, row.refused) for row in costs.rows}
            assert counted["openai:m", "embed"] == (before.calls_today, 0)
            assert counted["openai:m", "question"] == (allowed_calls, 8 - allowed_calls)
            assert counted["tei", "rerank"] == (2, 6)
            assert [(day.calls_today, day.state) for day in costs.days] == [(8, USED_UP), (2, USED_UP)]
            # The worker keeps to it as well: what is new is found by its words, and embedded tomorrow.
            seen = len(fake.seen)
            await engine.write("viking://resources/stork.md", "the stork flew")
            while not any(q.kind == "embed" and q.pending and not q.running for q in await engine.queues()):
                await asyncio.sleep(0.01)
            assert len(fake.seen) == seen
            assert (await engine.find("stork")).hits[0].abstract.startswith("the stork flew")
