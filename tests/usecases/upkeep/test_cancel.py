"""Only what may be left half-way can be cancelled."""

from __future__ import annotations

import pytest

from recalld.domain.commit import Commit, NewTask
from recalld.domain.errors import Conflict
from recalld.domain.job import CANCELLABLE, NewJob, TaskStatus
from tests.house_fixture import House


async def begin(house: House, kind: str) -> None:
    tenant = house.ports.ledger.tenant(house.r.caller)
    await tenant.commit(Commit((NewTask("t", kind),), (NewJob("mystery", "m", task_id="t"),)))


@pytest.mark.parametrize("kind", sorted(CANCELLABLE))
async def test_what_may_be_left_half_way_is_cancelled(house: House, kind: str) -> None:
    await begin(house, kind)
    assert (await house.r.cancel("t")).status is TaskStatus.CANCELLED
    assert (await house.queue("mystery")).pending == 0


@pytest.mark.parametrize("kind", ["add_skill", "user_deletion", "legacy_migration"])
async def test_anything_else_goes_on(house: House, kind: str) -> None:
    await begin(house, kind)
    with pytest.raises(Conflict) as refused:
        await house.r.cancel("t")
    assert (refused.value.code, refused.value.details["task_type"]) == ("FAILED_PRECONDITION", kind)
    assert (await house.queue("mystery")).pending == 1
    assert (await house.r.task("t")).status is TaskStatus.PENDING
