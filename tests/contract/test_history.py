"""The log replayed up to any entry equals the tree at that moment."""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recalld.adapters.sqlite.history import history as reading
from recalld.adapters.sqlite.history.history import SqliteHistory
from recalld.domain.caller import Caller
from recalld.domain.commit import INLINE_BYTES_MAX, Copy, MakeDir, MarkSnapshot, Move, Op, Remove, SetIgnore, WriteMode
from recalld.domain.errors import Busy, Conflict, Invalid, NotFound, RecalldError
from recalld.domain.snapshot import Author, Files, Snapshot, Version
from recalld.domain.uri import Uri
from recalld.ports.history import History, Past
from tests.contract.ledger_harness import ANA, BEN, ROOT, LedgerHarness, append, at, open_harness, put

# Few names, so that operations meet; two users' trees and what they share, so that moves go across.
paths = st.sampled_from(
    ["resources/a", "resources/a/x", "resources/b/x", "resources/b", "agent/skills/a", "agent/skills/a/x"]
    + ["user/ana/memories/a/x", "user/ana/memories/a", "user/ben/memories/a"]
)
uris = paths.map(lambda path: Uri(tuple(path.split("/"))))
writes = st.tuples(paths, st.sampled_from(["one", "two"]), st.sampled_from(WriteMode))
operations = st.one_of(
    writes.map(lambda w: put(w[0], w[1], mode=w[2])),
    writes.map(lambda w: put(w[0], w[1])),
    writes.map(lambda w: put(f"{w[0]}/x", w[1])),
    st.builds(MakeDir, uris, st.booleans()),
    st.builds(Remove, uris, st.booleans()),
    st.builds(Move, uris, uris),
    st.builds(Move, st.sampled_from([at("resources/a"), at("user/ana/memories/a")]), uris),
    st.builds(Copy, uris, uris, st.booleans()),
    st.sampled_from(["m1", "m2", "m3"]).map(lambda id_: append("talk", id_)),
)


def history(harness: LedgerHarness) -> History:
    return SqliteHistory(harness.ledger.access.readers, harness.blobs)


def past(harness: LedgerHarness, caller: Caller = ANA) -> Past:
    return history(harness).past(caller)


async def files_at(one: Past, *points: int, under: tuple[str, ...] = ()) -> list[Files]:
    found: dict[int, Files] = {}
    await one.walk(points, [at(path) for path in under], lambda point, files: found.update({point: files}))
    return [found[point] for point in points]


async def walked(harness: LedgerHarness, caller: Caller) -> dict[str, str]:
    """Paths and hashes as the tree shows them now."""
    entries = await harness.tenant(caller).walk(Uri(), depth_max=20, nodes_max=10_000, hidden=True)
    files = [e for e in entries if not e.node.is_dir and "sessions" not in e.node.uri.parts]
    return {e.rel_path: e.node.hash for e in files}


@pytest.mark.loop_may_block  # every example makes and removes a folder of its own
@given(st.lists(operations, min_size=1, max_size=30))
@settings(max_examples=40, deadline=None)
def test_the_past_is_what_was_walked_then(ops: list[Op]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_compared(Path(folder), ops))


async def _compared(folder: Path, ops: list[Op]) -> None:
    harness = await open_harness(folder / "data")
    seen: dict[Caller, list[tuple[int, dict[str, str]]]] = {ROOT: [], ANA: [], BEN: []}
    try:
        for op in (put("resources/a/x"), put("user/ana/memories/a/x"), *ops):
            try:
                await harness.do(op, caller=ROOT)
            except RecalldError:
                continue
            for caller, moments in seen.items():
                moments.append((await past(harness).end(), await walked(harness, caller)))
        await harness.ledger.cleanup.purge(nodes_max=10_000)
        for caller, moments in seen.items():
            replayed = await files_at(past(harness, caller), *(seq for seq, _ in moments))
            trees = [{path: v.hash for path, v in files.items()} for files in replayed]
            assert trees == [tree for _, tree in moments]
    finally:
        await harness.ledger.close()


