"""What keeps derived data true: tiers bottom-up and coalesced, vectors complete, what was removed purged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from recalld.adapters.embedder.hash import HashEmbedder, HashSettings
from recalld.adapters.ledger import trash
from recalld.adapters.model.extractive import ExtractiveModel
from recalld.app.worker import run_job
from recalld.domain.caller import Caller
from recalld.domain.document import Tiers
from recalld.ports.model import Child
from tests.house_fixture import House, house_at, plant, words

ROOT = "viking://resources/birds"


class Counting(ExtractiveModel):
    """Remembers which directories it was asked to summarise."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    async def tiers_of_directory(self, uri: str, title: str, children: tuple[Child, ...], total: int) -> Tiers:
        self.asked.append(uri)
        return await super().tiers_of_directory(uri, title, children, total)


async def refreshed(house: House) -> list[str]:
    """Directories summarised until all is settled, in order."""
    model = Counting()
    kept = house.ports
    house.ports = replace(kept, model=model)
    await house.settle()
    house.ports = kept
    await model.close()
    return model.asked


async def test_many_changed_children_refresh_their_directory_once(house: House) -> None:
    for i in range(30):
        await house.write(f"{ROOT}/{i}.md", f"bird number {i}")
    asked = await refreshed(house)
    assert asked.count(ROOT) == 1


async def test_children_are_summarised_before_their_parents(house: House) -> None:
    await house.write(f"{ROOT}/waders/long/heron.md", "# Heron\n\nThe heron stands still.\n")
    asked = await refreshed(house)
    below = [f"{ROOT}/waders/long", f"{ROOT}/waders", ROOT, "viking://resources"]
    assert [u for u in asked if u in below] == below


async def test_a_change_reaches_no_further_than_its_abstracts_do(house: House) -> None:
    await house.write(f"{ROOT}/waders/heron.md", "# Heron\n\nThe heron stands still.\n")
    await house.write("viking://resources/fish/cod.md", "cod")
    await refreshed(house)
    await house.write(f"{ROOT}/waders/heron.md", "# Heron\n\nThe heron flies.\n")
    asked = await refreshed(house)
    assert asked[0] == f"{ROOT}/waders"
    assert "viking://resources/fish" not in asked


async def test_nothing_changed_is_nothing_to_refresh(house: House) -> None:
    await house.write(f"{ROOT}/a.md", "text")
    await refreshed(house)
    assert await refreshed(house) == []


async def test_a_removed_child_vanishes_from_the_overview(house: House) -> None:
    await house.write(f"{ROOT}/heron.md", "# Heron\n")
    await house.write(f"{ROOT}/stork.md", "# Stork\n")
    await house.settle()
    await house.r.rm(f"{ROOT}/stork.md")
    await house.settle()
    assert ("heron" in await house.r.overview(ROOT), "stork" in await house.r.overview(ROOT)) == (True, False)


async def test_a_moved_child_is_named_where_it_is(house: House) -> None:
    await house.write(f"{ROOT}/heron.md", "# Heron\n")
    await house.write("viking://resources/other/x.md", "# X\n")
    await house.settle()
    await house.r.mv(f"{ROOT}/heron.md", "viking://resources/other/heron.md")
    await house.settle()
    assert "heron" not in await house.r.overview(ROOT)
    assert "heron" in await house.r.overview("viking://resources/other")


async def test_a_users_own_tree_is_refreshed_too(house: House) -> None:
    await house.write("viking://~/memories/preferences/tea.md", "Ana drinks oolong.")
    await house.settle()
    assert "tea.md" in await house.r.overview("viking://~/memories/preferences")


async def test_every_chunk_gets_its_vector(dense_house: House) -> None:
    await dense_house.say("s", "the heron stood still", "the stork flew")
    await dense_house.write(f"{ROOT}/long.md", words(900))
    await dense_house.settle()
    usage = await dense_house.r.usage()
    assert usage.vectors == usage.chunks > 10


async def test_without_an_embedder_the_job_ends_and_nothing_is_degraded(house: House) -> None:
    await house.say("s", "the heron stood still")
    await house.settle()
    assert (await house.queue("embed")).pending == 0
    assert (await house.r.find("heron")).degraded == ()


