"""Listing, walking and reading the tree and a session's views in it."""

from __future__ import annotations

import json

import pytest

from recalld.domain.errors import Conflict, Denied, Invalid, NotFound
from recalld.rules.memory_footer import strip
from tests.house_fixture import House

SESSION = "viking://user/default/sessions/s"


async def names(house: House, uri: str, **options: bool) -> list[str]:
    return [n.uri.name for n in await house.r.ls(uri, **options)]


async def test_the_root_lists_its_scopes(house: House) -> None:
    assert {"resources", "user", "agent"} <= set(await names(house, "viking://"))


async def test_directories_come_before_files_by_name(house: House) -> None:
    for name in ("b.md", "z/x.md", "a.md"):
        await house.write(f"viking://resources/d/{name}", "text")
    assert await names(house, "viking://resources/d") == ["z", "a.md", "b.md"]


async def test_sorting_by_time_puts_the_last_change_at_the_end(house: House) -> None:
    for name in ("b.md", "c.md", "a.md"):
        await house.write(f"viking://resources/d/{name}", "text")
        house.clock.advance(10)
    found = [n.uri.name for n in await house.r.ls("viking://resources/d", sort_by="mtime")]
    newest = [n.uri.name for n in await house.r.ls("viking://resources/d", sort_by="mtime", descending=True)]
    assert (found, newest) == (["b.md", "c.md", "a.md"], ["a.md", "c.md", "b.md"])


async def test_a_file_cannot_be_listed(house: House) -> None:
    await house.write("viking://resources/a.md", "text")
    with pytest.raises(Conflict):
        await house.r.ls("viking://resources/a.md")


async def test_a_tree_is_cut_at_its_depth(house: House) -> None:
    await house.write("viking://resources/one/two/three.md", "text")
    for depth, deepest in ((1, "one"), (2, "one/two"), (3, "one/two/three.md")):
        assert (await house.r.tree("viking://resources", depth=depth))[-1].rel_path == deepest


@pytest.mark.parametrize(
    ("offset", "limit", "expected"), [(0, 1, "one\r\n"), (1, 2, "two\nthree"), (2, -1, "three"), (9, 1, ""), (0, 0, "")]
)
async def test_lines_are_read_with_their_ends(house: House, offset: int, limit: int, expected: str) -> None:
    await house.write("viking://resources/a.md", "one\r\ntwo\nthree")
    assert await house.r.read("viking://resources/a.md", offset=offset, limit=limit) == expected


async def test_a_negative_offset_is_refused(house: House) -> None:
    await house.write("viking://resources/a.md", "one")
    with pytest.raises(Invalid):
        await house.r.read("viking://resources/a.md", offset=-1)


async def test_a_memorys_trailer_is_seen_only_raw_and_never_found(house: House) -> None:
    trailer = '\n\n<!-- MEMORY_FIELDS\n{"kind": "zirconium"}\n-->'
    uri = "viking://~/memories/preferences/tea.md"
    await house.write(uri, "Ana drinks oolong." + trailer)
    assert strip("Ana drinks oolong." + trailer).strip() == "Ana drinks oolong."
    assert (await house.r.read(uri)).strip() == "Ana drinks oolong."
    assert "zirconium" in await house.r.read(uri, raw=True)
    assert await house.found("zirconium") == []
    assert (await house.r.grep("viking://~", "zirconium")).matches == ()


async def test_a_session_shows_its_messages_as_one_file(house: House) -> None:
    await house.say("s", "one", "two")
    lines = (await house.r.read(f"{SESSION}/messages.jsonl")).splitlines()
    assert [json.loads(line)["parts"][0]["text"] for line in lines] == ["one", "two"]
    assert await names(house, SESSION) == ["messages.jsonl"]


async def test_the_messages_directory_is_hidden_unless_addressed(house: House) -> None:
    ids = (await house.say("s", "one")).message_ids
    assert "messages" not in await names(house, SESSION, hidden=True)
    assert all("/messages/" not in str(e.node.uri) for e in await house.r.tree("viking://~", depth=9))
    assert await names(house, f"{SESSION}/messages") == [f"{ids[0]}.md"]
    assert "one" in await house.r.read(f"{SESSION}/messages/{ids[0]}.md")


async def test_a_sessions_meta_is_hidden_and_readable(house: House) -> None:
    await house.say("s", "one")
    assert ".meta.json" in await names(house, SESSION, hidden=True)
    assert json.loads(await house.r.read(f"{SESSION}/.meta.json"))["message_count"] == 1


async def test_an_archive_is_a_directory_of_views(house: House) -> None:
    await house.say("s", "I decided to move to Lisbon.")
    await house.commit("s")
    folder = f"{SESSION}/history/archive_001"
    assert await names(house, folder) == ["messages.jsonl"]
    await house.settle()
    assert set(await names(house, folder, hidden=True)) == {
        "messages.jsonl", ".meta.json", ".abstract.md", ".overview.md", ".done", "memory_diff.json"
    }  # fmt: skip
    assert "Lisbon" in await house.r.read(f"{folder}/messages.jsonl")
    assert "Lisbon" in await house.r.read(f"{folder}/.overview.md")
    assert (await house.r.stat(folder)).is_dir
    assert await house.r.read(f"{SESSION}/messages.jsonl") == ""
    assert "Lisbon" in await house.r.overview(folder)


async def test_views_of_nothing_are_not_found(house: House) -> None:
    await house.say("s", "one")
    for view in ("history", "history/archive_001/messages.jsonl", "history/archive_002", "notes.md"):
        with pytest.raises(NotFound):
            await house.r.read(f"{SESSION}/{view}")
    with pytest.raises(NotFound):
        await house.r.ls("viking://~/sessions/never")


async def test_what_belongs_to_a_session_is_not_written_moved_or_copied(house: House) -> None:
    ids = (await house.say("s", "one")).message_ids
    message = f"{SESSION}/messages/{ids[0]}.md"
    before = await house.state()
    with pytest.raises((Invalid, Denied)):
        await house.write(message, "other words")
    with pytest.raises(Denied):
        await house.r.mv(message, "viking://resources/m.md")
    with pytest.raises(Denied):
        await house.r.cp(message, "viking://resources/m.md")
    with pytest.raises(Denied):
        await house.r.mkdir(f"{SESSION}/mine")
    with pytest.raises(Denied):
        await house.r.rm(f"{SESSION}/messages.jsonl")
    assert await house.state() == before


async def test_another_users_tree_is_denied(house: House) -> None:
    with pytest.raises(Denied):
        await house.r.ls("viking://user/somebody/memories")
