"""An append costs only the new text: existing bytes, index rows and vectors stay."""

from __future__ import annotations

import random
from typing import Any

import pytest

from recalld.adapters.sqlite.ledger.ledger import SqliteLedger
from recalld.adapters.sqlite.search.index import SqliteSearchIndex
from recalld.domain.caller import Caller
from recalld.domain.policy import INLINE_INDEX_CHARS_MAX
from recalld.domain.query import Query
from recalld.infra.thread_pool import Pool
from recalld.usecases.tree.prepare import PARSE_INLINE_BYTES_MAX
from tests.harness import Harness, words
from tests.usecases.conftest import dense_harness, harness

__all__ = ["dense_harness", "harness"]

LOG = "viking://resources/log.md"


async def rows(harness: Harness, sql: str) -> list[tuple[Any, ...]]:
    assert isinstance(harness.ports.ledger, SqliteLedger)
    return await harness.ports.ledger.access.readers.read(lambda c: list(c.execute(sql)))


async def one(harness: Harness, sql: str) -> int:
    return int((await rows(harness, sql))[0][0])


def line(i: int) -> str:
    return f"{i:04d} {random.Random(i).randbytes(500).hex()}\n"


async def test_a_hundred_appends_are_stored_once(harness: Harness) -> None:
    await harness.write(LOG, line(0))
    for i in range(1, 100):
        await harness.write(LOG, line(i), mode="append")
    await harness.settle()
    whole = "".join(map(line, range(100)))
    assert await harness.engine.read(LOG) == whole
    stored_bytes = await one(
        harness, "SELECT (SELECT sum(length(data)) FROM segment) + coalesce((SELECT sum(length(data)) FROM blob), 0)"
    )
    assert stored_bytes < 1.2 * len(whole)


async def test_every_version_can_still_be_read_from_the_past(harness: Harness) -> None:
    verbs = harness.engine.snapshots
    await harness.write(LOG, line(0) * 2)
    oids = []
    for i in range(1, 4):
        await harness.write(LOG, line(i), mode="append")
        oids.append((await verbs.commit(f"{i}")).snapshot.oid)  # type: ignore[union-attr]
    await harness.write(LOG, "other\n")
    for i, oid in enumerate(oids, start=1):
        assert (await verbs.show_file(oid, LOG))[1].decode() == line(0) * 2 + "".join(map(line, range(1, i + 1)))


