"""The cost of a lease depends on the leased jobs, not on the number of waiting users."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import apsw
import pytest

from recalld.adapters.sqlite.database.schema import MIGRATIONS
from recalld.adapters.sqlite.ledger import job_leases, job_queue
from recalld.domain.job import Job
from tests.counted import steps

NOW = 1_000.0


@pytest.fixture
def c() -> Iterator[apsw.Connection]:
    c = apsw.Connection(":memory:")
    for script in MIGRATIONS.values():
        c.execute(script).fetchall()
    yield c
    c.close()


def put(c: apsw.Connection, user: str, key: str, *, not_before: float = 0.0, lane: str = "bulk") -> None:
    c.execute(
        "INSERT INTO job (kind, key, account, user, lane, created, not_before, due) VALUES ('k', ?, 'acme', ?, ?, ?, ?, ?)",
        (f"acme/{user}/{key}", user, lane, NOW, not_before, not_before <= NOW),
    )


def lease(c: apsw.Connection, jobs_max: int = 2, *, now: float = NOW, lanes: tuple[str, ...] = ()) -> list[Job]:
    return job_leases.lease(c, now, {}, "w", jobs_max, 30.0, lanes)


def cost(c: apsw.Connection, jobs_max: int = 2) -> int:
    return steps(c, lambda: lease(c, jobs_max))


def one_each(c: apsw.Connection, users: int, key: str = "embed", **rest: Any) -> None:
    with c:
        for user in range(users):
            put(c, f"u{user}", key, **rest)


SIZES = [(3, 60), pytest.param(100, 10_000, marks=pytest.mark.slow)]


@pytest.mark.parametrize(("few", "many"), SIZES)
def test_users_whose_jobs_are_put_off_cost_a_lease_nothing(few: int, many: int) -> None:
    costs = []
    for users in (few, many):
        c = apsw.Connection(":memory:")
        for script in MIGRATIONS.values():
            c.execute(script).fetchall()
        one_each(c, users, not_before=NOW + 60)
        put(c, "ana", "index")
        costs.append(cost(c))
        c.close()
    assert costs[1] <= 1.2 * costs[0]


@pytest.mark.parametrize(("few", "many"), SIZES)
def test_waiting_users_add_no_cost_to_a_lease(few: int, many: int) -> None:
    costs = []
    for users in (few, many):
        c = apsw.Connection(":memory:")
        for script in MIGRATIONS.values():
            c.execute(script).fetchall()
        one_each(c, users)
        costs.append(cost(c))
        c.close()
    assert costs[1] <= 1.5 * costs[0]


@pytest.mark.parametrize("users", [8, pytest.param(5_000, marks=pytest.mark.slow)])
def test_jobs_behind_one_that_is_put_off_are_looked_at_once(c: apsw.Connection, users: int) -> None:
    one_each(c, users, "docs#1", not_before=NOW + 60)
    one_each(c, users, "docs#2")
    idle = cost(apsw_with(c, 0))
    while c.execute("SELECT 1 FROM job WHERE state = 'pending' AND not_before <= ?", (NOW,)).fetchone():
        assert lease(c) == []
    assert cost(c) <= 1.2 * idle
    order = []
    for _ in range(2):
        while leased := lease(c, users, now=NOW + 61):
            order += [job.key.rsplit("#")[-1] for job in leased]
        c.execute("DELETE FROM job WHERE state = 'running'")
    assert order == ["1"] * users + ["2"] * users


def test_jobs_put_off_become_due_beside_others(c: apsw.Connection) -> None:
    put(c, "ana", "later", not_before=NOW + 10)
    put(c, "ben", "now")
    assert [job.caller.user for job in lease(c, 9)] == ["ben"]
    assert [job.caller.user for job in lease(c, 9, now=NOW + 10)] == ["ana"]


def apsw_with(like: apsw.Connection, users: int) -> apsw.Connection:
    c = apsw.Connection(":memory:")
    for script in MIGRATIONS.values():
        c.execute(script).fetchall()
    one_each(c, users)
    return c


def test_a_rolled_back_lease_uses_up_no_turn(c: apsw.Connection) -> None:
    for user in ("ana", "ben"):
        put(c, user, "one")
        put(c, user, "two")
    c.execute("BEGIN")
    (undone,) = lease(c, 1)
    c.execute("ROLLBACK")
    (first,) = lease(c, 1)
    assert first.caller == undone.caller


def test_last_turns_are_remembered_for_a_bounded_number_of_users(
    c: apsw.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_leases, "TURNS_REMEMBERED", 10)
    for user in range(60):
        put(c, f"u{user}", "once")
        (job,) = lease(c, 1)
        job_queue.remove_running(c, job.id)
    assert c.execute("SELECT count(*) FROM turn").fetchone()[0] <= 20


def test_users_take_turns_across_leases_and_lanes(c: apsw.Connection) -> None:
    for n in range(4):
        put(c, "ana", f"a{n}")
        put(c, "ben", f"b{n}", lane="interactive" if n == 0 else "bulk")
    order = []
    for _ in range(4):
        (job,) = lease(c, 1)
        order.append(job.caller.user)
        job_queue.remove_running(c, job.id)
    assert order == ["ben", "ana", "ben", "ana"]


def test_counts_of_waiting_jobs_follow_every_change_of_a_job(c: apsw.Connection) -> None:
    put(c, "ana", "one")
    put(c, "ana", "two")
    put(c, "ben", "one", lane="interactive")
    (first,) = lease(c, 1)  # ben's
    job_queue.requeue(c, first.id, NOW)
    lease(c, 1, lanes=("bulk",))
    c.execute("UPDATE job SET lane = 'interactive' WHERE user = 'ana' AND state = 'pending'")
    assert waiting(c) == waiting_counted(c)
    c.execute("DELETE FROM job WHERE user = 'ana'")
    assert waiting(c) == waiting_counted(c)
    assert [job.caller.user for job in lease(c, 9)] == ["ben"]
    assert waiting(c) == waiting_counted(c) == []


def waiting(c: apsw.Connection) -> list[Any]:
    return c.execute("SELECT lane, account, user, ready FROM turn WHERE ready > 0 ORDER BY 1, 2, 3").fetchall()


def waiting_counted(c: apsw.Connection) -> list[Any]:
    return c.execute(
        "SELECT lane, account, user, count(*) FROM job WHERE state = 'pending' AND due = 1 GROUP BY 1, 2, 3"
    ).fetchall()
