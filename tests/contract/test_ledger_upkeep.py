from __future__ import annotations

from types import SimpleNamespace

import pytest

from recalld.adapters.sqlite.ledger import background_queries, chunks, move_copy, trash
from recalld.domain.caller import Caller
from recalld.domain.commit import Copy, Embedded, MakeDir, Move, PutVectors, Remove, SetTiers
from recalld.domain.document import Tiers
from recalld.domain.errors import Closed, Conflict, Invalid
from recalld.domain.job import NewJob
from recalld.domain.results import VectorCount
from tests.contract.ledger_harness import ANA, BEN, TIERS, LedgerHarness, append, at, chunk, open_harness, put, sound

SHARED = Caller("acme", "")
WIDTH = 4
VECTOR = b"\x00\x3c" + b"\x00\x00" * (WIDTH - 1)


async def waiting(harness: LedgerHarness, fingerprint: str = "m1", tree: Caller = SHARED, limit: int = 99) -> list[int]:
    return [r.id for r in await harness.ledger.backlog.unembedded(tree, fingerprint=fingerprint, limit=limit)]


def vectors(fingerprint: str, ids: list[int]) -> PutVectors:
    return PutVectors(fingerprint, tuple(Embedded(i, VECTOR) for i in ids))


async def configure(harness: LedgerHarness, *fingerprints: str) -> None:
    models = [SimpleNamespace(name=each.upper(), fingerprint=each, width=WIDTH) for each in fingerprints]
    await harness.ledger.maintenance.configure_models(models)


# ------------------------------------------------------------------ embedding
async def test_new_chunks_wait_for_the_wanted_model_with_their_words(harness: LedgerHarness) -> None:
    await configure(harness, "m1")
    await harness.do(put("resources/a.md", "one two", chunks=(chunk("one"), chunk("two", start=4))))
    rows = await harness.ledger.backlog.unembedded(SHARED, fingerprint="m1", limit=9)
    assert [r.text for r in rows] == ["two", "one"]
    await harness.do(vectors("m1", [r.id for r in rows]))
    assert await waiting(harness) == []
    assert (await harness.ledger.stats.usage()).vectors == 2


async def test_nothing_waits_when_no_model_is_wanted(harness: LedgerHarness) -> None:
    await harness.do(put("resources/a.md"))
    assert await waiting(harness) == []


async def test_messages_wait_newest_first(harness: LedgerHarness) -> None:
    await configure(harness, "m1")
    await harness.do(append("s", "a", "b"))
    ids = await waiting(harness, tree=ANA)
    assert ids == sorted(ids, reverse=True)
    assert len(ids) == 2


async def test_another_model_needs_all_vectors_that_it_lacks(harness: LedgerHarness) -> None:
    await configure(harness, "m1")
    await harness.do(put("resources/a.md"), put("resources/b.md"))
    both = await waiting(harness)
    await harness.do(vectors("m1", both))
    await configure(harness, "m2")
    assert sorted(await waiting(harness, "m2")) == sorted(both)
    await configure(harness, "m1")
    assert await waiting(harness) == []
    await configure(harness)
    await harness.do(put("resources/c.md"))
    assert await waiting(harness) == []


async def test_vectors_of_a_model_no_longer_wanted_end_no_waiting(harness: LedgerHarness) -> None:
    await configure(harness, "m1")
    await harness.do(put("resources/a.md"))
    ids = await waiting(harness)
    await configure(harness, "m2")
    await harness.do(vectors("m1", ids))
    assert await waiting(harness, "m2") == ids


async def test_every_configured_model_needs_vectors_of_its_own(harness: LedgerHarness) -> None:
    await configure(harness, "m1", "m2")
    await harness.do(put("resources/a.md"), put("resources/b.md"))
    both = await waiting(harness)
    await harness.do(vectors("m1", both))
    assert (await waiting(harness), await waiting(harness, "m2")) == ([], both)
    await harness.do(vectors("m2", both[:1]))
    assert await waiting(harness, "m2") == both[1:]
    assert (await harness.ledger.stats.usage()).embedded == (VectorCount(2, 2, {}, "M1"), VectorCount(1, 2, {}, "M2"))


