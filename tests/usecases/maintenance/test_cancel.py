"""Only resumable jobs can be cancelled."""

from __future__ import annotations

import pytest

from recalld.domain.commit import Commit, NewTask
from recalld.domain.errors import Conflict
from recalld.domain.job import CANCELLABLE, NewJob, TaskStatus
from tests.harness import Harness


async def begin(harness: Harness, kind: str) -> None:
    tenant = harness.ports.ledger.tenant(harness.engine.caller)
    await tenant.commit(Commit((NewTask("t", kind),), (NewJob("mystery", "m", task_id="t"),)))


@pytest.mark.parametrize("kind", sorted(CANCELLABLE))
async def test_resumable_jobs_can_be_cancelled(harness: Harness, kind: str) -> None:
    await begin(harness, kind)
    assert (await harness.engine.tasks.cancel("t")).status is TaskStatus.CANCELLED
    assert (await harness.queue("mystery")).pending == 0


@pytest.mark.parametrize("kind", ["add_skill", "user_deletion", "legacy_migration"])
async def test_anything_else_goes_on(harness: Harness, kind: str) -> None:
    await begin(harness, kind)
    with pytest.raises(Conflict) as refused:
        await harness.engine.tasks.cancel("t")
    assert (refused.value.code, refused.value.details["task_type"]) == ("FAILED_PRECONDITION", kind)
    assert (await harness.queue("mystery")).pending == 1
    assert (await harness.engine.tasks.get("t")).status is TaskStatus.PENDING
