"""Packs round-trip to another store."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from recalld.app.importing import PackOperations
from recalld.domain.caller import Caller, Role
from recalld.domain.commit import Commit, SetTags
from recalld.domain.errors import Conflict, Denied, Invalid, NotFound
from recalld.domain.uri import Uri
from recalld.usecases.pack.export import Packed
from tests.harness import Harness, harness_at, words

DOCS = "viking://resources/docs"
ROOT = Caller(role=Role.ROOT)


@pytest.fixture
async def there(tmp_path: Path) -> AsyncIterator[Harness]:
    """An empty store to bring packs to."""
    async with harness_at(tmp_path / "there") as harness:
        yield harness


def packs(harness: Harness, caller: Caller = ROOT) -> PackOperations:
    return harness.engine.as_caller(caller).packs


async def furnish(harness: Harness) -> None:
    await harness.write(f"{DOCS}/tea.md", "# Tea\n\nAna drinks oolong at dawn.\n")
    await harness.write(f"{DOCS}/deep/er/notes.txt", "birch and cedar\n")
    await harness.write(f"{DOCS}/long.md", words(20_000))
    await harness.write(f"{DOCS}/picture.png", b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 300)
    await harness.engine.mkdir(f"{DOCS}/empty")
    await harness.settle()
    tags = SetTags(Uri.parse(f"{DOCS}/tea.md"), ("kind=drink",))
    await harness.ports.ledger.tenant(ROOT).commit(Commit((tags,)))
    await harness.write(f"{DOCS}/.abstract.md", "Everything about tea, in the words of a person.")
    await harness.settle()


async def snapshot(harness: Harness, uri: str) -> dict[str, Any]:
    """Addresses with bytes, tags and tiers."""
    caller = harness.engine.as_caller(ROOT)
    found: dict[str, Any] = {"": (await caller.abstract(uri), await caller.overview(uri))}
    for entry in await caller.tree(uri, depth=20):
        one = str(entry.node.uri)
        if entry.node.is_dir:
            found[entry.rel_path] = (await caller.abstract(one), await caller.overview(one))
        else:
            found[entry.rel_path] = (await caller.read_bytes(one), entry.node.tags)
    return found


async def test_a_subtree_comes_out_as_it_went_in(harness: Harness, there: Harness) -> None:
    await furnish(harness)
    pack = await packs(harness).export(DOCS)
    did = await packs(there).import_(pack.path, "viking://resources")
    await there.settle()
    assert str(did.uri) == DOCS
    assert (did.files, did.left_out_total) == (4, 0)
    assert await snapshot(there, DOCS) == await snapshot(harness, DOCS)
    assert (await there.engine.find("when does Ana drink oolong")).hits[0].uri == Uri.parse(f"{DOCS}/tea.md")


async def test_a_pack_is_a_zip_of_the_third_form(harness: Harness) -> None:
    await furnish(harness)
    pack = await packs(harness).export(DOCS)
    assert pack.name == "docs.ovpack"
    with zipfile.ZipFile(pack.path) as archive:
        manifest = json.loads(archive.read("docs/_ovpack/manifest.json"))
        assert archive.read("docs/files/deep/er/notes.txt") == b"birch and cedar\n"
        lines = archive.read("docs/_ovpack/index_records.jsonl").splitlines()
    assert (manifest["kind"], manifest["format_version"]) == ("openviking.ovpack", 3)
    assert manifest["root"] == {"name": "docs", "uri": DOCS, "scope": "resources"}
    assert {"path": "empty", "kind": "directory"} in manifest["entries"]
    assert manifest["index"]["records"]["count"] == len(lines)
    assert [json.loads(line)["tags"] for line in lines if json.loads(line)["path"] == "tea.md"] == [["kind=drink"]]


async def session_files(harness: Harness) -> None:
    await harness.append("trip", {"role": "user", "content": "I moved to Lisbon in May", "peer_id": "ana"})
    await harness.commit("trip")
    await harness.settle()
    await harness.append(
        "trip", {"role": "assistant", "parts": [{"type": "text", "text": "How is the weather there?"}]}
    )


async def test_a_backup_restores_every_users_tree_and_talk(harness: Harness, there: Harness) -> None:
    await furnish(harness)
    await session_files(harness)
    bob = harness.engine.as_caller(Caller(user="bob"))
    await bob.write("viking://~/memories/preferences/bob/tea.md", "Bob likes rooibos.")
    await harness.settle()
    pack = await packs(harness).backup()
    did = await packs(there).restore(pack.path)
    ran = await there.settle()
    assert (did.sessions, did.messages, did.left_out) == (1, 2, ())
    before, after = await harness.engine.sessions.get("trip"), await there.engine.sessions.get("trip")
    assert (after.message_count, after.total_message_count, after.commit_count) == (1, 2, 1)
    assert before.total_message_count == after.total_message_count
    tenants = [h.ports.ledger.tenant(Caller()) for h in (harness, there)]
    one, two = [await t.messages("trip") for t in tenants]
    assert [(m.id, m.text, m.created_at, m.peer_id, m.archive) for m in one] == [
        (m.id, m.text, m.created_at, m.peer_id, m.archive) for m in two
    ]
    (old,), (new,) = [await t.archives("trip") for t in tenants]
    assert (new.state, new.abstract, new.overview) == (old.state, old.abstract, old.overview)
    diff = "viking://user/default/sessions/trip/history/archive_001/memory_diff.json"
    assert await there.engine.read(diff) == await harness.engine.read(diff)
    assert await snapshot(there, "viking://user/default/memories") == await snapshot(
        harness, "viking://user/default/memories"
    )
    assert await there.engine.as_caller(Caller(user="bob")).read("viking://~/memories/preferences/bob/tea.md")
    assert ran


async def test_an_import_repeated_with_overwrite_adds_nothing(harness: Harness, there: Harness) -> None:
    await furnish(harness)
    await session_files(harness)
    pack = await packs(harness).backup()
    await packs(there).restore(pack.path)
    await there.settle()
    usage = await there.engine.usage()
    again = await packs(there).restore(pack.path, on_conflict="overwrite")
    await there.settle()
    after = await there.engine.usage()
    assert again.messages == 0
    assert (usage.nodes, usage.messages, usage.chunks) == (after.nodes, after.messages, after.chunks)


async def test_existing_files_refuse_an_import_without_on_conflict(harness: Harness, there: Harness) -> None:
    await furnish(harness)
    pack = await packs(harness).export(DOCS)
    await there.write(f"{DOCS}/tea.md", "mine")
    await there.write(f"{DOCS}/own.md", "only here")
    await there.settle()
    state = await there.state()
    with pytest.raises(Conflict) as refused:
        await packs(there).import_(pack.path, "viking://resources")
    assert refused.value.code == "ALREADY_EXISTS"
    assert await there.state() == state
    skipped = await packs(there).import_(pack.path, "viking://resources", on_conflict="skip")
    assert (skipped.files, skipped.kept) == (3, 1)
    assert await there.engine.read(f"{DOCS}/tea.md") == "mine"
    await packs(there).import_(pack.path, "viking://resources", on_conflict="overwrite")
    assert "oolong" in await there.engine.read(f"{DOCS}/tea.md")
    assert await there.engine.read(f"{DOCS}/own.md") == "only here"


async def test_a_pack_goes_only_where_its_scope_is(harness: Harness, there: Harness) -> None:
    await furnish(harness)
    pack = await packs(harness).export(DOCS)
    for parent in ("viking://user/default/memories", "viking://agent/skills"):
        with pytest.raises(Invalid, match="same scope"):
            await packs(there).import_(pack.path, parent)
    assert (
        str((await packs(there).import_(pack.path, "viking://resources/below")).uri) == "viking://resources/below/docs"
    )


async def test_another_users_tree_is_neither_exported_nor_brought_to(harness: Harness) -> None:
    await harness.engine.as_caller(Caller(user="bob")).write("viking://~/memories/preferences/bob/tea.md", "rooibos")
    ana = packs(harness, Caller(user="ana"))
    with pytest.raises(Denied):
        await ana.export("viking://user/bob/memories")
    mine = await packs(harness).export("viking://user/bob/memories")
    state = await harness.state()
    with pytest.raises(Denied):
        await ana.import_(mine.path, "viking://user/bob", on_conflict="overwrite")
    assert await harness.state() == state
    assert str((await ana.import_(mine.path, "viking://user/ana")).uri) == "viking://user/ana/memories"


async def test_backup_and_restore_are_not_for_plain_users(harness: Harness) -> None:
    ana = packs(harness, Caller(user="ana"))
    with pytest.raises(Denied):
        await ana.backup()
    with pytest.raises(Denied):
        await ana.restore(Path("unread"))


async def test_missing_directories_are_not_exported(harness: Harness) -> None:
    with pytest.raises(NotFound):
        await packs(harness).export("viking://resources/none")
    assert list(harness.ports.uploads.glob("pack_*")) == []


async def test_vector_counts_are_in_the_manifest_and_required_on_request(
    dense_harness: Harness, there: Harness
) -> None:
    await dense_harness.write(f"{DOCS}/tea.md", "oolong at dawn")
    await dense_harness.settle()
    pack: Packed = await packs(dense_harness).export(DOCS, include_vectors=True)
    with zipfile.ZipFile(pack.path) as archive:
        dense = json.loads(archive.read("docs/_ovpack/manifest.json"))["index"]["dense"]
        assert len(archive.read("docs/_ovpack/dense.f32")) == dense["count"] * dense["dimension"] * 4
    with pytest.raises(Conflict, match="vectors"):
        await packs(there).import_(pack.path, "viking://resources", vector_mode="require")
    did = await packs(dense_harness).import_(pack.path, "viking://resources/copy", vector_mode="require")
    assert did.files == 1
    with pytest.raises(Conflict, match="no vectors"):
        await packs(there).export("viking://resources", include_vectors=True)


async def test_a_restore_over_what_is_there_says_so_and_over_other_things_does_not_mind(
    harness: Harness, there: Harness
) -> None:
    await furnish(harness)
    pack = await packs(harness).backup()
    await there.write("viking://resources/other/cup.md", "a cup")
    await packs(there).restore(pack.path)
    with pytest.raises(Conflict) as refused:
        await packs(there).restore(pack.path)
    assert refused.value.code == "ALREADY_EXISTS"
    assert await there.engine.read("viking://resources/other/cup.md") == "a cup"


async def test_summaries_that_came_along_outlive_the_work_an_import_leaves(harness: Harness, there: Harness) -> None:
    """A large import is parsed by the worker; summaries made by others stay until something in their directory changes."""
    for n in range(70):
        await harness.write(f"{DOCS}/part{n % 7}/page{n}.md", f"# Page {n}\n\n{words(300)} marker{n}\n")
    await harness.settle()
    pack = await packs(harness).export(DOCS)
    with zipfile.ZipFile(pack.path) as archive:
        found = {name: archive.read(name) for name in archive.namelist()}
    manifest = json.loads(found["docs/_ovpack/manifest.json"])
    del manifest["generator"]
    for entry in manifest["entries"]:
        if entry["path"].endswith(".abstract.md"):
            data = f"Told of {entry['path']} by a large model.\n".encode()
            found[f"docs/files/{entry['path']}"] = data
            entry |= {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    found["docs/_ovpack/manifest.json"] = json.dumps(manifest).encode()
    with zipfile.ZipFile(pack.path, "w") as archive:
        for name, data in found.items():
            archive.writestr(name, data)
    await packs(there).import_(pack.path, "viking://resources")
    assert (await there.queue("shape")).pending == 70
    await there.settle()
    assert await there.engine.abstract(DOCS) == "Told of .abstract.md by a large model."
    assert await there.engine.abstract(f"{DOCS}/part3") == "Told of part3/.abstract.md by a large model."
    assert await there.found("marker33", limit=1) == [f"{DOCS}/part5/page33.md"]
    await there.write(f"{DOCS}/part3/page3.md", "# Something else\n")
    await there.settle()
    assert "large model" not in await there.engine.abstract(f"{DOCS}/part3")


async def test_private_values_leave_in_a_backup_alone_and_are_found_by_nothing(
    harness: Harness, there: Harness
) -> None:
    me = harness.engine.as_caller(Caller())
    await me.privacy.upsert("skill", "mailer", {"token": "opensesame"})
    await me.write("viking://~/memories/preferences/me/tea.md", "oolong")
    await harness.settle()
    with pytest.raises(Invalid, match="private"):
        await packs(harness).export("viking://user/default/privacy")
    tree = await packs(harness).export("viking://user/default")
    with zipfile.ZipFile(tree.path) as archive:
        assert not [name for name in archive.namelist() if "mailer" in name]
    backup = await packs(harness).backup()
    await packs(there).restore(backup.path)
    await there.settle()
    config = await there.engine.as_caller(Caller()).privacy.config("skill", "mailer")
    assert config.current.values == {"token": "opensesame"}
    assert await there.found("opensesame") == []


async def test_private_values_are_not_brought_by_a_pack_of_a_user(harness: Harness, there: Harness) -> None:
    await harness.engine.as_caller(Caller()).privacy.upsert("skill", "mailer", {"token": "opensesame"})
    backup = await packs(harness).backup()
    with zipfile.ZipFile(backup.path) as archive:
        found = {name: archive.read(name) for name in archive.namelist()}
    manifest = json.loads(found.pop("openviking-backup/_ovpack/manifest.json"))
    del manifest["generator"], manifest["index"]
    manifest["root"] = {"name": "default", "uri": "viking://user/default"}
    manifest["entries"] = [e for e in manifest["entries"] if e["path"].startswith("user/default/")]
    for entry in manifest["entries"]:
        entry["path"] = entry["path"].removeprefix("user/default/")
    with zipfile.ZipFile(backup.path, "w") as archive:
        for name, data in found.items():
            if "/files/user/default/" in name:
                archive.writestr(name.replace("openviking-backup/files/user/default", "default/files"), data)
        archive.writestr("default/_ovpack/manifest.json", json.dumps(manifest))
    did = await packs(there).import_(backup.path, "viking://user", on_conflict="overwrite")
    assert any("private" in one for one in did.left_out)
    assert await there.engine.as_caller(Caller()).privacy.categories() == []
