"""A reindex rebuilds a subtree's index as a task; missing rows are reported."""

from __future__ import annotations

import apsw
import pytest

from recalld.adapters.sqlite.ledger.ledger import SqliteLedger
from recalld.app.stats import IndexOperations
from recalld.app.worker_loop import run_job
from recalld.domain.caller import Caller, Role
from recalld.domain.errors import Conflict, Denied, Invalid, NotFound
from recalld.domain.job import TaskStatus
from tests.harness import Harness

A, B, DIR = "viking://resources/d/a.md", "viking://resources/d/sub/b.md", "viking://resources/d"
MINE = "viking://user/default/resources/d/a.md"


def verbs(harness: Harness) -> IndexOperations:
    return harness.engine.as_caller(Caller(role=Role.ROOT)).index


async def two_files(harness: Harness) -> None:
    await harness.write(A, "the heron stood still")
    await harness.write(B, "the stork flew off")
    await harness.settle()


async def lose_chunks(harness: Harness, level: int = 2) -> None:
    """What a fault of a disk or a program might do."""
    ledger = harness.ports.ledger
    assert isinstance(ledger, SqliteLedger)

    def work(c: apsw.Connection) -> None:
        c.execute("DELETE FROM chunk WHERE level = ?", (level,))
        c.execute("UPDATE owner SET epoch = epoch + 1")

    await ledger.access.write(work)


async def done(harness: Harness, uri: str = DIR, **options: object) -> dict[str, object]:
    began = await verbs(harness).reindex(uri, **options)  # type: ignore[arg-type]
    await harness.settle()
    task = await harness.engine.tasks.get(began.task_id)
    assert task.status is TaskStatus.COMPLETED, task.error
    return task.result or {}


async def test_missing_index_rows_are_reported_and_restored_by_a_reindex(harness: Harness) -> None:
    await two_files(harness)
    whole = await verbs(harness).consistency(DIR)
    assert (whole.missing, whole.expected >= 4) == (0, True)
    await lose_chunks(harness)
    assert await harness.found("heron", level=[2]) == []
    lost = await verbs(harness).consistency(DIR)
    assert (lost.expected, {(str(r.uri), r.level) for r in lost.first}) == (whole.expected, {(A, 2), (B, 2)})
    result = await done(harness)
    assert result["failed_records"] == 0
    assert await harness.found("heron", level=[2]) == [A]
    assert (await verbs(harness).consistency(DIR)).missing == 0


async def test_a_reindex_of_a_file_is_about_that_file_alone(harness: Harness) -> None:
    await two_files(harness)
    result = await done(harness, A)
    assert (result["object_type"], result["scanned_records"], result["rebuilt_records"]) == ("file", 1, 1)


async def test_without_recursion_what_lies_deeper_stays(harness: Harness) -> None:
    await two_files(harness)
    await lose_chunks(harness)
    await done(harness, recursive=False)
    assert [str(r.uri) for r in (await verbs(harness).consistency(DIR)).first] == [B]


async def test_vectors_are_recomputed(dense_harness: Harness) -> None:
    await two_files(dense_harness)
    before = (await dense_harness.engine.usage()).vectors
    await done(dense_harness, mode="vectors_only")
    assert (await dense_harness.engine.usage()).vectors == before
    assert (await dense_harness.found("heron"))[0] == A


async def test_tiers_are_rebuilt_only_on_request(harness: Harness) -> None:
    await two_files(harness)
    ledger = harness.ports.ledger
    assert isinstance(ledger, SqliteLedger)
    await ledger.access.write(lambda c: c.execute("UPDATE tier SET abstract = 'old', overview = ''").fetchall())
    await done(harness, mode="vectors_only")
    assert await harness.engine.abstract(DIR) == "old"
    await done(harness, mode="semantic_and_vectors")
    assert "old" not in await harness.engine.abstract(DIR)


async def test_tags_may_come_with_it(harness: Harness) -> None:
    await two_files(harness)
    await done(harness, tags=["x=1"])
    assert (await verbs(harness).attributes(B)).tags == ("x=1",)


async def test_a_second_reindex_of_a_subtree_returns_at_once(harness: Harness) -> None:
    await two_files(harness)
    began = await verbs(harness).reindex(DIR)
    before = await harness.state()
    with pytest.raises(Conflict) as refused:
        await verbs(harness).reindex(DIR)
    assert (refused.value.code, refused.value.details["task_id"]) == ("CONFLICT", began.task_id)
    assert await harness.state() == before
    await harness.settle()
    await done(harness)


async def test_a_cancelled_one_leaves_the_index_whole(harness: Harness) -> None:
    await two_files(harness)
    began = await verbs(harness).reindex(DIR)
    assert (await harness.engine.tasks.cancel(began.task_id)).status is TaskStatus.CANCELLED
    await harness.settle()
    assert (await verbs(harness).consistency(DIR)).missing == 0
    await done(harness)


async def test_a_file_removed_meanwhile_is_no_failure(harness: Harness) -> None:
    await two_files(harness)
    began = await verbs(harness).reindex(A)
    job = await harness.lease_of("reindex")
    await harness.engine.rm(A)
    await run_job(job, harness.ports)
    await harness.settle()
    assert (await harness.engine.tasks.get(began.task_id)).status in {TaskStatus.COMPLETED, TaskStatus.FAILED}
    assert await harness.found("heron", level=[2]) == []


async def test_pruning_tells_what_it_would_delete_and_deletes_it(harness: Harness) -> None:
    await two_files(harness)
    await harness.engine.rm(A)
    preview = await verbs(harness).would_prune(DIR)
    assert preview["would_delete_records"] > 0
    assert (await verbs(harness).consistency(DIR)).dead == preview["would_delete_records"]
    began = await verbs(harness).reindex(DIR, mode="prune_orphans")
    await run_job(await harness.lease_of("reindex"), harness.ports)
    result = (await harness.engine.tasks.get(began.task_id)).result or {}
    assert result["deleted_records"] == preview["would_delete_records"]
    assert (await verbs(harness).would_prune(DIR))["would_delete_records"] == 0


async def test_a_plain_user_reindexes_only_what_is_the_users_own(harness: Harness) -> None:
    await harness.write(A, "shared")
    await harness.write(MINE, "mine")
    plain = harness.engine.as_caller(Caller()).index
    with pytest.raises(Denied):
        await plain.reindex(A)
    assert (await plain.reindex(MINE)).object_type == "file"


async def test_invalid_options_are_refused(harness: Harness) -> None:
    await harness.append("s", "hello")
    for uri, options, error in (
        ("viking://resources/never", {}, NotFound),
        ("viking://user/default/sessions/s", {}, Invalid),
        ("viking://resources", {"mode": "all"}, Invalid),
        ("viking://resources", {"tag_mode": "all"}, Invalid),
    ):
        with pytest.raises(error):
            await verbs(harness).reindex(uri, **options)


async def test_messages_are_part_of_what_must_be_found(harness: Harness) -> None:
    await harness.append("s", "the heron stood still")
    assert (await verbs(harness).consistency("viking://user/default/sessions/s")).expected == 1
    await lose_chunks(harness)
    assert (await verbs(harness).consistency("viking://user/default/sessions")).missing == 1
