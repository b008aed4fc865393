"""mkdir, rm, mv and cp."""

from __future__ import annotations

import pytest

from recalld.adapters.sqlite.ledger import tree
from recalld.domain.errors import Conflict, Denied, Invalid, NotFound
from recalld.usecases.tree import mkdir_rm_mv_cp
from tests.harness import Harness

A, B = "viking://resources/a", "viking://resources/b"


async def filled(harness: Harness) -> None:
    await harness.write(f"{A}/one.md", "quick fox")
    await harness.write(f"{A}/deep/two.md", "lazy dog")


async def test_mkdir_makes_parents_and_refuses_what_is_there(harness: Harness) -> None:
    await harness.engine.mkdir(f"{A}/x/y")
    assert (await harness.engine.stat(f"{A}/x")).is_dir
    with pytest.raises(Conflict):
        await harness.engine.mkdir(f"{A}/x/y")


async def test_a_moved_subtree_is_found_at_its_new_place_only(harness: Harness) -> None:
    await filled(harness)
    await harness.engine.mv(A, B)
    assert await harness.found("lazy dog") == [f"{B}/deep/two.md"]
    with pytest.raises(NotFound):
        await harness.engine.stat(A)


async def test_a_move_is_one_entry_of_the_log_however_large(harness: Harness) -> None:
    for i in range(20):
        await harness.write(f"{A}/{i}.md", f"text {i}")
    before = await harness.seq()
    await harness.engine.mv(A, B)
    assert await harness.seq() - before == 1


async def test_a_move_onto_something_is_refused(harness: Harness) -> None:
    await filled(harness)
    await harness.write(f"{B}/x.md", "there")
    for source, to, error in (
        (A, B, Conflict), (f"{A}/one.md", f"{B}/x.md", Conflict), (f"{A}/one.md", B, Invalid), (A, f"{A}/deep/in", Invalid),
    ):  # fmt: skip
        with pytest.raises(error):
            await harness.engine.mv(source, to)
    with pytest.raises(NotFound):
        await harness.engine.mv("viking://resources/never", f"{B}/y")


async def test_roots_neither_move_nor_go(harness: Harness) -> None:
    for root in ("viking://", "viking://resources", "viking://user", "viking://~", "viking://~/memories"):
        with pytest.raises(Denied):
            await harness.engine.rm(root, recursive=True)
        with pytest.raises(Denied):
            await harness.engine.mv(root, f"{B}/x")


async def test_a_private_note_that_is_shared_is_found_by_all_and_back_again_by_one(harness: Harness) -> None:
    from recalld.domain.caller import Caller

    other = harness.engine.as_caller(Caller(user="bob"))
    await harness.write("viking://~/resources/pin.md", "the key lies under the fern")

    async def bobs() -> int:
        return len((await other.find("key fern")).hits)

    assert await bobs() == 0
    await harness.engine.mv("viking://~/resources/pin.md", "viking://resources/pin.md")
    await harness.settle()
    assert await bobs() == 1
    await harness.engine.mv("viking://resources/pin.md", "viking://~/resources/pin.md")
    await harness.settle()
    assert (await bobs(), await harness.found("key fern")) == (0, ["viking://user/default/resources/pin.md"])


async def test_a_copy_is_a_tree_of_its_own(harness: Harness) -> None:
    await filled(harness)
    await harness.engine.cp(A, B, recursive=True)
    await harness.write(f"{B}/one.md", "changed")
    assert await harness.engine.read(f"{A}/one.md") == "quick fox"
    assert sorted(await harness.found("lazy dog")) == [f"{A}/deep/two.md", f"{B}/deep/two.md"]


async def test_a_directory_is_copied_and_removed_only_recursively(harness: Harness) -> None:
    await filled(harness)
    with pytest.raises(Conflict):
        await harness.engine.cp(A, B)
    with pytest.raises(Conflict):
        await harness.engine.rm(A)


async def test_removed_nodes_are_gone_at_once_and_purged_later(harness: Harness) -> None:
    await filled(harness)
    receipt = await harness.engine.rm(A, recursive=True)
    assert receipt.removed == 4
    assert await harness.found("quick fox") == []
    await harness.settle()
    assert (await harness.engine.usage()).chunks == await harness.engine.count()
    assert await harness.engine.check() == []


async def test_removing_what_is_not_there_is_no_error(harness: Harness) -> None:
    assert (await harness.engine.rm("viking://resources/never.md")).removed == 0


async def test_a_name_that_was_removed_may_be_used_again(harness: Harness) -> None:
    await filled(harness)
    await harness.engine.rm(A, recursive=True)
    await harness.write(f"{A}/one.md", "slow tortoise")
    await harness.settle()
    assert (await harness.found("tortoise"), await harness.found("quick fox")) == ([f"{A}/one.md"], [])


async def test_a_message_is_forgotten_alone(harness: Harness) -> None:
    ids = (await harness.append("s", "my pin is 1234", "hello")).message_ids
    await harness.engine.rm(f"viking://~/sessions/s/messages/{ids[0]}.md")
    assert await harness.found("pin 1234") == []
    assert (await harness.engine.sessions.get("s")).message_count == 1
    assert "1234" not in await harness.engine.read("viking://~/sessions/s/messages.jsonl")


async def test_a_session_removed_as_a_directory_is_gone_as_a_session(harness: Harness) -> None:
    await harness.append("s", "my pin is 1234")
    await harness.engine.rm("viking://~/sessions/s", recursive=True)
    assert (await harness.engine.sessions.list(), await harness.found("pin 1234")) == ([], [])
    with pytest.raises(NotFound):
        await harness.engine.sessions.get("s")
    await harness.settle()
    assert (await harness.engine.usage()).messages == 0


async def test_a_large_removal_is_counted_to_its_end(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (mkdir_rm_mv_cp, tree):
        monkeypatch.setattr(module, "COUNTED_MAX", 3)
    for i in range(6):
        await harness.write(f"viking://resources/many/{i}.md", str(i))
    assert (await harness.engine.rm("viking://resources/many", recursive=True)).removed == 7