async def test_a_model_added_needs_its_vectors_and_the_first_ones_stay(harness: LedgerHarness) -> None:
    await configure(harness, "m1")
    await harness.do(put("resources/a.md"))
    ids = await waiting(harness)
    await harness.do(vectors("m1", ids))
    await configure(harness, "m1", "m2")
    assert (await waiting(harness), await waiting(harness, "m2")) == ([], ids)


async def test_what_came_first_is_embedded_beside_a_steady_stream(harness: LedgerHarness) -> None:
    await configure(harness, "m1")
    await harness.do(*(put(f"resources/{n}.md", f"text {n}") for n in range(20)))
    first = set(await waiting(harness))
    for step in range(40):
        await harness.do(*(put(f"resources/new/{step}-{n}.md", f"new {step} {n}") for n in range(4)))
        todo = await harness.ledger.backlog.unembedded(Caller("acme", ""), fingerprint="m1", limit=4)
        assert len({chunk.id for chunk in todo}) == 4
        await harness.do(vectors("m1", [chunk.id for chunk in todo]))
        first -= {chunk.id for chunk in todo}
        if not first:
            break
    assert not first


async def test_partitions_that_lack_vectors_are_listed(harness: LedgerHarness) -> None:
    await configure(harness, "m1", "m2")
    await harness.do(append("s", "one"))
    await harness.do(append("t", "two"), caller=BEN)
    await harness.do(vectors("m1", await waiting(harness, tree=ANA) + await waiting(harness, tree=BEN)))
    await harness.do(vectors("m2", await waiting(harness, "m2", tree=BEN)))
    assert [tree.user for tree in await harness.ledger.backlog.unembedded_partitions()] == ["ana"]


async def test_only_configured_models_vectors_count(harness: LedgerHarness) -> None:
    await configure(harness, "m1")
    await harness.do(*(put(f"resources/{n}.md", f"text {n}") for n in range(3)))
    ids = await waiting(harness)
    await harness.do(vectors("m1", ids))
    assert (await harness.ledger.stats.usage()).embedded == (VectorCount(3, 3, {}, "M1"),)
    await configure(harness, "m2")
    refused = Embedded(ids[1], bytes(2 * WIDTH), "content_filter")
    await harness.do(PutVectors("m2", (Embedded(ids[0], VECTOR), refused)))
    assert (await harness.ledger.stats.usage()).embedded == (VectorCount(1, 3, {"content_filter": 1}, "M2"),)
    assert (await harness.ledger.stats.usage()).vectors == 5


async def test_a_caller_counts_own_and_shared_vectors_only(harness: LedgerHarness) -> None:
    await configure(harness, "m1")
    await harness.do(put("resources/a.md"))
    await harness.do(append("s", "one", "two"))
    await harness.do(append("t", "three"), caller=BEN)
    await harness.do(vectors("m1", await waiting(harness, tree=ANA)))
    assert await harness.ledger.tenant(ANA).vectors() == (VectorCount(2, 3, {}, "M1"),)
    assert await harness.ledger.tenant(BEN).vectors() == (VectorCount(0, 2, {}, "M1"),)


async def test_vectors_of_models_out_of_use_are_dropped(harness: LedgerHarness) -> None:
    await configure(harness, "m1")
    await harness.do(put("resources/a.md"))
    ids = await waiting(harness)
    await harness.do(vectors("m1", ids))
    await configure(harness)
    await harness.ledger.maintenance.prune(keep_s=0)
    assert (await harness.ledger.stats.usage()).vectors == 1
    await configure(harness, "m2")
    await harness.ledger.maintenance.prune(keep_s=0)
    assert (await harness.ledger.stats.usage()).vectors == 0


async def test_a_list_begun_and_interrupted_is_finished_at_the_next_start(harness: LedgerHarness) -> None:
    await harness.do(put("resources/a.md"), put("resources/b.md"))
    await configure(harness, "m1")
    # As it stands when the process dies between naming the model and the first page of the list.
    await harness.force("DELETE FROM unembedded")
    await harness.force("UPDATE model SET listed_to = 0")
    await configure(harness, "m1")
    assert len(await waiting(harness)) == 2


