"""Listing and reading the tree and a session's views."""

from __future__ import annotations

import json

import pytest

from recalld.domain.errors import Conflict, Denied, Invalid, NotFound
from recalld.rules.memory_footer import strip
from tests.harness import Harness

SESSION = "viking://user/default/sessions/s"


async def names(harness: Harness, uri: str, **options: bool) -> list[str]:
    return [n.uri.name for n in await harness.engine.ls(uri, **options)]


async def test_the_root_lists_its_scopes(harness: Harness) -> None:
    assert {"resources", "user", "agent"} <= set(await names(harness, "viking://"))


async def test_directories_come_before_files_by_name(harness: Harness) -> None:
    for name in ("b.md", "z/x.md", "a.md"):
        await harness.write(f"viking://resources/d/{name}", "text")
    assert await names(harness, "viking://resources/d") == ["z", "a.md", "b.md"]


async def test_sorting_by_time_puts_the_last_change_at_the_end(harness: Harness) -> None:
    for name in ("b.md", "c.md", "a.md"):
        await harness.write(f"viking://resources/d/{name}", "text")
        harness.clock.advance(10)
    found = [n.uri.name for n in await harness.engine.ls("viking://resources/d", sort_by="mtime")]
    newest = [n.uri.name for n in await harness.engine.ls("viking://resources/d", sort_by="mtime", descending=True)]
    assert (found, newest) == (["b.md", "c.md", "a.md"], ["a.md", "c.md", "b.md"])


async def test_a_file_cannot_be_listed(harness: Harness) -> None:
    await harness.write("viking://resources/a.md", "text")
    with pytest.raises(Conflict):
        await harness.engine.ls("viking://resources/a.md")


async def test_a_tree_is_cut_at_its_depth(harness: Harness) -> None:
    await harness.write("viking://resources/one/two/three.md", "text")
    for depth, deepest in ((1, "one"), (2, "one/two"), (3, "one/two/three.md")):
        assert (await harness.engine.tree("viking://resources", depth=depth))[-1].rel_path == deepest


@pytest.mark.parametrize(
    ("offset", "limit", "expected"), [(0, 1, "one\r\n"), (1, 2, "two\nthree"), (2, -1, "three"), (9, 1, ""), (0, 0, "")]
)
async def test_lines_are_read_with_their_ends(harness: Harness, offset: int, limit: int, expected: str) -> None:
    await harness.write("viking://resources/a.md", "one\r\ntwo\nthree")
    assert await harness.engine.read("viking://resources/a.md", offset=offset, limit=limit) == expected


async def test_a_negative_offset_is_refused(harness: Harness) -> None:
    await harness.write("viking://resources/a.md", "one")
    with pytest.raises(Invalid):
        await harness.engine.read("viking://resources/a.md", offset=-1)


async def test_a_memorys_trailer_is_seen_only_raw_and_never_found(harness: Harness) -> None:
    trailer = '\n\n<!-- MEMORY_FIELDS\n{"kind": "zirconium"}\n-->'
    uri = "viking://~/memories/preferences/tea.md"
    await harness.write(uri, "Ana drinks oolong." + trailer)
    assert strip("Ana drinks oolong." + trailer).strip() == "Ana drinks oolong."
    assert (await harness.engine.read(uri)).strip() == "Ana drinks oolong."
    assert "zirconium" in await harness.engine.read(uri, raw=True)
    assert await harness.found("zirconium") == []
    assert (await harness.engine.grep("viking://~", "zirconium")).matches == ()


async def test_a_session_shows_its_messages_as_one_file(harness: Harness) -> None:
    await harness.append("s", "one", "two")
    lines = (await harness.engine.read(f"{SESSION}/messages.jsonl")).splitlines()
    assert [json.loads(line)["parts"][0]["text"] for line in lines] == ["one", "two"]
    assert await names(harness, SESSION) == ["messages.jsonl"]


async def test_the_messages_directory_is_hidden_unless_addressed(harness: Harness) -> None:
    ids = (await harness.append("s", "one")).message_ids
    assert "messages" not in await names(harness, SESSION, hidden=True)
    assert all("/messages/" not in str(e.node.uri) for e in await harness.engine.tree("viking://~", depth=9))
    assert await names(harness, f"{SESSION}/messages") == [f"{ids[0]}.md"]
    assert "one" in await harness.engine.read(f"{SESSION}/messages/{ids[0]}.md")


async def test_a_sessions_meta_is_hidden_and_readable(harness: Harness) -> None:
    await harness.append("s", "one")
    assert ".meta.json" in await names(harness, SESSION, hidden=True)
    assert json.loads(await harness.engine.read(f"{SESSION}/.meta.json"))["message_count"] == 1


async def test_an_archive_is_a_directory_of_views(harness: Harness) -> None:
    await harness.append("s", "I decided to move to Lisbon.")
    await harness.commit("s")
    folder = f"{SESSION}/history/archive_001"
    assert await names(harness, folder) == ["messages.jsonl"]
    await harness.settle()
    assert set(await names(harness, folder, hidden=True)) == {
        "messages.jsonl", ".meta.json", ".abstract.md", ".overview.md", ".done", "memory_diff.json"
    }  # fmt: skip
    assert "Lisbon" in await harness.engine.read(f"{folder}/messages.jsonl")
    assert "Lisbon" in await harness.engine.read(f"{folder}/.overview.md")
    assert (await harness.engine.stat(folder)).is_dir
    assert await harness.engine.read(f"{SESSION}/messages.jsonl") == ""
    assert "Lisbon" in await harness.engine.overview(folder)


async def test_views_of_nothing_are_not_found(harness: Harness) -> None:
    await harness.append("s", "one")
    for view in ("history", "history/archive_001/messages.jsonl", "history/archive_002", "notes.md"):
        with pytest.raises(NotFound):
            await harness.engine.read(f"{SESSION}/{view}")
    with pytest.raises(NotFound):
        await harness.engine.ls("viking://~/sessions/never")


async def test_session_files_cannot_be_written_moved_or_copied(harness: Harness) -> None:
    ids = (await harness.append("s", "one")).message_ids
    message = f"{SESSION}/messages/{ids[0]}.md"
    before = await harness.state()
    with pytest.raises((Invalid, Denied)):
        await harness.write(message, "other words")
    with pytest.raises(Denied):
        await harness.engine.mv(message, "viking://resources/m.md")
    with pytest.raises(Denied):
        await harness.engine.cp(message, "viking://resources/m.md")
    with pytest.raises(Denied):
        await harness.engine.mkdir(f"{SESSION}/mine")
    with pytest.raises(Denied):
        await harness.engine.rm(f"{SESSION}/messages.jsonl")
    assert await harness.state() == before


async def test_another_users_tree_is_denied(harness: Harness) -> None:
    with pytest.raises(Denied):
        await harness.engine.ls("viking://user/somebody/memories")