@pytest.mark.parametrize("size", [4_000, PARSE_INLINE_BYTES_MAX * 2])
async def test_vectors_of_what_was_there_are_kept(dense_harness: Harness, size: int) -> None:
    await dense_harness.write(LOG, words(size // 6) + ".\n")
    await dense_harness.settle()
    before = dict(
        await rows(dense_harness, "SELECT k.id, v.id FROM chunk k JOIN vector v ON v.chunk = k.id WHERE k.level = 2")
    )
    await dense_harness.write(LOG, "The quicksilver arrived at noon.\n", mode="append")
    await dense_harness.settle()
    after = dict(
        await rows(dense_harness, "SELECT k.id, v.id FROM chunk k JOIN vector v ON v.chunk = k.id WHERE k.level = 2")
    )
    assert len(before) > 3
    assert len(set(before.items()) & set(after.items())) >= len(before) - 2
    assert await dense_harness.found("quicksilver") == [LOG]


async def test_a_long_log_of_sections_is_not_indexed_again_by_its_job(harness: Harness) -> None:
    sections = "".join(f"# Part {i}\n\n{words(900)}\n\n" for i in range(12))
    await harness.write(LOG, sections)
    await harness.settle()
    before = {id_ for (id_,) in await rows(harness, "SELECT id FROM chunk WHERE level = 2")}
    await harness.write(LOG, "# Last part\n\nquicksilver\n", mode="append")
    assert await harness.found("quicksilver") == [LOG]
    await harness.settle()
    after = {id_ for (id_,) in await rows(harness, "SELECT id FROM chunk WHERE level = 2")}
    assert len(before & after) >= len(before) - 4
    assert await harness.found("quicksilver") == [LOG]


async def test_an_append_to_a_text_too_long_to_index_is_found_at_once(harness: Harness) -> None:
    await harness.write(LOG, words(INLINE_INDEX_CHARS_MAX // 5))
    await harness.write(LOG, "\nquicksilver\n", mode="append")
    assert await harness.found("quicksilver") == [LOG]


async def test_words_that_were_cut_by_the_old_end_are_found_whole(harness: Harness) -> None:
    await harness.write(LOG, "the quick")
    await harness.write(LOG, "silver arrived", mode="append")
    assert (await harness.found("quicksilver"), await harness.found("quick")) == ([LOG], [])


async def test_a_grown_file_is_grepped_fetched_copied_and_restored(harness: Harness) -> None:
    await harness.write(LOG, line(0) * 3)
    await harness.write(LOG, "needle\n", mode="append")
    assert [m.line for m in (await harness.engine.grep("viking://resources", "needle")).matches] == [4]
    fetched = await harness.engine.download(LOG)
    assert b"".join([piece async for piece in fetched.pieces]) == (line(0) * 3 + "needle\n").encode()
    await harness.engine.cp(LOG, "viking://resources/copy.md")
    await harness.write("viking://resources/copy.md", "more\n", mode="append")
    assert (await harness.engine.read("viking://resources/copy.md")).endswith("needle\nmore\n")
    assert (await harness.engine.read(LOG)).endswith("needle\n")


@pytest.mark.parametrize("front", [0, 200_000])
async def test_versions_past_their_time_go_and_the_file_stays(harness: Harness, front: int) -> None:
    await harness.write(LOG, "x" * front + line(0) * 3)
    for i in range(1, 10):
        await harness.write(LOG, line(i), mode="append")
    harness.clock.advance(40 * 86_400)
    await harness.ports.maintenance.prune(keep_s=30 * 86_400)
    assert (await harness.engine.read(LOG)).endswith("".join(map(line, range(1, 10))))
    assert await one(harness, "SELECT count(*) FROM grown") == 1
    await harness.write(LOG, "new words")
    harness.clock.advance(40 * 86_400)
    await harness.ports.maintenance.prune(keep_s=30 * 86_400)
    assert (
        await one(
            harness,
            "SELECT (SELECT count(*) FROM grown) + (SELECT count(*) FROM stream) + (SELECT count(*) FROM segment)",
        )
        == 0
    )
    assert await harness.engine.check() == []


async def test_the_index_s_cache_agrees_with_the_store_after_any_changes(harness: Harness) -> None:
    """Followed all along, or now and then, it holds what a fresh one reads."""
    chance = random.Random(7)
    readers = harness.ports.ledger.access.readers  # type: ignore[attr-defined]
    pool = Pool("vectors", running_max=1, waiting_max=1)
    often, seldom = SqliteSearchIndex(readers, pool), SqliteSearchIndex(readers, pool)

    async def live_ids(index: SqliteSearchIndex) -> list[int]:
        view = await index.open(Caller(), Query("x", levels=(2,)))
        return (await view.page("", 100_000)).rows.ids.tolist()

    await harness.write(LOG, words(400))
    for step in range(40):
        match chance.randrange(6):
            case 0:
                await harness.write(LOG, words(chance.randrange(1, 3_000)))
            case 1:
                await harness.settle()
            case 2:
                await harness.engine.cp(LOG, f"viking://resources/copy{step}.md")
            case _:
                await harness.write(LOG, " " + words(chance.randrange(1, 2_500)), mode="append")
        expected = sorted(id_ for (id_,) in await rows(harness, "SELECT id FROM chunk WHERE level = 2"))
        assert await live_ids(often) == expected
        assert await live_ids(SqliteSearchIndex(readers, pool)) == expected
        if not step % 5:
            assert await live_ids(seldom) == expected
    assert await harness.engine.check() == []