async def test_vectors_of_chunks_that_have_gone_are_skipped(harness: LedgerHarness) -> None:
    await configure(harness, "m1")
    await harness.do(put("resources/a.md", "one"))
    ids = await waiting(harness)
    await harness.do(put("resources/a.md", "two"))
    receipt = await harness.do(vectors("m1", ids))
    assert receipt.stale == 1
    assert (await harness.ledger.stats.usage()).vectors == 0


async def test_vectors_of_another_width_are_not_stored(harness: LedgerHarness) -> None:
    await configure(harness, "m1")
    await harness.do(put("resources/a.md"))
    ids = await waiting(harness)
    with pytest.raises(Invalid, match="3 numbers, not 4"):
        await harness.do(PutVectors("m1", (Embedded(ids[0], b"\x00" * 6),)))
    assert await waiting(harness) == ids


async def test_a_move_between_owners_takes_vectors_and_waiting_along(harness: LedgerHarness) -> None:
    await configure(harness, "m1")
    await harness.do(put("resources/d/a.md", "one"), put("resources/d/b.md", "two"))
    first, second = await waiting(harness)
    await harness.do(vectors("m1", [first]))
    await harness.do(Move(at("resources/d"), at("user/ana/resources/d")))
    assert await waiting(harness) == []
    assert await waiting(harness, tree=ANA) == [second]
    owner = (await harness.rows("SELECT id FROM owner WHERE user = 'ana'"))[0][0]
    assert await harness.rows("SELECT owner FROM vector") == [(owner,)]


# ------------------------------------------------------------------ staleness
async def test_tiers_that_change_below_reach_a_parent_whose_refresh_was_under_way(harness: LedgerHarness) -> None:
    await harness.do(put("resources/a/b/c.md"))
    by_name = {s.node.uri.name: s for s in await harness.ledger.backlog.stale_dirs(SHARED, limit=9, entries_max=9)}
    child = by_name["b"]
    await harness.do(SetTiers(child.node.id, child.node.version, Tiers("first"), (), child.seq))
    by_name = {s.node.uri.name: s for s in await harness.ledger.backlog.stale_dirs(SHARED, limit=9, entries_max=9)}
    parent = by_name["a"]
    await harness.do(SetTiers(child.node.id, child.node.version, Tiers("second"), (), child.seq))
    # The parent's new tiers were made from what stood there before the child's abstract changed.
    await harness.do(SetTiers(parent.node.id, parent.node.version, TIERS, (), parent.seq))
    assert "a" in [s.node.uri.name for s in await harness.ledger.backlog.stale_dirs(SHARED, limit=9, entries_max=9)]


async def test_removed_directories_do_not_hide_stale_ones(
    harness: LedgerHarness, monkeypatch: pytest.MonkeyPatch
) -> None:

    monkeypatch.setattr(background_queries, "STALE_SCANNED_MAX", 5)
    await harness.do(*(put(f"resources/old/{n}/a.md") for n in range(20)))
    await harness.do(Remove(at("resources/old"), recursive=True))
    await harness.do(put("resources/new/a.md"))
    assert "new" in [s.node.uri.name for s in await harness.ledger.backlog.stale_dirs(SHARED, limit=9, entries_max=9)]


async def test_a_namespace_directory_cannot_be_made(harness: LedgerHarness) -> None:
    for path in ("resources", "user/ana/memories"):
        with pytest.raises(Conflict):
            await harness.do(MakeDir(at(path)))


async def test_tier_chunks_do_not_pile_up_when_a_file_is_replaced(harness: LedgerHarness) -> None:
    for text in ("one", "two", "three"):
        await harness.do(put("resources/a.md", text, chunks=(chunk("gist", level=0), chunk(text))))
    assert await harness.finds("", "gist") == ["viking://resources/a.md"]


# ------------------------------------------------------------------ moving and copying what is under way
async def test_a_file_moved_before_it_was_indexed_is_indexed_where_it_is(harness: LedgerHarness) -> None:
    uri = "viking://resources/d/a.md"
    await harness.do(put("resources/d/a.md", chunks=None), jobs=(NewJob("shape", f"shape:{uri}", {"uri": uri}),))
    await harness.do(Move(at("resources/d"), at("resources/e")))
    jobs = [j for j in await harness.lease(9) if j.kind == "shape"]
    assert [j.payload["uri"] for j in jobs] == ["viking://resources/e/a.md"]


