"""Texts of an earlier version of the rules are derived again in the background."""

from __future__ import annotations

from pathlib import Path

import pytest

from recalld.adapters.sqlite.ledger.ledger import SqliteLedger
from recalld.app.worker_loop import run_job
from recalld.domain.document import EXTRACTIVE
from recalld.usecases.maintenance import rederive
from recalld.usecases.maintenance.rederive import enqueue_rederivation
from tests.harness import Harness, harness_at, plant

ROOT = "viking://resources/docs"


async def age(harness: Harness, where: str = "made_by LIKE 'extractive%'") -> None:
    """Make all extractive tiers those of the first derivation."""
    ledger = harness.ports.ledger
    assert isinstance(ledger, SqliteLedger)
    sql = f"UPDATE tier SET made_by = 'extractive', abstract = 'old', overview = 'old' WHERE {where}"
    await ledger.access.write(lambda c: c.execute(sql).fetchall())


async def marks(harness: Harness) -> set[str]:
    ledger = harness.ports.ledger
    assert isinstance(ledger, SqliteLedger)
    return {m for (m,) in await ledger.access.read(lambda c: c.execute("SELECT made_by FROM tier").fetchall())}


async def texts(harness: Harness) -> dict[str, str]:
    return {e.rel_path: e.node.abstract for e in await harness.engine.tree(ROOT, depth=9)}


async def planted(harness: Harness, count: int = 3) -> None:
    for i in range(count):
        await harness.write(f"{ROOT}/part/{i}.md", f"# Bird {i}\n\nThe heron number {i} stands still.\n")
    await harness.settle()


async def test_files_and_directories_get_the_texts_of_the_present_rules(harness: Harness) -> None:
    await planted(harness)
    before, overview = await texts(harness), await harness.engine.overview(ROOT)
    await age(harness)
    await enqueue_rederivation(harness.ports)
    await harness.settle()
    assert (await texts(harness), await harness.engine.overview(ROOT)) == (before, overview)
    assert await marks(harness) == {EXTRACTIVE}


async def test_old_texts_serve_until_then_and_readiness_says_how_far_it_is(harness: Harness) -> None:
    await planted(harness)
    await age(harness)
    await enqueue_rederivation(harness.ports)
    assert set((await texts(harness)).values()) == {"old"}
    progress = await harness.ports.stats.derivation()
    assert progress is not None
    assert (progress.done, progress.total >= 5) == (0, True)
    await harness.settle()
    assert await harness.ports.stats.derivation() is None


async def test_a_killed_run_goes_on_where_it_was(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rederive, "NODES_PER_RUN", 2)
    await planted(harness, 7)
    await age(harness)
    await enqueue_rederivation(harness.ports)
    await run_job(await harness.lease_of("rederive"), harness.ports)
    assert sum(text != "old" for path, text in (await texts(harness)).items() if path.endswith(".md")) == 2
    harness.clock.advance(5.0)
    await harness.lease_of("rederive")  # leased by a worker that dies
    harness.clock.advance(3_600.0)
    await harness.settle()
    assert "old" not in (await texts(harness)).values()


async def test_what_a_user_or_a_model_wrote_stays(harness: Harness) -> None:
    await planted(harness)
    await harness.engine.write(f"{ROOT}/.abstract.md", "Birds of the pond.")
    await harness.settle()
    await age(harness)
    ledger = harness.ports.ledger
    assert isinstance(ledger, SqliteLedger)
    sql = "UPDATE tier SET made_by = 'gpt@3', abstract = 'mine' WHERE node = (SELECT id FROM node WHERE name = '0.md')"
    await ledger.access.write(lambda c: c.execute(sql).fetchall())
    await enqueue_rederivation(harness.ports)
    await harness.settle()
    assert await harness.engine.abstract(ROOT) == "Birds of the pond."
    assert (await texts(harness))["part/0.md"] == "mine"


async def test_equal_chunks_keep_their_vectors(dense_harness: Harness) -> None:
    await planted(dense_harness)
    before = (await dense_harness.engine.usage()).vectors
    await age(dense_harness, "node IN (SELECT id FROM node WHERE kind = 1)")
    await enqueue_rederivation(dense_harness.ports)
    job = await dense_harness.lease_of("rederive")
    await run_job(job, dense_harness.ports)
    assert (await dense_harness.engine.usage()).vectors == before


async def test_a_store_of_the_present_rules_gets_no_job(harness: Harness) -> None:
    await planted(harness)
    await enqueue_rederivation(harness.ports)
    assert await harness.ports.stats.derivation() is None


async def test_a_memory_keeps_its_quotations_and_a_part_its_title(tmp_path: Path) -> None:
    async with harness_at(tmp_path / "data") as harness:
        await harness.write("viking://~/memories/preferences/tea.md", "# Tea\n\nAna likes tea.\n")
        long = "# Guide\n\n" + "".join(
            f"## Part {i}\n\n" + "Words about herons stand here. " * 150 + "\n\n" for i in range(6)
        )
        await harness.add(plant(tmp_path / "docs", {"guide.md": long}), to="viking://resources/docs")
        before = await texts(harness)
        assert any(text.startswith("Guide › Part 3: ") for text in before.values())
        await age(harness)
        await enqueue_rederivation(harness.ports)
        await harness.settle()
        (memory,) = await harness.engine.ls("viking://~/memories/preferences")
        assert memory.abstract == "old"
        assert any(text.endswith("Words about herons stand here.") for text in (await texts(harness)).values())
        assert {p: t.partition(":")[0] for p, t in (await texts(harness)).items() if "part" in p.lower()} == {
            p: t.partition(":")[0] for p, t in before.items() if "part" in p.lower()
        }
