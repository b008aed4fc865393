"""Private values: immutable versions, one active, visible to their user only."""

from __future__ import annotations

import asyncio

import pytest

from recalld.app.privacy import PrivacyOperations
from recalld.domain.caller import Caller, Role
from recalld.domain.commit import Commit, PutFile, SetChunks, SetTiers, WriteMode
from recalld.domain.document import Chunk, Tiers
from recalld.domain.errors import Corrupt, Invalid, NotFound
from recalld.domain.uri import Uri
from tests.harness import Harness
from tests.usecases.conftest import dense_harness, harness

__all__ = ["dense_harness", "harness"]


def verbs(harness: Harness, user: str = "default") -> PrivacyOperations:
    return harness.engine.as_caller(Caller("default", user, Role.USER)).privacy


async def test_of_several_at_once_each_has_a_version_of_its_own(harness: Harness) -> None:
    stored = await asyncio.gather(*(verbs(harness).upsert("skill", "fern", {"n": n}) for n in range(4)))
    assert sorted(one.meta.active for one in stored) == [1, 2, 3, 4]
    assert await verbs(harness).versions("skill", "fern") == [1, 2, 3, 4]
    for one in stored:
        assert await verbs(harness).version("skill", "fern", one.meta.active) == one.current
    assert (await verbs(harness).config("skill", "fern")).meta.active == 4


async def test_an_activation_changes_the_version_in_force_and_no_version(harness: Harness) -> None:
    first = await verbs(harness).upsert("skill", "fern", {"n": 1}, labels=["a"])
    second = await verbs(harness).upsert("skill", "fern", {"n": 2})
    assert second.meta.labels == ["a"]
    harness.clock.advance(60)
    back = await verbs(harness).activate("skill", "fern", 1)
    assert (back.current, back.meta.latest) == (first.current, 2)
    assert back.meta.updated_at > second.meta.updated_at
    assert await verbs(harness).version("skill", "fern", 2) == second.current


async def test_values_are_their_owners_alone(harness: Harness) -> None:
    await verbs(harness, "ana").upsert("skill", "fern", {"token": "hunter2"})
    assert await verbs(harness, "bob").categories() == []
    with pytest.raises(NotFound):
        await verbs(harness, "bob").config("skill", "fern")


async def test_no_search_finds_them_nor_the_names_they_are_kept_under(dense_harness: Harness) -> None:
    await verbs(dense_harness).upsert("mailbox", "fern", {"token": "hunter2"}, change_reason="hunter2")
    await dense_harness.settle()
    for query in ("hunter2", "mailbox fern"):
        for level in ((0,), (1,), (2,)):
            assert await dense_harness.found(query, level=level, score_threshold=0) == []
    assert await dense_harness.engine.count() == 0


async def test_no_reindex_indexes_private_values(harness: Harness) -> None:
    await verbs(harness).upsert("mailbox", "fern", {"token": "hunter2"})
    file = Uri.parse("viking://user/default/privacy/mailbox/fern/v0001.json")
    tenant = harness.ports.ledger.tenant(Caller())
    node, folder = await tenant.stat(file), await tenant.stat(file.parent)
    chunks, tiers = (Chunk(0, 7, ("hunter2",)),), Tiers("hunter2")
    put = PutFile(file.parent / "copy.json", WriteMode.CREATE, "0" * 64, 7, "text/plain", b"hunter2", chunks)
    tiers_op = SetTiers(folder.id, folder.version, tiers, (Chunk(0, 7, ("hunter2",), 0),))
    await tenant.commit(Commit((put, SetChunks(node.id, node.version, chunks), tiers_op)))
    for level in ((0,), (1,), (2,)):
        assert await harness.found("hunter2", level=level, score_threshold=0) == []


@pytest.mark.parametrize("name", ["../x", "a/b", ".", "..", "", "a b", ".hidden", "x" * 129])
async def test_invalid_names_are_refused(harness: Harness, name: str) -> None:
    with pytest.raises((Invalid, NotFound)):
        await verbs(harness).upsert("skill", name, {"a": 1})
    with pytest.raises((Invalid, NotFound)):
        await verbs(harness).upsert(name, "fern", {"a": 1})
    assert await verbs(harness).categories() == []


@pytest.mark.parametrize("values", [{"x": float("nan")}, {"x": object()}, {"x": "y" * 70_000}])
async def test_values_that_do_not_round_trip_are_refused(harness: Harness, values: dict[str, object]) -> None:
    with pytest.raises(Invalid):
        await verbs(harness).upsert("skill", "fern", values)
    with pytest.raises(NotFound):
        await verbs(harness).config("skill", "fern")


async def test_a_damaged_file_is_reported(harness: Harness) -> None:
    await verbs(harness).upsert("skill", "fern", {"a": 1})
    await harness.engine.write("viking://resources/meta.json", '{"category": "x"}')
    await harness.engine.rm("viking://~/privacy/skill/fern/meta.json")
    await harness.engine.mv("viking://resources/meta.json", "viking://~/privacy/skill/fern/meta.json")
    with pytest.raises(Corrupt):
        await verbs(harness).config("skill", "fern")


async def test_fields_changed_at_once_are_all_kept(harness: Harness) -> None:
    await verbs(harness).upsert("skill", "fern", {"old": 1, "gone": 2})
    await asyncio.gather(
        *(verbs(harness).upsert("skill", "fern", {f"f{n}": n}, merge=True) for n in range(4)),
        verbs(harness).remove_field("skill", "fern", "gone"),
    )
    assert (await verbs(harness).config("skill", "fern")).current.values == {
        "old": 1,
        "f0": 0,
        "f1": 1,
        "f2": 2,
        "f3": 3,
    }


async def test_a_field_is_merged_into_the_version_in_force(harness: Harness) -> None:
    await verbs(harness).upsert("skill", "fern", {"a": 1})
    await verbs(harness).upsert("skill", "fern", {"b": 2})
    await verbs(harness).activate("skill", "fern", 1)
    assert (await verbs(harness).upsert("skill", "fern", {"c": 3}, merge=True)).current.values == {"a": 1, "c": 3}
