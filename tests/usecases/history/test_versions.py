"""One file's past: its versions, its text at a moment, and bringing it back."""

from __future__ import annotations

import pytest

from recalld.adapters.history import changes
from recalld.app.history import HistoryVerbs
from recalld.domain.caller import Caller
from recalld.domain.errors import Conflict, Denied, NotFound
from tests.house_fixture import House

A, B = "viking://resources/a.md", "viking://resources/b.md"


def history(house: House) -> HistoryVerbs:
    return house.r.verbs(HistoryVerbs)


async def test_versions_are_listed_newest_first_with_their_sizes(house: House) -> None:
    for text in ("one", "three", "fifteen"):
        await house.write(A, text)
    found = await history(house).versions(A)
    assert [(v.op, v.size) for v in found] == [("write", 7), ("write", 5), ("create", 3)]
    assert all(v.kept and v.living for v in found)


async def test_a_removed_file_still_has_its_versions_and_comes_back(house: House) -> None:
    await house.write(A, "one")
    await house.r.rm(A)
    await house.settle()
    found = await history(house).versions(A)
    assert [v.op for v in found] == ["remove", "create"]
    await history(house).restore(A, str(found[-1].seq))
    assert await house.r.read(A) == "one"


async def test_a_file_whose_directory_was_removed_shows_that(house: House) -> None:
    await house.write("viking://resources/d/a.md", "one")
    await house.r.rm("viking://resources/d", recursive=True)
    found = await history(house).versions("viking://resources/d/a.md")
    assert [(v.op, v.hash == "") for v in found] == [("remove", True), ("create", False)]


async def test_the_text_at_a_moment_is_read_by_position_and_by_age(house: House) -> None:
    await house.write(A, "one")
    seq = (await history(house).versions(A))[0].seq
    house.clock.advance(3_600)
    await house.write(A, "two")
    house.clock.advance(60)
    assert await history(house).read_at(A, str(seq)) == "one"
    assert await history(house).read_at(A, "30m") == "one"
    assert await history(house).read_at(A, "10s") == "two"
    with pytest.raises(NotFound):
        await history(house).read_at(A, "2h")


async def test_a_moved_file_is_read_at_its_address_of_then(house: House) -> None:
    await house.write(A, "one")
    before = await house.seq()
    await house.r.mv(A, B)
    after = await house.seq()
    assert await history(house).read_at(A, str(before)) == "one"
    assert await history(house).read_at(B, str(after)) == "one"
    with pytest.raises(NotFound):
        await history(house).read_at(A, str(after))


async def test_a_diff_says_what_came_and_went(house: House) -> None:
    await house.write(A, "one\ntwo\n")
    seq = await house.seq()
    await house.write(A, "one\nthree\n")
    found = await history(house).diff(A, since=str(seq))
    assert "-two" in found.text
    assert "+three" in found.text


async def test_a_directory_is_restored_file_by_file(house: House) -> None:
    for name in ("a", "b", "c"):
        await house.write(f"viking://resources/d/{name}.md", name)
    seq = await house.seq()
    await house.write("viking://resources/d/a.md", "changed")
    await house.r.rm("viking://resources/d/b.md")
    await house.write("viking://resources/d/new.md", "new")
    dry = await history(house).restore("viking://resources/d", str(seq), dry_run=True)
    assert (len(dry.write), len(dry.delete)) == (2, 1)
    await history(house).restore("viking://resources/d", str(seq))
    assert await house.texts_below("viking://resources/d") == {"a.md": "a", "b.md": "b", "c.md": "c"}


async def test_a_restore_can_be_undone(house: House) -> None:
    await house.write(A, "one")
    seq = await house.seq()
    await house.write(A, "two")
    await history(house).restore(A, str(seq))
    await history(house).undo()
    assert await house.r.read(A) == "two"


async def test_nobody_reads_the_past_of_another_user(house: House) -> None:
    mine = "viking://~/memories/events/secret.md"
    await house.write(mine, "hidden")
    other = house.r.as_caller(Caller("default", "ben")).verbs(HistoryVerbs)
    for call in (
        lambda: other.versions("viking://user/default/memories/events/secret.md"),
        lambda: other.read_at("viking://user/default/memories/events/secret.md", "1m"),
        lambda: other.diff("viking://user/default/memories/events/secret.md", since="0"),
        lambda: other.restore("viking://user/default/memories/events/secret.md", "1"),
    ):
        with pytest.raises(Denied):
            await call()
    assert not any("secret" in e.uri for e in (await other.log(limit=1000)).entries)


async def test_private_values_and_sessions_have_no_versions(house: House) -> None:
    for uri in ("viking://~/privacy/vault/bank/1", "viking://~/sessions/s/messages/a.md"):
        with pytest.raises(NotFound):
            await history(house).versions(uri)


async def test_a_write_over_another_version_than_read_is_refused(house: House) -> None:
    await house.r.write(A, "one", if_version=0)
    version = (await house.r.stat(A)).version
    await house.r.write(A, "two", if_version=version)
    for stale in (version, 0, 99):
        with pytest.raises(Conflict) as refused:
            await house.r.write(A, "three", if_version=stale)
        assert refused.value.code == "WRITE_CONFLICT"
    assert await house.r.read(A) == "two"


async def test_the_log_is_read_in_pages_and_narrowed(house: House) -> None:
    for n in range(5):
        await house.write(f"viking://resources/d/{n}.md", str(n))
    await house.write(A, "else")
    seen: list[str] = []
    before = 0
    while True:
        page = await history(house).log(under="viking://resources/d", ops=["create"], limit=2, before=before)
        seen += [e.uri.rsplit("/", 1)[1] for e in page.entries]
        before = page.next
        if not before:
            break
    assert seen == ["4.md", "3.md", "2.md", "1.md", "0.md", "d"]
    assert (await history(house).log(actor="ben")).entries == ()


async def test_a_filter_that_matches_nothing_ends(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "SCANNED_MAX", 3)
    for n in range(5):
        await house.write(f"viking://resources/{n}.md", str(n))
    pages, before = 0, 0
    while True:
        page = await history(house).log(actor="nobody", before=before)
        assert page.entries == ()
        pages, before = pages + 1, page.next
        if not before:
            break
    assert pages > 2


async def test_what_only_followed_from_a_change_is_listed_when_asked_for(house: House) -> None:
    await house.write("viking://resources/d/a.md", "about herons")
    await house.settle()
    assert {e.op for e in (await history(house).log(limit=100)).entries} == {"create"}
    assert {e.op for e in (await history(house).log(limit=100, ops=["tiers"])).entries} == {"tiers"}