async def test_a_copied_file_that_was_not_indexed_yet_gets_its_own_job(harness: LedgerHarness) -> None:
    uri = "viking://resources/d/a.md"
    await harness.do(put("resources/d/a.md", chunks=None), jobs=(NewJob("shape", f"shape:{uri}", {"uri": uri}),))
    await harness.do(Copy(at("resources/d"), at("resources/e"), recursive=True))
    jobs = [j for j in await harness.lease(9) if j.kind == "shape"]
    assert sorted(j.payload["uri"] for j in jobs) == ["viking://resources/d/a.md", "viking://resources/e/a.md"]


async def test_recorded_talk_is_not_copied(harness: LedgerHarness) -> None:
    await harness.do(append("s", "m"))
    with pytest.raises(Conflict):
        await harness.do(Copy(at("user/ana/sessions"), at("user/ana/resources/talk"), recursive=True))
    assert await harness.ledger.maintenance.check() == []


# ------------------------------------------------------------------ the log
async def test_the_log_names_only_what_its_reader_may_see(harness: LedgerHarness) -> None:
    await harness.do(put("user/ana/memories/secret.md"), put("resources/a.md"))
    seen = [e.uri for e in await harness.log(BEN)]
    assert "viking://resources/a.md" in seen
    assert not [u for u in seen if u.startswith("viking://user/ana")]
    everything = [e.uri for e in await harness.log(Caller("acme", "boss", ANA.role.ROOT))]
    assert "viking://user/ana/memories/secret.md" in everything


# ------------------------------------------------------------------ cleaning
async def test_content_is_kept_while_a_node_or_a_young_entry_names_it(harness: LedgerHarness) -> None:
    await harness.do(put("resources/a.md", "first"))
    await harness.do(put("resources/a.md", "second"))
    assert await harness.ledger.maintenance.prune(keep_s=100) == 0
    harness.clock.advance(200)
    assert await harness.ledger.maintenance.prune(keep_s=100) == 1
    assert await harness.text("resources/a.md") == "second"
    assert await harness.rows("SELECT count(*) FROM blob") == [(1,)]


async def test_a_purge_slice_is_bounded_by_chunks_too(harness: LedgerHarness) -> None:
    many = tuple(chunk(f"w{n}") for n in range(300))
    await harness.do(*(put(f"resources/d/{n}.md", chunks=many) for n in range(5)))
    await harness.do(Remove(at("resources/d"), recursive=True))
    (before,) = (await harness.rows("SELECT count(*) FROM chunk"))[0]
    await harness.ledger.cleanup.purge(nodes_max=50)
    (after,) = (await harness.rows("SELECT count(*) FROM chunk"))[0]
    assert 0 < before - after <= trash.PURGED_CHUNKS_MAX
    while await harness.ledger.cleanup.purge(nodes_max=50):
        pass
    assert await harness.rows("SELECT count(*) FROM chunk") == [(0,)]
    assert await harness.ledger.maintenance.check() == []


FAULTS = [
    "DELETE FROM node WHERE name = 'a.md'",
    "DELETE FROM chunk",
    "UPDATE owner SET chunks = 7",
    "DELETE FROM fts WHERE rowid = 1",
    "INSERT INTO fts (rowid, terms) VALUES (999, 'o1_ghost')",
    "INSERT INTO vector (owner, chunk, model, data) VALUES (1, 999, 1, x'00')",
    "UPDATE session SET live = 9",
]


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_check_tells_a_fault_and_a_repair_mends_it(harness: LedgerHarness, fault: str) -> None:
    await harness.do(put("resources/a.md", tiers=TIERS), append("s", "m"))
    assert await harness.ledger.maintenance.check() == []
    await harness.force(fault)
    assert await harness.ledger.maintenance.check() != []
    await harness.ledger.maintenance.check(repair=True)
    assert await harness.ledger.maintenance.check() == []


async def test_a_repair_puts_lost_entries_back_into_the_index(harness: LedgerHarness) -> None:
    await harness.do(put("resources/a.md", "apple"))
    await harness.force("DELETE FROM fts WHERE rowid = 1")
    await harness.ledger.maintenance.check(repair=True)
    assert await harness.finds("", "apple") == ["viking://resources/a.md"]


