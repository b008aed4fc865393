"""A store with a remote language model: healthy, failing, over budget, and unreachable."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import TypeAdapter

from recalld.app.config import ServerConfig, load_config
from recalld.app.housekeeping import Housekeeping
from recalld.app.worker_loop import run_job
from recalld.domain.caller import Caller
from recalld.infra.watchdog import Watchdog
from recalld.surfaces.http.app import create_app
from recalld.surfaces.http.models.envelope import envelope_of
from recalld.surfaces.http.models.resource import UsageResult
from tests.fakes.provider import Provider, ReceivedRequest, provider
from tests.harness import Harness, harness_at, plant

BIRDS = "viking://resources/birds"
HERON = f"{BIRDS}/heron.md"
OWN = "viking://user/default/resources/own.md"
FACT = "I moved to Lisbon in March 2024 and I work at Acme as a nurse."
FAULTS = ["hang", "trickle", "reset", "garbage", "huge", "400", "401", "403", "402", "429", "500"]
HEALED_S = 20_000.0
"""Longer than any circuit stays open."""


def says(request: ReceivedRequest) -> str:
    """Names what it was asked about, so that a test sees whose words it reads."""
    question = request.body["messages"][-1]["content"]
    if "Conversation:" in question and "[m0]" in question:
        memory = {"type": "events", "title": "A move", "text": "Ana moved to Lisbon zanzibar.", "messages": ["m0"]}
        return json.dumps({"memories": [memory]})
    return json.dumps({"abstract": f"zanzibar {question.splitlines()[0]}", "overview": "- quagga"})


@asynccontextmanager
async def harness_with(folder: Path, fake: Provider, **more: Any) -> AsyncIterator[Harness]:
    section = {"provider": "openai", "base_url": fake.url, "model": "m", "timeout_s": 5.0, **more}
    async with harness_at(folder, model=section) as harness:
        yield harness


async def settled(harness: Harness) -> None:
    """Run what may run within a minute: work put off for long stays where it is."""
    for _ in range(40):
        for job in await harness.lease(8):
            await run_job(job, harness.ports)
        harness.clock.advance(1.5)


async def abstract(harness: Harness, uri: str) -> str:
    return (await harness.ports.ledger.tenant(harness.engine.caller).stat(harness.engine.resolve(uri))).abstract


def questions(fake: Provider) -> list[str]:
    return [seen.body["messages"][-1]["content"].splitlines()[0] for seen in fake.seen]


async def test_content_is_found_at_once_and_described_by_the_model_later(tmp_path: Path) -> None:
    async with provider(says=says) as fake, harness_with(tmp_path, fake) as harness:
        await harness.write(HERON, "The heron stood still by the water.")
        assert await harness.found("heron water") == [HERON]
        assert "heron stood still" in await abstract(harness, HERON)
        assert fake.seen == []
        await harness.settle()
        assert await abstract(harness, HERON) == "zanzibar Name: heron.md"
        assert await abstract(harness, BIRDS) == f"zanzibar Folder: {BIRDS}"
        assert f"{BIRDS}/.overview.md" in await harness.found("quagga", level=[1])
        # Bottom-up: a directory is described from what the model said of its files.
        (folder,) = [
            s.body["messages"][-1]["content"]
            for s in fake.seen
            if s.body["messages"][-1]["content"].startswith(f"Folder: {BIRDS}\n")
        ]
        assert "- heron.md: zanzibar Name: heron.md" in folder


async def test_equal_inputs_are_generated_once(tmp_path: Path) -> None:
    async with provider(says=says) as fake, harness_with(tmp_path, fake) as harness:
        await harness.write(HERON, "The heron stood still by the water.")
        await harness.settle()
        request_count = len(fake.seen)
        assert request_count == len(set(questions(fake)))
        await harness.write(HERON, "The heron stood still by the water.")
        await harness.settle()
        assert len(fake.seen) == request_count
        # Written anew with other words and back: the first answer is still known.
        await harness.write(HERON, "The heron flew.")
        await harness.settle()
        other = len(fake.seen)
        await harness.write(HERON, "The heron stood still by the water.")
        await harness.settle()
        assert len(fake.seen) == other
        assert await abstract(harness, HERON) == "zanzibar Name: heron.md"


async def test_a_store_at_rest_asks_nothing(tmp_path: Path) -> None:
    async with provider(says=says) as fake, harness_with(tmp_path, fake) as harness:
        await harness.add(
            plant(tmp_path / "src", {f"d{i % 3}/f{i}.md": f"# File {i}\n\nWords of file {i}." for i in range(9)})
        )
        request_count = len(fake.seen)
        await harness.append("s", "hello there")
        await harness.settle()
        assert len(fake.seen) == request_count
        assert (await harness.queue("enrich")).dead == 0


async def test_tiers_written_by_a_caller_stay(tmp_path: Path) -> None:
    async with provider(says=says) as fake, harness_with(tmp_path, fake) as harness:
        await harness.write(HERON, "The heron stood still.")
        await harness.settle()
        await harness.write(f"{BIRDS}/.abstract.md", "My own words.")
        await harness.write(f"{BIRDS}/stork.md", "The stork flew.")
        await harness.settle()
        assert await abstract(harness, BIRDS) == "My own words."


@pytest.mark.parametrize("fault", FAULTS)
async def test_extractive_tiers_stand_during_an_outage_and_are_replaced_after_it(tmp_path: Path, fault: str) -> None:
    async with provider(says=says, fault=fault) as fake:
        async with harness_with(tmp_path, fake, timeout_s=0.2) as harness:
            await harness.write(HERON, "The heron stood still by the water.")
            await harness.append("s", FACT)
            did = await harness.commit("s")
            await settled(harness)
            assert "heron stood still" in await abstract(harness, HERON)
            assert (await harness.found("heron water"))[0] == HERON
            result = (await harness.engine.tasks.get(did.task_id)).result
            assert result is not None
            assert result["memories_extracted"] == {"events": 1}
            assert any(why.startswith("model: ") for why in result["degraded"])
            memories = await harness.texts_below("viking://user/default/memories")
            assert len(memories) == 1
            if fault != "400":
                keeper = Housekeeping(harness.ports, load_config(None, data=harness.folder), Watchdog())
                await keeper.round()
                assert any(reason.startswith("model: ") for reason in keeper.readiness().reasons)
        fake.fault = "ok"
        async with harness_with(tmp_path, fake) as harness:  # nothing is held against the provider any more
            harness.clock.advance(HEALED_S)
            await harness.write(f"{BIRDS}/stork.md", "The stork flew.")
            await harness.settle()
            # 400: what a provider says that is well and cannot read this one text.
            assert (await abstract(harness, HERON)).startswith("zanzibar") == (fault != "400")
            assert (await abstract(harness, f"{BIRDS}/stork.md")).startswith("zanzibar")
            assert await harness.texts_below("viking://user/default/memories") == memories
            assert (await harness.queue("enrich")).dead == 0
            keeper = Housekeeping(harness.ports, load_config(None, data=harness.folder), Watchdog())
            await keeper.round()
            assert not any(reason.startswith("model") for reason in keeper.readiness().reasons)


async def test_unusable_output_is_not_retried_for_ever(tmp_path: Path) -> None:
    async with provider() as fake, harness_with(tmp_path, fake) as harness:
        await harness.write(HERON, "The heron stood still by the water.")
        await harness.settle()
        request_count = len(fake.seen)
        await harness.write(f"{BIRDS}/stork.md", "The stork flew.")
        await harness.settle()
        assert "heron stood still" in await abstract(harness, HERON)
        assert questions(fake)[request_count:].count("Name: heron.md") == 0


async def test_an_archive_is_summarised_and_memories_extracted_by_the_model(tmp_path: Path) -> None:
    async with provider(says=says) as fake, harness_with(tmp_path, fake) as harness:
        await harness.append("s", FACT)
        did = await harness.commit("s")
        await harness.settle()
        result = (await harness.engine.tasks.get(did.task_id)).result
        assert result is not None
        assert "degraded" not in result
        assert result["memories_extracted"] == {"events": 1}
        assert result["token_usage"]["llm"] == 30
        (text,) = (await harness.texts_below("viking://user/default/memories")).values()
        assert "Ana moved to Lisbon zanzibar." in text
        assert f"> {FACT}" in text
        (uri,) = [u for u in await harness.found("zanzibar lisbon") if "/memories/" in u]
        assert await abstract(harness, uri) == "Ana moved to Lisbon zanzibar."


async def test_peers_words_are_read_apart(tmp_path: Path) -> None:
    async with provider(says=says) as fake, harness_with(tmp_path, fake) as harness:
        await harness.append("s", FACT, {"role": "user", "content": "Miso is my cat's name.", "peer_id": "mara"})
        await harness.commit("s")
        await harness.settle()
        prompts = [s.body["messages"][-1]["content"] for s in fake.seen if "[m0]" in s.body["messages"][-1]["content"]]
        assert len(prompts) == 2
        assert not any("Miso" in one and "Lisbon" in one for one in prompts)


async def test_the_cap_stops_calls_and_says_so_until_the_next_day(tmp_path: Path) -> None:
    async with provider(says=says) as fake, harness_with(tmp_path, fake, calls_per_day_max=2) as harness:
        for name in ("heron", "stork", "crane", "egret"):
            await harness.write(f"{BIRDS}/{name}.md", f"The {name} stood still.")
        await settled(harness)
        assert len(fake.seen) == 2
        await harness.append("s", FACT)
        did = await harness.commit("s")
        await settled(harness)
        assert len(fake.seen) == 2
        result = (await harness.engine.tasks.get(did.task_id)).result
        assert result is not None
        assert result["memories_extracted"] == {"events": 1}
        assert result["degraded"] == ["model: the daily budget of the language model is used up"]
        keeper = Housekeeping(harness.ports, load_config(None, data=harness.folder), Watchdog())
        await keeper.round()
        assert "model: daily budget used up" in keeper.readiness().reasons
        assert (await harness.queue("enrich")).pending == 1
        harness.clock.advance(86_400)
        await keeper.round()
        assert not any(r.startswith("model") for r in keeper.readiness().reasons)
        await settled(harness)
        assert len(fake.seen) == 4


async def test_tokens_are_capped_by_the_estimate_before_a_call(tmp_path: Path) -> None:
    async with provider(says=says) as fake, harness_with(tmp_path, fake, tokens_per_day_max=1_000) as harness:
        await harness.write(HERON, "The heron stood still.")
        await settled(harness)
        assert fake.seen == []
        costs = await harness.engine.stats.usage(1)
        assert costs.budget.state == "daily budget used up"
        assert sum(row.refused for row in costs.rows) >= 1


async def test_an_import_plans_no_more_than_it_may(tmp_path: Path) -> None:
    files = {f"f{i}.md": f"# File {i}\n\nWords of file {i}." for i in range(6)}
    async with provider(says=says) as fake, harness_with(tmp_path, fake, tokens_per_import_max=2_200) as harness:
        task = await harness.add(plant(tmp_path / "src", files))
        assert task.result is not None
        assert task.result["model"]["files_kept_extractive"] == 3
        assert sum(q.startswith("Name: ") for q in questions(fake)) == 3


async def test_an_import_plans_no_more_calls_than_it_may(tmp_path: Path) -> None:
    files = {f"f{i}.md": f"# File {i}\n\nWords of file {i}." for i in range(6)}
    async with provider(says=says) as fake, harness_with(tmp_path, fake, calls_per_import_max=2) as harness:
        task = await harness.add(plant(tmp_path / "src", files))
        assert task.result is not None
        assert (task.result["model"]["calls_planned"], task.result["model"]["files_kept_extractive"]) == (2, 4)
        assert sum(q.startswith("Name: ") for q in questions(fake)) == 2


async def test_costs_show_calls_and_tokens(tmp_path: Path) -> None:
    async with provider(says=says) as fake, harness_with(tmp_path, fake) as harness:
        await harness.write(HERON, "The heron stood still.")
        await harness.settle()
        app = create_app(harness.engine, ServerConfig())
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://localhost") as http:
            answer = await http.get("/api/v1/stats/usage", params={"days": 2})
            TypeAdapter(envelope_of(UsageResult)).validate_json(answer.content, strict=True)
            result = answer.json()["result"]
            assert (await http.get("/api/v1/stats/usage", params={"days": 0})).status_code == 400
        app.app_state.close()
        (row,) = result["rows"]
        assert (row["provider"], row["operation"], row["calls"]) == ("openai:m", "tiers", len(fake.seen))
        assert (row["tokens_in"], row["tokens_out"]) == (10 * len(fake.seen), 5 * len(fake.seen))
        assert result["model"]["tokens_today"] == 15 * len(fake.seen)
        assert result["model"]["state"] == "ok"


async def test_an_embedder_behind_a_network_is_counted_too(tmp_path: Path) -> None:
    section = {"provider": "openai", "model": "e", "dimensions": 32}
    async with provider() as fake, harness_at(tmp_path, embedder={**section, "base_url": fake.url}) as harness:
        await harness.write(HERON, "The heron stood still.")
        await harness.settle()
        (row,) = (await harness.engine.stats.usage(1)).rows
        assert (row.provider, row.operation, row.calls) == ("openai:e", "embed", len(fake.seen))
        assert row.tokens_in > 0


async def test_a_store_without_a_writer_has_no_pending_tiers(harness: Harness) -> None:
    await harness.write(HERON, "The heron stood still.")
    await harness.settle()
    assert (await harness.queue("enrich")).done == 0
    costs = await harness.engine.stats.usage(7)
    assert (costs.rows, costs.budget.state) == ([], "not_configured")


async def test_a_model_configured_later_takes_up_what_is_there(tmp_path: Path) -> None:
    async with harness_at(tmp_path) as harness:
        await harness.write(HERON, "The heron stood still.")
        await harness.write(OWN, "My own notes on storks.")
        await harness.settle()
    async with provider(says=says) as fake, harness_with(tmp_path, fake) as harness:
        await Housekeeping(harness.ports, load_config(None, data=harness.folder), Watchdog()).round()
        await harness.settle()
        for uri in (HERON, BIRDS, OWN):
            assert (await abstract(harness, uri)).startswith("zanzibar")
        request_count = len(fake.seen)
        await Housekeeping(harness.ports, load_config(None, data=harness.folder), Watchdog()).round()
        assert await harness.settle() == 0
        assert len(fake.seen) == request_count


async def test_a_text_the_model_could_not_read_is_taken_up_by_a_reindex(tmp_path: Path) -> None:
    async with provider() as fake, harness_with(tmp_path, fake) as harness:
        await harness.write(OWN, "My own notes on storks.")
        await harness.settle()
        fake.says = says
        await harness.engine.index.reindex("viking://user/default/resources", mode="semantic_and_vectors")
        await harness.settle()
        assert await abstract(harness, OWN) == "zanzibar Name: own.md"


async def test_two_users_jobs_never_ask_about_the_same(tmp_path: Path) -> None:
    async with provider(says=says) as fake, harness_with(tmp_path, fake) as harness:
        for user in ("ana", "ben"):
            await harness.engine.as_caller(Caller(user=user)).write(f"{BIRDS}/{user}.md", f"The bird of {user} flew.")
        for _ in range(60):
            async with asyncio.TaskGroup() as group:
                for job in await harness.lease(8):
                    group.create_task(run_job(job, harness.ports))
            harness.clock.advance(1.5)
        prompts = [s.body["messages"][-1]["content"] for s in fake.seen]
        assert len(prompts) == len(set(prompts))
        assert (await abstract(harness, f"{BIRDS}/ben.md")).startswith("zanzibar")
