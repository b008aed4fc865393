"""Session commits: what is archived, what stays live, and memories, once."""

from __future__ import annotations

import asyncio

import pytest

from recalld.app.worker_loop import run_job
from recalld.domain.errors import Invalid, NotFound
from recalld.domain.job import TaskStatus
from recalld.rules.retention import Retention
from tests.harness import Harness

DECISION = "I decided that we move to Lisbon in March."


async def learned(harness: Harness) -> dict[str, str]:
    return {k: v for k, v in (await harness.texts_below("viking://~/memories")).items() if not k.startswith(".")}


async def archived(harness: Harness, number: int = 1) -> list[str]:
    return [m["parts"][0]["text"] for m in (await harness.engine.sessions.archive("s", f"archive_{number:03d}"))[1]]


async def test_live_messages_go_into_an_archive(harness: Harness) -> None:
    await harness.append("s", "one", "two")
    did = await harness.commit("s")
    await harness.settle()
    assert did.archived
    assert did.archive_uri == "viking://user/default/sessions/s/history/archive_001"
    assert await archived(harness) == ["one", "two"]
    session = await harness.engine.sessions.get("s")
    assert (session.message_count, session.total_message_count, session.commit_count) == (0, 2, 1)


async def test_a_message_keeps_its_address_and_is_found_when_archived(harness: Harness) -> None:
    await harness.append("s", "the heron stood still")
    before = await harness.found("heron", target_uri="viking://~/sessions")
    await harness.commit("s")
    await harness.settle()
    assert await harness.found("heron", target_uri="viking://~/sessions") == before != []


async def test_an_empty_session_archives_nothing(harness: Harness) -> None:
    await harness.engine.sessions.create("s")
    did = await harness.commit("s")
    assert (did.archived, did.reason) == (False, "no_messages")


async def test_a_session_never_seen_cannot_be_committed(harness: Harness) -> None:
    with pytest.raises(NotFound):
        await harness.commit("never")


async def test_keep_recent_count_keeps_recent_messages_live(harness: Harness) -> None:
    await harness.append("s", *"abcde")
    await harness.commit("s", keep_recent_count=2)
    await harness.settle()
    assert await archived(harness) == ["a", "b", "c"]
    assert [m["parts"][0]["text"] for m in (await harness.engine.sessions.context("s")).messages] == ["d", "e"]
    again = await harness.commit("s", keep_recent_count=2)
    assert (again.archived, again.reason) == (False, "all_within_keep_window")


async def test_turn_retention_keeps_whole_turns_live(harness: Harness) -> None:
    for i in range(4):
        await harness.append("s", {"role": "user", "content": f"q{i}"}, {"role": "assistant", "content": f"a{i}"})
    await harness.commit("s", retention=Retention("turn_budget", turns=2))
    await harness.settle()
    assert await archived(harness) == ["q0", "a0", "q1", "a1"]


async def test_a_count_below_zero_is_refused(harness: Harness) -> None:
    await harness.append("s", "x")
    with pytest.raises(Invalid):
        await harness.commit("s", keep_recent_count=-1)
    assert (await harness.engine.sessions.get("s")).message_count == 1


async def test_two_commits_at_once_lose_and_double_nothing(harness: Harness) -> None:
    await harness.append("s", *[str(i) for i in range(20)])
    did = await asyncio.gather(*(harness.commit("s") for _ in range(4)))
    await harness.settle()
    assert sorted(d.archived for d in did) == [False, False, False, True]
    assert await archived(harness) == [str(i) for i in range(20)]


async def test_commits_during_appends_keep_every_message_once(harness: Harness) -> None:
    async def append_ten(who: int) -> None:
        for i in range(10):
            await harness.append("s", f"{who}.{i}")

    async def put_away() -> None:
        for _ in range(6):
            await harness.commit("s")

    await harness.append("s", "start")
    await asyncio.gather(append_ten(1), append_ten(2), put_away())
    await harness.commit("s")
    await harness.settle()
    texts = [
        t
        for n in range(1, (await harness.engine.sessions.get("s")).commit_count + 1)
        for t in await archived(harness, n)
    ]
    assert sorted(texts) == sorted(["start", *(f"{w}.{i}" for w in (1, 2) for i in range(10))])


async def test_a_decision_becomes_an_event_that_quotes_it(harness: Harness) -> None:
    ids = (await harness.append("s", "hello there", DECISION)).message_ids
    did = await harness.commit("s")
    await harness.settle()
    memories = await learned(harness)
    assert len(memories) == 1
    (path,) = memories
    assert path.startswith("events/")
    assert "Lisbon in March" in memories[path]
    task = await harness.engine.tasks.get(did.task_id)
    assert task.status is TaskStatus.COMPLETED
    assert (task.result or {})["memories_extracted"] == {"events": 1}
    node = await harness.engine.stat(f"viking://~/memories/{path}")
    assert f"viking://user/default/sessions/s/messages/{ids[1]}.md" in node.source["messages"]


async def test_a_memory_tells_where_it_comes_from(harness: Harness) -> None:
    ids = (await harness.append("s", DECISION)).message_ids
    await harness.commit("s")
    await harness.settle()
    (hit,) = [h for h in (await harness.engine.find("Lisbon")).hits if "memories" in h.uri.parts]
    assert [(s.session_id, s.message_id) for s in hit.sources] == [("s", ids[0])]


async def test_a_message_quoted_by_a_memory_is_found_once_outside_its_session(harness: Harness) -> None:
    ids = (await harness.append("s", DECISION)).message_ids
    await harness.commit("s")
    await harness.settle()
    message = f"viking://user/default/sessions/s/messages/{ids[0]}.md"
    found = await harness.found("Lisbon")
    assert (len(found), message in found) == (1, False)
    assert await harness.found("Lisbon", target_uri="viking://~/sessions") == [message]


async def test_a_repeated_extraction_writes_memories_once(harness: Harness) -> None:
    await harness.append("s", DECISION)
    await harness.commit("s")
    job = await harness.lease_of("extract")
    await run_job(job, harness.ports)
    before, seq = await learned(harness), await harness.seq()
    await run_job(job, harness.ports)
    assert (await learned(harness), await harness.seq()) == (before, seq)
    await harness.settle()
    assert (await harness.engine.sessions.get("s")).memories_extracted == {"events": 1}


async def test_a_worker_lost_before_its_commit_leaves_the_job_to_the_next(harness: Harness) -> None:
    await harness.append("s", DECISION)
    did = await harness.commit("s")
    await harness.lease_of("extract")
    await harness.ports.jobs.release(worker="harness")
    await harness.settle()
    assert (await harness.engine.tasks.get(did.task_id)).status is TaskStatus.COMPLETED
    assert len(await learned(harness)) == 1


async def test_a_session_deleted_before_its_archive_is_read_ends_the_job(harness: Harness) -> None:
    await harness.append("s", DECISION)
    did = await harness.commit("s")
    await harness.engine.sessions.delete("s")
    await harness.settle()
    assert (await harness.engine.tasks.get(did.task_id)).status is TaskStatus.FAILED
    assert await learned(harness) == {}


async def test_a_cancelled_extraction_leaves_the_archive_failed_and_its_words_live(harness: Harness) -> None:
    await harness.append("s", DECISION)
    did = await harness.commit("s")
    await harness.engine.tasks.cancel(did.task_id)
    await harness.settle()
    shown = await harness.engine.sessions.context("s")
    assert (shown.archives_failed, [m["parts"][0]["text"] for m in shown.messages]) == (1, [DECISION])
