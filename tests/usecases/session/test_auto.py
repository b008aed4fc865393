"""Sessions that commit by themselves: once, by a job, when a write exceeds their policy or they fall idle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from recalld.app.config import load_config
from recalld.app.housekeeping import Housekeeping
from recalld.domain.errors import Conflict
from recalld.domain.session import Session
from recalld.infra.watchdog import Watchdog
from recalld.usecases.session.auto import scan_idle
from tests.house_fixture import House, house_at

POLICY = {"pending_token_threshold": 10_000, "message_count_threshold": 3, "idle_timeout_seconds": 60}


async def begin(house: House, **changes: Any) -> Session:
    return await house.r.session_new("s", config={"auto_commit_policy": {**POLICY, **changes}})


async def commits(house: House) -> int:
    await house.settle()
    return (await house.r.session("s")).commit_count


async def test_at_the_threshold_nothing_happens_and_beyond_it_the_session_commits_once(house: House) -> None:
    await begin(house)
    await house.say("s", "1", "2", "3")
    assert await commits(house) == 0
    did = await house.say("s", "4")
    assert did.message_count == 4  # the append answers before the commit
    assert await commits(house) == 1
    session = await house.r.session("s")
    assert session.message_count == 0
    assert session.config["last_auto_commit_at"] > 0
    assert [t.type for t in await house.r.tasks(type="session_commit")] == ["session_commit"]


async def test_tokens_beyond_their_threshold_commit_too(house: House) -> None:
    await begin(house, pending_token_threshold=20)
    await house.say("s", "word " * 100)
    assert await commits(house) == 1


async def test_many_writes_beyond_the_threshold_are_one_commit(house: House) -> None:
    await begin(house, keep_recent_count=2)
    for i in range(8):
        await house.say("s", f"{i}")
    assert await commits(house) == 1
    assert (await house.r.session("s")).message_count == 2


async def test_a_repeated_message_commits_nothing(house: House) -> None:
    await begin(house, message_count_threshold=0)
    one = {"role": "user", "content": "once", "id": "m"}
    await house.say("s", one)
    assert await commits(house) == 1
    await house.say("s", one)
    assert (await house.queue("auto_commit")).pending == 0


async def test_within_the_interval_the_next_commit_waits(house: House) -> None:
    await begin(house, min_commit_interval_seconds=100_000)
    await house.say("s", *"abcd")
    assert await commits(house) == 1
    await house.say("s", *"efgh")
    assert await commits(house) == 1


async def test_a_manual_commit_in_between_leaves_the_job_nothing_to_do(house: House) -> None:
    await begin(house)
    await house.say("s", *"abcd")
    await house.commit("s")
    assert await commits(house) == 1


async def test_a_session_deleted_in_between_leaves_no_dead_job(house: House) -> None:
    await begin(house)
    await house.say("s", *"abcd")
    await house.r.session_delete("s")
    await house.settle()
    assert (await house.queue("auto_commit")).dead == 0


async def test_an_idle_session_with_a_policy_is_committed(house: House) -> None:
    await begin(house)
    await house.say("s", "one")
    await house.say("other", "no policy")
    await house.settle()
    house.clock.advance(30.0)
    assert await scan_idle(house.ports) == 0
    house.clock.advance(61.0)
    assert await scan_idle(house.ports) == 1
    assert await commits(house) == 1
    assert (await house.r.session("other")).commit_count == 0
    assert await scan_idle(house.ports) == 0


async def test_housekeeping_looks_for_idle_sessions_unless_told_not_to(house: House) -> None:
    await begin(house)
    await house.say("s", "one")
    await house.settle()
    house.clock.advance(120.0)
    quiet = load_config(None, data=house.folder, session={"idle_commit": False})
    await Housekeeping(house.ports, quiet, Watchdog()).round()
    assert (await house.queue("auto_commit")).pending == 0
    await Housekeeping(house.ports, load_config(None, data=house.folder), Watchdog()).round()
    assert (await house.queue("auto_commit")).pending == 1


async def test_a_server_may_have_every_new_session_commit_by_itself(tmp_path: Path) -> None:
    async with house_at(tmp_path / "data", session={"auto_commit": True}) as house:
        await house.say("made", "by a message")
        asked = await house.r.session("asked", auto_create=True)
        named = await house.r.session_new("named")
        declined = await house.r.session_new("declined", config={"auto_commit_policy": None})
        made = await house.r.session("made")
        assert [s.config.get("auto_commit_policy", {}) is not None for s in (made, asked, named, declined)] == [
            True,
            True,
            True,
            False,
        ]
        assert made.config["auto_commit_policy"]["message_count_threshold"] == 100


async def test_without_that_setting_no_session_does(house: House) -> None:
    await house.say("s", *"abcdefgh")
    assert "auto_commit_policy" not in (await house.r.session("s")).config
    with pytest.raises(Conflict):
        await begin(house)