# ------------------------------------------------------------------ the whole
async def test_everything_is_there_after_a_restart(harness: LedgerHarness) -> None:
    await harness.do(put("resources/a.md", "apple", tiers=TIERS), append("s", "m"), jobs=(NewJob("k", "k"),))
    store = (await harness.ledger.stats.usage()).store_id
    await harness.ledger.close()
    assert not list(harness.folder.glob("*-wal"))
    assert sound(harness.folder)
    again = await open_harness(harness.folder)
    assert (await again.text("resources/a.md"), await again.finds("", "apple")) == (
        "apple",
        ["viking://resources/a.md"],
    )
    assert [m.id for m in await again.tenant().messages("s")] == ["m"]
    assert len(await again.lease(9)) == 1
    assert (await again.ledger.stats.usage()).store_id == store
    await again.ledger.close()
    with pytest.raises(Closed):
        await again.text("resources/a.md")


async def test_usage_counts_what_is_there(harness: LedgerHarness) -> None:
    await harness.do(put("resources/a.md"), append("s", "m1", "m2"))
    usage = await harness.ledger.stats.usage()
    assert (usage.chunks, usage.messages, usage.sessions, usage.partitions["acme/ana"]) == (3, 2, 1, 2)


async def test_a_probe_writes_and_reads(harness: LedgerHarness) -> None:
    assert await harness.ledger.maintenance.probe() >= 0


async def test_every_index_space_is_listed(harness: LedgerHarness) -> None:
    await harness.do(put("resources/a.md"), put("user/ana/memories/a.md"))
    assert {(c.account, c.user) for c in await harness.ledger.backlog.partitions()} >= {("acme", ""), ("acme", "ana")}


async def test_dead_full_text_is_reclaimed_in_slices(harness: LedgerHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "RECLAIM_MIN", 10)
    many = tuple(chunk(" ".join(f"w{n}x{k}" for k in range(40))) for n in range(300))
    await harness.do(put("resources/keep.md", "apple"), put("resources/a.md", chunks=many))
    full = (await harness.rows("SELECT sum(length(block)) FROM fts_data"))[0][0]
    await harness.do(Remove(at("resources/a.md")))
    while await harness.ledger.cleanup.purge(nodes_max=50):
        pass
    await harness.ledger.maintenance.prune(keep_s=0)
    assert (await harness.rows("SELECT sum(length(block)) FROM fts_data"))[0][0] < full / 3
    assert await harness.finds("", "apple") == ["viking://resources/keep.md"]
    assert await harness.ledger.maintenance.check() == []


async def test_full_text_rows_that_die_during_a_reclaim_are_reclaimed_later(harness: LedgerHarness) -> None:
    await harness.do(put("resources/a.md", "apple"), put("resources/b.md", "banana"))
    await harness.do(Remove(at("resources/a.md")))
    await harness.ledger.cleanup.purge(nodes_max=50)
    more = await harness.ledger.access.write(lambda c: chunks.reclaim(c, first=True, now=1.0))
    await harness.do(Remove(at("resources/b.md")))
    await harness.ledger.cleanup.purge(nodes_max=50)
    while more:
        more = await harness.ledger.access.write(lambda c: chunks.reclaim(c, first=False, now=1.0))
    assert await harness.rows("SELECT value FROM meta WHERE key = 'fts_dropped'") == [(1,)]
    await harness.ledger.maintenance.prune(keep_s=0)
    assert await harness.rows("SELECT 1 FROM meta WHERE key IN ('fts_dropped', 'fts_reclaiming')") == []


async def test_a_copy_that_would_hold_up_every_writer_is_refused(
    harness: LedgerHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(move_copy, "COPY_NODES_MAX", 3)
    await harness.do(*(put(f"resources/d/{n}.md") for n in range(3)))
    with pytest.raises(Invalid):
        await harness.do(Copy(at("resources/d"), at("resources/e"), recursive=True))
    monkeypatch.setattr(move_copy, "COPY_NODES_MAX", 4)
    await harness.do(Copy(at("resources/d"), at("resources/e"), recursive=True))
