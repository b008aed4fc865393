"""Automatic commits: once, by a job, when a write exceeds the policy or the session is idle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from recalld.app.config import load_config
from recalld.app.housekeeping import Housekeeping
from recalld.domain.errors import Conflict
from recalld.domain.session import Session
from recalld.infra.watchdog import Watchdog
from recalld.usecases.session.commit import enqueue_idle
from tests.harness import Harness, harness_at

POLICY = {"pending_token_threshold": 10_000, "message_count_threshold": 3, "idle_timeout_seconds": 60}


async def begin(harness: Harness, **changes: Any) -> Session:
    return await harness.engine.sessions.create("s", config={"auto_commit_policy": {**POLICY, **changes}})


async def commits(harness: Harness) -> int:
    await harness.settle()
    return (await harness.engine.sessions.get("s")).commit_count


async def test_at_the_threshold_nothing_happens_and_beyond_it_the_session_commits_once(harness: Harness) -> None:
    await begin(harness)
    await harness.append("s", "1", "2", "3")
    assert await commits(harness) == 0
    did = await harness.append("s", "4")
    assert did.message_count == 4  # the append answers before the commit
    assert await commits(harness) == 1
    session = await harness.engine.sessions.get("s")
    assert session.message_count == 0
    assert session.config["last_auto_commit_at"] > 0
    assert [t.type for t in await harness.engine.tasks.list(type="session_commit")] == ["session_commit"]


async def test_tokens_beyond_their_threshold_commit_too(harness: Harness) -> None:
    await begin(harness, pending_token_threshold=20)
    await harness.append("s", "word " * 100)
    assert await commits(harness) == 1


async def test_many_writes_beyond_the_threshold_are_one_commit(harness: Harness) -> None:
    await begin(harness, keep_recent_count=2)
    for i in range(8):
        await harness.append("s", f"{i}")
    assert await commits(harness) == 1
    assert (await harness.engine.sessions.get("s")).message_count == 2


async def test_a_repeated_message_commits_nothing(harness: Harness) -> None:
    await begin(harness, message_count_threshold=0)
    one = {"role": "user", "content": "once", "id": "m"}
    await harness.append("s", one)
    assert await commits(harness) == 1
    await harness.append("s", one)
    assert (await harness.queue("auto_commit")).pending == 0


async def test_within_the_interval_the_next_commit_waits(harness: Harness) -> None:
    await begin(harness, min_commit_interval_seconds=100_000)
    await harness.append("s", *"abcd")
    assert await commits(harness) == 1
    await harness.append("s", *"efgh")
    assert await commits(harness) == 1


async def test_a_manual_commit_in_between_leaves_the_job_nothing_to_do(harness: Harness) -> None:
    await begin(harness)
    await harness.append("s", *"abcd")
    await harness.commit("s")
    assert await commits(harness) == 1


async def test_a_session_deleted_in_between_leaves_no_dead_job(harness: Harness) -> None:
    await begin(harness)
    await harness.append("s", *"abcd")
    await harness.engine.sessions.delete("s")
    await harness.settle()
    assert (await harness.queue("auto_commit")).dead == 0


async def test_an_idle_session_with_a_policy_is_committed(harness: Harness) -> None:
    await begin(harness)
    await harness.append("s", "one")
    await harness.append("other", "no policy")
    await harness.settle()
    harness.clock.advance(30.0)
    assert await enqueue_idle(harness.ports) == 0
    harness.clock.advance(61.0)
    assert await enqueue_idle(harness.ports) == 1
    assert await commits(harness) == 1
    assert (await harness.engine.sessions.get("other")).commit_count == 0
    assert await enqueue_idle(harness.ports) == 0


async def test_housekeeping_commits_idle_sessions_unless_disabled(harness: Harness) -> None:
    await begin(harness)
    await harness.append("s", "one")
    await harness.settle()
    harness.clock.advance(120.0)
    quiet = load_config(None, data=harness.folder, session={"idle_commit": False})
    await Housekeeping(harness.ports, quiet, Watchdog()).round()
    assert (await harness.queue("auto_commit")).pending == 0
    await Housekeeping(harness.ports, load_config(None, data=harness.folder), Watchdog()).round()
    assert (await harness.queue("auto_commit")).pending == 1


async def test_a_server_may_have_every_new_session_commit_by_itself(tmp_path: Path) -> None:
    async with harness_at(tmp_path / "data", session={"auto_commit": True}) as harness:
        await harness.append("made", "by a message")
        requested = await harness.engine.sessions.get("asked", auto_create=True)
        named = await harness.engine.sessions.create("named")
        declined = await harness.engine.sessions.create("declined", config={"auto_commit_policy": None})
        appended = await harness.engine.sessions.get("made")
        assert [s.config.get("auto_commit_policy", {}) is not None for s in (appended, requested, named, declined)] == [
            True,
            True,
            True,
            False,
        ]
        assert appended.config["auto_commit_policy"]["message_count_threshold"] == 100


async def test_without_that_setting_no_session_does(harness: Harness) -> None:
    await harness.append("s", *"abcdefgh")
    assert "auto_commit_policy" not in (await harness.engine.sessions.get("s")).config
    with pytest.raises(Conflict):
        await begin(harness)
