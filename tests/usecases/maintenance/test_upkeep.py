"""Derived data: tiers bottom-up and coalesced, vectors complete, removed nodes purged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from recalld.adapters.embedder.hash import HashEmbedder, HashSettings
from recalld.adapters.model.extractive import ExtractiveModel
from recalld.adapters.sqlite.ledger import trash
from recalld.app.worker_loop import run_job
from recalld.domain.caller import Caller
from recalld.domain.document import Tiers
from recalld.ports.model import Child
from recalld.usecases.maintenance.embed import enqueue_missing
from tests.harness import Harness, harness_at, plant, words

ROOT = "viking://resources/birds"


class Counting(ExtractiveModel):
    """Remembers which directories it was asked to summarise."""

    def __init__(self) -> None:
        super().__init__()
        self.directories: list[str] = []

    async def tiers_of_directory(self, uri: str, title: str, children: tuple[Child, ...], total: int) -> Tiers:
        self.directories.append(uri)
        return await super().tiers_of_directory(uri, title, children, total)


async def refreshed(harness: Harness) -> list[str]:
    """Directories summarised until all is settled, in order."""
    model = Counting()
    ports = harness.ports
    harness.ports = replace(ports, model=model)
    await harness.settle()
    harness.ports = ports
    await model.close()
    return model.directories


async def test_many_changed_children_refresh_their_directory_once(harness: Harness) -> None:
    for i in range(30):
        await harness.write(f"{ROOT}/{i}.md", f"bird number {i}")
    directories = await refreshed(harness)
    assert directories.count(ROOT) == 1


async def test_children_are_summarised_before_their_parents(harness: Harness) -> None:
    await harness.write(f"{ROOT}/waders/long/heron.md", "# Heron\n\nThe heron stands still.\n")
    directories = await refreshed(harness)
    below = [f"{ROOT}/waders/long", f"{ROOT}/waders", ROOT, "viking://resources"]
    assert [u for u in directories if u in below] == below


async def test_a_change_reaches_no_further_than_its_abstracts_do(harness: Harness) -> None:
    await harness.write(f"{ROOT}/waders/heron.md", "# Heron\n\nThe heron stands still.\n")
    await harness.write("viking://resources/fish/cod.md", "cod")
    await refreshed(harness)
    await harness.write(f"{ROOT}/waders/heron.md", "# Heron\n\nThe heron flies.\n")
    directories = await refreshed(harness)
    assert directories[0] == f"{ROOT}/waders"
    assert "viking://resources/fish" not in directories


async def test_nothing_changed_is_nothing_to_refresh(harness: Harness) -> None:
    await harness.write(f"{ROOT}/a.md", "text")
    await refreshed(harness)
    assert await refreshed(harness) == []


async def test_a_removed_child_vanishes_from_the_overview(harness: Harness) -> None:
    await harness.write(f"{ROOT}/heron.md", "# Heron\n")
    await harness.write(f"{ROOT}/stork.md", "# Stork\n")
    await harness.settle()
    await harness.engine.rm(f"{ROOT}/stork.md")
    await harness.settle()
    assert ("heron" in await harness.engine.overview(ROOT), "stork" in await harness.engine.overview(ROOT)) == (
        True,
        False,
    )


async def test_a_moved_child_is_named_where_it_is(harness: Harness) -> None:
    await harness.write(f"{ROOT}/heron.md", "# Heron\n")
    await harness.write("viking://resources/other/x.md", "# X\n")
    await harness.settle()
    await harness.engine.mv(f"{ROOT}/heron.md", "viking://resources/other/heron.md")
    await harness.settle()
    assert "heron" not in await harness.engine.overview(ROOT)
    assert "heron" in await harness.engine.overview("viking://resources/other")


async def test_a_users_own_tree_is_refreshed_too(harness: Harness) -> None:
    await harness.write("viking://~/memories/preferences/tea.md", "Ana drinks oolong.")
    await harness.settle()
    assert "tea.md" in await harness.engine.overview("viking://~/memories/preferences")


async def test_every_chunk_gets_its_vector(dense_harness: Harness) -> None:
    await dense_harness.append("s", "the heron stood still", "the stork flew")
    await dense_harness.write(f"{ROOT}/long.md", words(900))
    await dense_harness.settle()
    usage = await dense_harness.engine.usage()
    assert usage.vectors == usage.chunks > 10


async def test_without_an_embedder_the_job_ends_and_nothing_is_degraded(harness: Harness) -> None:
    await harness.append("s", "the heron stood still")
    await harness.settle()
    assert (await harness.queue("embed")).pending == 0
    assert (await harness.engine.find("heron")).degraded == ()


async def test_vectors_of_another_model_are_made_anew_and_the_former_ones_removed(tmp_path: Path) -> None:
    async with harness_at(tmp_path, embedder={"provider": "hash"}) as harness:
        await harness.write(f"{ROOT}/heron.md", "the heron stood still")
        await harness.settle()
    async with harness_at(tmp_path, embedder={"provider": "hash", "width": 32}) as harness:
        assert await harness.found("heron") == [f"{ROOT}/heron.md"]
        await enqueue_missing(harness.ports)
        await harness.settle()
        await harness.ports.maintenance.prune(keep_s=0)
        usage = await harness.engine.usage()
        assert usage.vectors == usage.chunks == usage.embedded[0].made


async def test_a_changed_file_leaves_no_vector_of_its_former_words(dense_harness: Harness) -> None:
    await dense_harness.write(f"{ROOT}/a.md", words(600))
    await dense_harness.settle()
    await dense_harness.write(f"{ROOT}/a.md", "short")
    await dense_harness.settle()
    usage = await dense_harness.engine.usage()
    assert usage.vectors == usage.chunks
    assert await dense_harness.engine.check() == []


async def test_removed_nodes_are_purged_in_slices_until_none_is_left(harness: Harness, tmp_path: Path) -> None:
    files = {f"{i:03d}.md": f"bird {i}" for i in range(trash.NODES_PER_SLICE * 2 + 10)}
    await harness.add(plant(tmp_path / "birds", files))
    before = await harness.engine.usage()
    await harness.engine.rm(ROOT, recursive=True)
    await harness.settle()
    after = await harness.engine.usage()
    assert before.nodes - after.nodes == len(files) + 1
    assert await harness.ports.cleanup.purge(nodes_max=10) == 0
    assert await harness.engine.check() == []


async def test_a_large_subtree_that_is_shared_is_brought_over_by_a_job(harness: Harness, tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {f"{i:03d}.md": words(400) for i in range(120)}
    await harness.add(plant(tmp_path / "birds", files), to="viking://~/resources/birds")
    bob = harness.engine.as_caller(Caller(user="bob"))
    assert (await bob.find("amber birch")).hits == ()
    await harness.engine.mv("viking://~/resources/birds", ROOT)
    assert (await harness.queue("reown")).pending == 1
    await harness.settle()
    assert len((await bob.find("amber birch")).hits) == 10
    await harness.engine.mv(ROOT, "viking://~/resources/birds")
    await harness.settle()
    assert (await bob.find("amber birch")).hits == ()
    assert len(await harness.found("amber birch")) == 10
    assert await harness.engine.check() == []


async def test_a_shape_job_of_a_file_that_is_gone_ends_quietly(harness: Harness) -> None:
    await harness.write(f"{ROOT}/a.md", words(20_000))
    await harness.engine.rm(f"{ROOT}/a.md")
    await harness.settle()
    assert (await harness.queue("shape")).dead == 0


async def test_a_shape_job_overtaken_by_a_write_leaves_the_newer_words(harness: Harness) -> None:
    uri = f"{ROOT}/a.md"
    await harness.write(uri, words(20_000) + " quicksilver")
    job = await harness.lease_of("shape")
    await harness.write(uri, "the heron stood still")
    await run_job(job, harness.ports)
    await harness.settle()
    assert (await harness.found("quicksilver"), await harness.found("heron")) == ([], [uri])


async def test_vectors_come_in_batches_the_model_can_take(dense_harness: Harness) -> None:
    seen: list[int] = []

    class Measuring(HashEmbedder):
        async def embed(self, texts: Sequence[str], *, query: bool = False):  # type: ignore[no-untyped-def]
            seen.append(len(texts))
            return await super().embed(texts, query=query)

    await dense_harness.write(f"{ROOT}/long.md", words(9_000))
    dense_harness.ports = replace(dense_harness.ports, embedders=(Measuring(HashSettings()),))
    await dense_harness.settle()
    assert max(seen) <= HashEmbedder.batch_max
    assert sum(seen) > HashEmbedder.batch_max