async def test_another_model_is_built_beside_and_the_former_serves_until_it_is_complete(tmp_path: Path) -> None:
    former, wanted = (HashEmbedder(settings).fingerprint for settings in (HashSettings(), HashSettings(32)))
    async with house_at(tmp_path, embedder={"kind": "hash"}) as house:
        await house.write(f"{ROOT}/heron.md", "the heron stood still")
        await house.settle()
    async with house_at(tmp_path, embedder={"kind": "hash", "width": 32}) as house:
        assert await house.ports.vectors.serving_model() == former
        assert await _closeness(house, "the heron stood still") > 0.9
        await house.write(f"{ROOT}/stork.md", "the stork flew")
        assert await house.found("stork") == [f"{ROOT}/stork.md"]
        await house.settle()
        assert await house.ports.vectors.serving_model() == wanted
        assert await _closeness(house, "the heron stood still") > 0.9
        await house.ports.ledger.prune(keep_s=0)
        usage = await house.r.usage()
        assert usage.vectors == usage.chunks


async def _closeness(house: House, text: str) -> float:
    return (await house.r.find(text)).hits[0].features["dense"]


async def test_a_changed_file_leaves_no_vector_of_its_former_words(dense_house: House) -> None:
    await dense_house.write(f"{ROOT}/a.md", words(600))
    await dense_house.settle()
    await dense_house.write(f"{ROOT}/a.md", "short")
    await dense_house.settle()
    usage = await dense_house.r.usage()
    assert usage.vectors == usage.chunks
    assert await dense_house.r.check() == []


async def test_what_was_removed_is_purged_slice_by_slice_until_nothing_is_left(house: House, tmp_path: Path) -> None:
    files = {f"{i:03d}.md": f"bird {i}" for i in range(trash.NODES_PER_SLICE * 2 + 10)}
    await house.add(plant(tmp_path / "birds", files))
    before = await house.r.usage()
    await house.r.rm(ROOT, recursive=True)
    await house.settle()
    after = await house.r.usage()
    assert before.nodes - after.nodes == len(files) + 1
    assert await house.ports.ledger.purge(nodes_max=10) == 0
    assert await house.r.check() == []


async def test_a_large_subtree_that_is_shared_is_brought_over_by_a_job(house: House, tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {f"{i:03d}.md": words(400) for i in range(120)}
    await house.add(plant(tmp_path / "birds", files), to="viking://~/resources/birds")
    bob = house.r.as_caller(Caller(user="bob"))
    assert (await bob.find("amber birch")).hits == ()
    await house.r.mv("viking://~/resources/birds", ROOT)
    assert (await house.queue("reown")).pending == 1
    await house.settle()
    assert len((await bob.find("amber birch")).hits) == 10
    await house.r.mv(ROOT, "viking://~/resources/birds")
    await house.settle()
    assert (await bob.find("amber birch")).hits == ()
    assert len(await house.found("amber birch")) == 10
    assert await house.r.check() == []


async def test_a_shape_job_of_a_file_that_is_gone_ends_quietly(house: House) -> None:
    await house.write(f"{ROOT}/a.md", words(20_000))
    await house.r.rm(f"{ROOT}/a.md")
    await house.settle()
    assert (await house.queue("shape")).dead == 0


async def test_a_shape_job_overtaken_by_a_write_leaves_the_newer_words(house: House) -> None:
    uri = f"{ROOT}/a.md"
    await house.write(uri, words(20_000) + " quicksilver")
    job = await house.lease_of("shape")
    await house.write(uri, "the heron stood still")
    await run_job(job, house.ports)
    await house.settle()
    assert (await house.found("quicksilver"), await house.found("heron")) == ([], [uri])


async def test_vectors_come_in_batches_the_model_can_take(dense_house: House) -> None:
    seen: list[int] = []

    class Measuring(HashEmbedder):
        async def embed(self, texts: Sequence[str], *, query: bool = False):  # type: ignore[no-untyped-def]
            seen.append(len(texts))
            return await super().embed(texts, query=query)

    await dense_house.write(f"{ROOT}/long.md", words(9_000))
    dense_house.ports = replace(dense_house.ports, embedder=Measuring(HashSettings()))
    await dense_house.settle()
    assert max(seen) <= HashEmbedder.batch_max
    assert sum(seen) > HashEmbedder.batch_max