async def test_pages_of_the_log_join_without_a_seam(harness: LedgerHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    for n in range(9):
        await harness.do(put(f"resources/{n}.md", str(n)))
    whole = await files_at(past(harness), await past(harness).end())
    monkeypatch.setattr(reading, "PAGE", 2)
    assert await files_at(past(harness), await past(harness).end()) == whole
    assert len(whole[0]) == 9


async def test_only_what_lies_under_the_paths_is_shown_and_once(harness: LedgerHarness) -> None:
    await harness.do(put("resources/a/1.md"), put("resources/a/b/2.md"), put("resources/c.md"))
    end = await past(harness).end()
    (some,) = await files_at(past(harness), end, under=("resources/a", "resources/a/b", "resources/c.md", "agent"))
    assert set(some) == {"resources/a/1.md", "resources/a/b/2.md", "resources/c.md"}


async def test_another_account_has_another_past(harness: LedgerHarness) -> None:
    await harness.do(put("resources/a.md"))
    assert await files_at(past(harness, Caller("other", "ana")), await past(harness).end()) == [{}]


async def test_private_things_and_control_files_are_left_out(harness: LedgerHarness) -> None:
    await harness.do(put("user/ana/privacy/skill/key.json"), put("resources/.watch_tasks.json"), put("resources/a.md"))
    (files,) = await files_at(past(harness), await past(harness).end())
    assert set(files) == {"resources/a.md"}


async def test_content_comes_back_whether_large_or_small(harness: LedgerHarness) -> None:
    large = "x" * (INLINE_BYTES_MAX + 1)
    await harness.blobs.put(large.encode())
    await harness.do(put("resources/large.md", large), put("resources/small.md", "small"))
    (files,) = await files_at(past(harness), await past(harness).end())
    assert (await past(harness).content(files["resources/large.md"])).decode() == large
    assert await past(harness).content(files["resources/small.md"]) == b"small"


async def test_content_that_the_accounts_log_does_not_name_is_not_there(harness: LedgerHarness) -> None:
    await harness.do(put("resources/a.md", "ours"))
    (files,) = await files_at(past(harness), await past(harness).end())
    version = files["resources/a.md"]
    with pytest.raises(NotFound):
        await past(harness, Caller("other", "ana")).content(version)
    other = Version(version.node, hashlib.sha256(b"never").hexdigest())
    with pytest.raises(NotFound):
        await past(harness).content(other)


def named(oid: str, seq: int, parent: str = "", branch: str = "main") -> Snapshot:
    return Snapshot(
        oid * 40, branch, seq, 5.5, parent * 40, "why", Author("Ana", "ana@x"), "t" * 40, ("resources",), "*.tmp"
    )


async def test_a_marked_snapshot_comes_back_as_it_was_marked(harness: LedgerHarness) -> None:
    await harness.do(put("resources/a.md"))
    first = named("a", 1)
    receipt = await harness.do(MarkSnapshot(first))
    second = named("b", receipt.seq, "a")
    await harness.do(MarkSnapshot(second))
    await harness.do(MarkSnapshot(named("c", 1, branch="side")))
    one = past(harness)
    assert await one.head("main") == second
    assert await one.head("none") is None
    assert await one.line("main", limit=9) == [second, first]
    assert await one.line("main", until=1, limit=9) == [first]
    assert await one.snapshot("aaaa") == first
    assert (await harness.log(after=receipt.seq - 1))[0].op == "snapshot"


async def test_a_snapshot_is_found_by_its_beginning_alone_in_its_account(harness: LedgerHarness) -> None:
    twins = [
        replace(named("a", 1), oid="abcd" + "1" * 36),
        replace(named("a", 1, branch="side"), oid="abcd" + "2" * 36),
    ]
    await harness.do(put("resources/a.md"))
    for twin in twins:
        await harness.do(MarkSnapshot(twin))
    with pytest.raises(Invalid, match="several"):
        await past(harness).snapshot("abcd")
    assert await past(harness).snapshot("ABCD1") == twins[0]
    with pytest.raises(NotFound):
        await past(harness, Caller("other", "ana")).snapshot("abcd1")
    with pytest.raises(Invalid):
        await past(harness).snapshot("abc")


@pytest.mark.parametrize("late", [named("b", 1), named("b", 1, "c")])
async def test_a_snapshot_beside_the_branchs_head_is_refused(harness: LedgerHarness, late: Snapshot) -> None:
    await harness.do(put("resources/a.md"))
    await harness.do(MarkSnapshot(named("a", 1)))
    before = await past(harness).end()
    with pytest.raises(Conflict) as refused:
        await harness.do(MarkSnapshot(late))
    assert refused.value.details["conflict_type"] == "git_ref_cas"
    assert await past(harness).end() == before


async def test_a_place_beyond_the_log_cannot_be_named(harness: LedgerHarness) -> None:
    with pytest.raises(Invalid):
        await harness.do(MarkSnapshot(named("a", 99)))


async def test_the_ignore_text_is_the_accounts(harness: LedgerHarness) -> None:
    assert await past(harness).ignore() == ""
    await harness.do(SetIgnore("*.tmp"))
    assert await past(harness, BEN).ignore() == "*.tmp"
    assert await past(harness, Caller("other", "ana")).ignore() == ""
    await harness.do(SetIgnore(""))
    assert await past(harness).ignore() == ""


async def test_contents_up_to_the_newest_snapshot_are_never_pruned(harness: LedgerHarness) -> None:
    await harness.do(put("resources/a.md", "first"))
    await harness.do(put("resources/a.md", "second"))
    end = await past(harness).end()
    await harness.do(MarkSnapshot(named("a", end)))
    await harness.do(put("resources/a.md", "third"))
    await harness.do(put("resources/a.md", "fourth"))
    await harness.do(put("resources/b.md", "another account's"), caller=Caller("other", "eve"))
    await harness.do(Remove(at("resources/b.md")), caller=Caller("other", "eve"))
    await harness.ledger.cleanup.purge(nodes_max=99)
    harness.clock.advance(1_000)
    assert await harness.ledger.maintenance.prune(keep_s=10.0) == 2
    (files,) = await files_at(past(harness), end)
    assert await past(harness).content(files["resources/a.md"]) == b"second"


async def test_many_concurrent_history_reads_get_busy(harness: LedgerHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    await harness.do(put("resources/a.md"))
    monkeypatch.setattr(reading, "REPLAYS_WAITING_MAX", 1)
    one = past(harness)
    results = await asyncio.gather(*(files_at(one, 3) for _ in range(4)), return_exceptions=True)
    assert [isinstance(answer, Busy) for answer in results] == [False, False, False, True]


async def test_history_of_a_removed_user_belongs_to_no_new_user(harness: LedgerHarness) -> None:
    mine = at("user/ana/memories/a.md")
    await harness.do(put("user/ana/memories/a.md", "Ana's"), put("user/ana/memories/b.md", "also Ana's"))
    await harness.do(put("user/ana/privacy/skill/key.json", "a secret"), put("resources/c.md", "shared"))
    end = await past(harness).end()
    await harness.do(MarkSnapshot(named("a", end)))
    for path in ("user/ana/privacy", "user/ana/memories/a.md", "resources/c.md"):
        await harness.do(Remove(at(path), recursive=True), caller=ROOT)
    await harness.ledger.cleanup.purge(nodes_max=99)
    harness.clock.advance(1_000)
    assert await harness.ledger.maintenance.prune(keep_s=10.0) == 1
    (files,) = await files_at(past(harness), end)
    assert await past(harness).content(files["/".join(mine.parts)]) == b"Ana's"

    await harness.do(Remove(at("user/ana"), recursive=True), caller=ROOT)
    await harness.do(put("user/ana/memories/c.md", "another Ana's"))
    for under in ((), ("user/ana/memories",), ("user/ana/memories/a.md",)):
        (files,) = await files_at(past(harness, ROOT), end, under=under)
        assert not [path for path in files if path.startswith("user/")]
    await harness.ledger.cleanup.purge(nodes_max=99)
    harness.clock.advance(1_000)
    assert await harness.ledger.maintenance.prune(keep_s=10.0) == 2
    (files,) = await files_at(past(harness), end)
    assert await past(harness).content(files["resources/c.md"]) == b"shared"


async def test_a_folder_called_like_an_area_is_none(harness: LedgerHarness) -> None:
    await harness.do(put("user/ana/memories/privacy/a.md", "plain"), put("resources/sessions/b.md", "plain too"))
    end = await past(harness).end()
    await harness.do(MarkSnapshot(named("a", end)))
    await harness.do(
        Remove(at("user/ana/memories/privacy"), recursive=True), Remove(at("resources/sessions"), recursive=True)
    )
    await harness.ledger.cleanup.purge(nodes_max=99)
    harness.clock.advance(1_000)
    assert await harness.ledger.maintenance.prune(keep_s=10.0) == 0
    (files,) = await files_at(past(harness), end)
    assert len(files) == 2
