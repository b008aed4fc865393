"""mkdir, rm, mv and cp."""

from __future__ import annotations

import pytest

from recalld.adapters.ledger import tree
from recalld.domain.errors import Conflict, Denied, Invalid, NotFound
from recalld.usecases.tree import arrange
from tests.house_fixture import House

A, B = "viking://resources/a", "viking://resources/b"


async def filled(house: House) -> None:
    await house.write(f"{A}/one.md", "quick fox")
    await house.write(f"{A}/deep/two.md", "lazy dog")


async def test_mkdir_makes_parents_and_refuses_what_is_there(house: House) -> None:
    await house.r.mkdir(f"{A}/x/y")
    assert (await house.r.stat(f"{A}/x")).is_dir
    with pytest.raises(Conflict):
        await house.r.mkdir(f"{A}/x/y")


async def test_a_moved_subtree_is_found_at_its_new_place_only(house: House) -> None:
    await filled(house)
    await house.r.mv(A, B)
    assert await house.found("lazy dog") == [f"{B}/deep/two.md"]
    with pytest.raises(NotFound):
        await house.r.stat(A)


async def test_a_move_is_one_entry_of_the_log_however_large(house: House) -> None:
    for i in range(20):
        await house.write(f"{A}/{i}.md", f"text {i}")
    before = await house.seq()
    await house.r.mv(A, B)
    assert await house.seq() - before == 1


async def test_a_move_onto_something_is_refused(house: House) -> None:
    await filled(house)
    await house.write(f"{B}/x.md", "there")
    for source, to, error in (
        (A, B, Conflict), (f"{A}/one.md", f"{B}/x.md", Conflict), (f"{A}/one.md", B, Invalid), (A, f"{A}/deep/in", Invalid),
    ):  # fmt: skip
        with pytest.raises(error):
            await house.r.mv(source, to)
    with pytest.raises(NotFound):
        await house.r.mv("viking://resources/never", f"{B}/y")


async def test_roots_neither_move_nor_go(house: House) -> None:
    for root in ("viking://", "viking://resources", "viking://user", "viking://~", "viking://~/memories"):
        with pytest.raises(Denied):
            await house.r.rm(root, recursive=True)
        with pytest.raises(Denied):
            await house.r.mv(root, f"{B}/x")


async def test_a_private_note_that_is_shared_is_found_by_all_and_back_again_by_one(house: House) -> None:
    from recalld.domain.caller import Caller

    other = house.r.as_caller(Caller(user="bob"))
    await house.write("viking://~/resources/pin.md", "the key lies under the fern")

    async def bobs() -> int:
        return len((await other.find("key fern")).hits)

    assert await bobs() == 0
    await house.r.mv("viking://~/resources/pin.md", "viking://resources/pin.md")
    await house.settle()
    assert await bobs() == 1
    await house.r.mv("viking://resources/pin.md", "viking://~/resources/pin.md")
    await house.settle()
    assert (await bobs(), await house.found("key fern")) == (0, ["viking://user/default/resources/pin.md"])


async def test_a_copy_is_a_tree_of_its_own(house: House) -> None:
    await filled(house)
    await house.r.cp(A, B, recursive=True)
    await house.write(f"{B}/one.md", "changed")
    assert await house.r.read(f"{A}/one.md") == "quick fox"
    assert sorted(await house.found("lazy dog")) == [f"{A}/deep/two.md", f"{B}/deep/two.md"]


async def test_a_directory_is_copied_and_removed_only_recursively(house: House) -> None:
    await filled(house)
    with pytest.raises(Conflict):
        await house.r.cp(A, B)
    with pytest.raises(Conflict):
        await house.r.rm(A)


async def test_what_was_removed_is_gone_at_once_and_purged_later(house: House) -> None:
    await filled(house)
    receipt = await house.r.rm(A, recursive=True)
    assert receipt.removed == 4
    assert await house.found("quick fox") == []
    await house.settle()
    assert (await house.r.usage()).chunks == await house.r.count()
    assert await house.r.check() == []


async def test_removing_what_is_not_there_is_no_error(house: House) -> None:
    assert (await house.r.rm("viking://resources/never.md")).removed == 0


async def test_a_name_that_was_removed_may_be_used_again(house: House) -> None:
    await filled(house)
    await house.r.rm(A, recursive=True)
    await house.write(f"{A}/one.md", "slow tortoise")
    await house.settle()
    assert (await house.found("tortoise"), await house.found("quick fox")) == ([f"{A}/one.md"], [])


async def test_a_message_is_forgotten_alone(house: House) -> None:
    ids = (await house.say("s", "my pin is 1234", "hello")).message_ids
    await house.r.rm(f"viking://~/sessions/s/messages/{ids[0]}.md")
    assert await house.found("pin 1234") == []
    assert (await house.r.session("s")).message_count == 1
    assert "1234" not in await house.r.read("viking://~/sessions/s/messages.jsonl")


async def test_a_session_removed_as_a_directory_is_gone_as_a_session(house: House) -> None:
    await house.say("s", "my pin is 1234")
    await house.r.rm("viking://~/sessions/s", recursive=True)
    assert (await house.r.sessions(), await house.found("pin 1234")) == ([], [])
    with pytest.raises(NotFound):
        await house.r.session("s")
    await house.settle()
    assert (await house.r.usage()).messages == 0


async def test_a_large_removal_is_counted_to_its_end(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (arrange, tree):
        monkeypatch.setattr(module, "COUNTED_MAX", 3)
    for i in range(6):
        await house.write(f"viking://resources/many/{i}.md", str(i))
    assert (await house.r.rm("viking://resources/many", recursive=True)).removed == 7
