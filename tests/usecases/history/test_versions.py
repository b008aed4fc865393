"""History of a file: versions, its text at a moment, and restore."""

from __future__ import annotations

import pytest

from recalld.adapters.sqlite.history import changes
from recalld.app.history import HistoryOperations
from recalld.domain.caller import Caller
from recalld.domain.errors import Conflict, Denied, NotFound
from tests.harness import Harness

A, B = "viking://resources/a.md", "viking://resources/b.md"


def history(harness: Harness) -> HistoryOperations:
    return harness.engine.history


async def test_versions_are_listed_newest_first_with_their_sizes(harness: Harness) -> None:
    for text in ("one", "three", "fifteen"):
        await harness.write(A, text)
    found = await history(harness).versions(A)
    assert [(v.op, v.size) for v in found] == [("write", 7), ("write", 5), ("create", 3)]
    assert all(v.kept for v in found)


async def test_a_removed_file_still_has_its_versions_and_comes_back(harness: Harness) -> None:
    await harness.write(A, "one")
    await harness.engine.rm(A)
    await harness.settle()
    found = await history(harness).versions(A)
    assert [v.op for v in found] == ["remove", "create"]
    await history(harness).restore(A, str(found[-1].seq))
    assert await harness.engine.read(A) == "one"


async def test_a_file_whose_directory_was_removed_shows_that(harness: Harness) -> None:
    await harness.write("viking://resources/d/a.md", "one")
    await harness.engine.rm("viking://resources/d", recursive=True)
    found = await history(harness).versions("viking://resources/d/a.md")
    assert [(v.op, v.hash == "") for v in found] == [("remove", True), ("create", False)]


async def test_the_text_at_a_moment_is_read_by_position_and_by_age(harness: Harness) -> None:
    await harness.write(A, "one")
    seq = (await history(harness).versions(A))[0].seq
    harness.clock.advance(3_600)
    await harness.write(A, "two")
    harness.clock.advance(60)
    assert await history(harness).read_at(A, str(seq)) == "one"
    assert await history(harness).read_at(A, "30m") == "one"
    assert await history(harness).read_at(A, "10s") == "two"
    with pytest.raises(NotFound):
        await history(harness).read_at(A, "2h")


async def test_a_moved_file_is_read_at_its_address_of_then(harness: Harness) -> None:
    await harness.write(A, "one")
    before = await harness.seq()
    await harness.engine.mv(A, B)
    after = await harness.seq()
    assert await history(harness).read_at(A, str(before)) == "one"
    assert await history(harness).read_at(B, str(after)) == "one"
    with pytest.raises(NotFound):
        await history(harness).read_at(A, str(after))


async def test_a_diff_says_what_came_and_went(harness: Harness) -> None:
    await harness.write(A, "one\ntwo\n")
    seq = await harness.seq()
    await harness.write(A, "one\nthree\n")
    found = await history(harness).diff(A, since=str(seq))
    assert "-two" in found.text
    assert "+three" in found.text


async def test_a_directory_is_restored_file_by_file(harness: Harness) -> None:
    for name in ("a", "b", "c"):
        await harness.write(f"viking://resources/d/{name}.md", name)
    seq = await harness.seq()
    await harness.write("viking://resources/d/a.md", "changed")
    await harness.engine.rm("viking://resources/d/b.md")
    await harness.write("viking://resources/d/new.md", "new")
    dry = await history(harness).restore("viking://resources/d", str(seq), dry_run=True)
    assert (len(dry.write), len(dry.delete)) == (2, 1)
    await history(harness).restore("viking://resources/d", str(seq))
    assert await harness.texts_below("viking://resources/d") == {"a.md": "a", "b.md": "b", "c.md": "c"}


async def test_a_restore_can_be_undone(harness: Harness) -> None:
    await harness.write(A, "one")
    seq = await harness.seq()
    await harness.write(A, "two")
    await history(harness).restore(A, str(seq))
    await history(harness).undo()
    assert await harness.engine.read(A) == "two"


async def test_history_of_other_users_is_hidden(harness: Harness) -> None:
    mine = "viking://~/memories/events/secret.md"
    await harness.write(mine, "hidden")
    other = harness.engine.as_caller(Caller("default", "ben")).history
    for call in (
        lambda: other.versions("viking://user/default/memories/events/secret.md"),
        lambda: other.read_at("viking://user/default/memories/events/secret.md", "1m"),
        lambda: other.diff("viking://user/default/memories/events/secret.md", since="0"),
        lambda: other.restore("viking://user/default/memories/events/secret.md", "1"),
    ):
        with pytest.raises(Denied):
            await call()
    assert not any("secret" in e.uri for e in (await other.log(limit=1000)).entries)


async def test_private_values_and_sessions_have_no_versions(harness: Harness) -> None:
    for uri in ("viking://~/privacy/vault/bank/1", "viking://~/sessions/s/messages/a.md"):
        with pytest.raises(NotFound):
            await history(harness).versions(uri)


async def test_a_write_over_another_version_than_read_is_refused(harness: Harness) -> None:
    await harness.engine.write(A, "one", if_version=0)
    version = (await harness.engine.stat(A)).version
    await harness.engine.write(A, "two", if_version=version)
    for stale in (version, 0, 99):
        with pytest.raises(Conflict) as refused:
            await harness.engine.write(A, "three", if_version=stale)
        assert refused.value.code == "WRITE_CONFLICT"
    assert await harness.engine.read(A) == "two"


async def test_the_log_is_read_in_pages_and_narrowed(harness: Harness) -> None:
    for n in range(5):
        await harness.write(f"viking://resources/d/{n}.md", str(n))
    await harness.write(A, "else")
    seen: list[str] = []
    before = 0
    while True:
        page = await history(harness).log(under="viking://resources/d", ops=["create"], limit=2, before=before)
        seen += [e.uri.rsplit("/", 1)[1] for e in page.entries]
        before = page.next
        if not before:
            break
    assert seen == ["4.md", "3.md", "2.md", "1.md", "0.md", "d"]
    assert (await history(harness).log(actor="ben")).entries == ()


async def test_a_filter_that_matches_nothing_ends(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "SCANNED_MAX", 3)
    for n in range(5):
        await harness.write(f"viking://resources/{n}.md", str(n))
    pages, before = 0, 0
    while True:
        page = await history(harness).log(actor="nobody", before=before)
        assert page.entries == ()
        pages, before = pages + 1, page.next
        if not before:
            break
    assert pages > 2


async def test_derived_changes_are_listed_on_request(harness: Harness) -> None:
    await harness.write("viking://resources/d/a.md", "about herons")
    await harness.settle()
    assert {e.op for e in (await history(harness).log(limit=100)).entries} == {"create"}
    assert {e.op for e in (await history(harness).log(limit=100, ops=["tiers"])).entries} == {"tiers"}
