"""A subtree's index is made anew, told by a task; what is missing from an index is told too."""

from __future__ import annotations

import apsw
import pytest

from recalld.adapters.ledger.sqlite import SqliteLedger
from recalld.app.tending import TendingVerbs
from recalld.app.worker import run_job
from recalld.domain.caller import Caller, Role
from recalld.domain.errors import Conflict, Denied, Invalid, NotFound
from recalld.domain.job import TaskStatus
from tests.house_fixture import House

A, B, DIR = "viking://resources/d/a.md", "viking://resources/d/sub/b.md", "viking://resources/d"
MINE = "viking://user/default/resources/d/a.md"


def verbs(house: House) -> TendingVerbs:
    return house.r.as_caller(Caller(role=Role.ROOT)).verbs(TendingVerbs)


async def two_files(house: House) -> None:
    await house.write(A, "the heron stood still")
    await house.write(B, "the stork flew off")
    await house.settle()


async def lose_chunks(house: House, level: int = 2) -> None:
    """What a fault of a disk or a program might do."""
    ledger = house.ports.ledger
    assert isinstance(ledger, SqliteLedger)

    def work(c: apsw.Connection) -> None:
        c.execute("DELETE FROM chunk WHERE level = ?", (level,))
        c.execute("UPDATE owner SET epoch = epoch + 1")

    await ledger.write(work)


async def done(house: House, uri: str = DIR, **options: object) -> dict[str, object]:
    began = await verbs(house).reindex(uri, **options)  # type: ignore[arg-type]
    await house.settle()
    task = await house.r.task(began.task_id)
    assert task.status is TaskStatus.COMPLETED, task.error
    return task.result or {}


async def test_what_lost_its_index_is_told_and_found_again_after_a_reindex(house: House) -> None:
    await two_files(house)
    whole = await verbs(house).consistency(DIR)
    assert (whole.missing, whole.expected >= 4) == (0, True)
    await lose_chunks(house)
    assert await house.found("heron", level=[2]) == []
    lost = await verbs(house).consistency(DIR)
    assert (lost.expected, {(str(r.uri), r.level) for r in lost.first}) == (whole.expected, {(A, 2), (B, 2)})
    result = await done(house)
    assert result["failed_records"] == 0
    assert await house.found("heron", level=[2]) == [A]
    assert (await verbs(house).consistency(DIR)).missing == 0


async def test_a_reindex_of_a_file_is_about_that_file_alone(house: House) -> None:
    await two_files(house)
    result = await done(house, A)
    assert (result["object_type"], result["scanned_records"], result["rebuilt_records"]) == ("file", 1, 1)


async def test_without_recursion_what_lies_deeper_stays(house: House) -> None:
    await two_files(house)
    await lose_chunks(house)
    await done(house, recursive=False)
    assert [str(r.uri) for r in (await verbs(house).consistency(DIR)).first] == [B]


async def test_vectors_are_made_anew(dense_house: House) -> None:
    await two_files(dense_house)
    before = (await dense_house.r.usage()).vectors
    await done(dense_house, mode="vectors_only")
    assert (await dense_house.r.usage()).vectors == before
    assert (await dense_house.found("heron"))[0] == A


async def test_summaries_are_made_anew_only_if_asked(house: House) -> None:
    await two_files(house)
    ledger = house.ports.ledger
    assert isinstance(ledger, SqliteLedger)
    await ledger.write(lambda c: c.execute("UPDATE tier SET abstract = 'old', overview = ''").fetchall())
    await done(house, mode="vectors_only")
    assert await house.r.abstract(DIR) == "old"
    await done(house, mode="semantic_and_vectors")
    assert "old" not in await house.r.abstract(DIR)


async def test_tags_may_come_with_it(house: House) -> None:
    await two_files(house)
    await done(house, tags=["x=1"])
    assert (await verbs(house).attributes(B)).tags == ("x=1",)


async def test_a_second_one_of_the_same_place_waits_for_nobody(house: House) -> None:
    await two_files(house)
    began = await verbs(house).reindex(DIR)
    before = await house.state()
    with pytest.raises(Conflict) as refused:
        await verbs(house).reindex(DIR)
    assert (refused.value.code, refused.value.details["task_id"]) == ("CONFLICT", began.task_id)
    assert await house.state() == before
    await house.settle()
    await done(house)


async def test_a_cancelled_one_leaves_the_index_whole(house: House) -> None:
    await two_files(house)
    began = await verbs(house).reindex(DIR)
    assert (await house.r.cancel(began.task_id)).status is TaskStatus.CANCELLED
    await house.settle()
    assert (await verbs(house).consistency(DIR)).missing == 0
    await done(house)


async def test_a_file_removed_meanwhile_is_no_failure(house: House) -> None:
    await two_files(house)
    began = await verbs(house).reindex(A)
    job = await house.lease_of("reindex")
    await house.r.rm(A)
    await run_job(job, house.ports)
    await house.settle()
    assert (await house.r.task(began.task_id)).status in {TaskStatus.COMPLETED, TaskStatus.FAILED}
    assert await house.found("heron", level=[2]) == []


async def test_pruning_tells_what_it_would_delete_and_deletes_it(house: House) -> None:
    await two_files(house)
    await house.r.rm(A)
    told = await verbs(house).would_prune(DIR)
    assert told["would_delete_records"] > 0
    assert (await verbs(house).consistency(DIR)).dead == told["would_delete_records"]
    began = await verbs(house).reindex(DIR, mode="prune_orphans")
    await run_job(await house.lease_of("reindex"), house.ports)
    result = (await house.r.task(began.task_id)).result or {}
    assert result["deleted_records"] == told["would_delete_records"]
    assert (await verbs(house).would_prune(DIR))["would_delete_records"] == 0


async def test_a_plain_user_reindexes_only_what_is_the_users_own(house: House) -> None:
    await house.write(A, "shared")
    await house.write(MINE, "mine")
    plain = house.r.as_caller(Caller()).verbs(TendingVerbs)
    with pytest.raises(Denied):
        await plain.reindex(A)
    assert (await plain.reindex(MINE)).object_type == "file"


async def test_what_makes_no_sense_is_refused(house: House) -> None:
    await house.say("s", "hello")
    for uri, options, error in (
        ("viking://resources/never", {}, NotFound),
        ("viking://user/default/sessions/s", {}, Invalid),
        ("viking://resources", {"mode": "all"}, Invalid),
        ("viking://resources", {"tag_mode": "all"}, Invalid),
    ):
        with pytest.raises(error):
            await verbs(house).reindex(uri, **options)


async def test_messages_are_part_of_what_must_be_found(house: House) -> None:
    await house.say("s", "the heron stood still")
    assert (await verbs(house).consistency("viking://user/default/sessions/s")).expected == 1
    await lose_chunks(house)
    assert (await verbs(house).consistency("viking://user/default/sessions")).missing == 1
