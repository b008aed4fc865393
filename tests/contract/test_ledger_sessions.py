from __future__ import annotations

import asyncio
from dataclasses import replace

import apsw
import pytest

from recalld.adapters.ledger import talk
from recalld.domain.commit import (
    Append,
    Commit,
    ConfigureSession,
    FinishArchive,
    MakeDir,
    MarkUsed,
    NewTask,
    OpenSession,
    Remove,
    UpdateTask,
)
from recalld.domain.document import Tiers
from recalld.domain.errors import Conflict, Denied, NotFound
from recalld.domain.job import NewJob, TaskStatus
from tests.contract.ledger_house import ANA, BEN, House, append, archive, at, put, said


async def ids(house: House, session: str = "s", **which: int) -> list[str]:
    return [m.id for m in await house.tenant().messages(session, **which)]


async def test_an_append_makes_its_session_and_keeps_the_order_of_arrival(house: House) -> None:
    receipt = await house.do(append("s", "b", "a"))
    await house.do(append("s", "c"))
    assert await ids(house) == ["b", "a", "c"]
    assert [m.ordinal for m in await house.tenant().messages("s")] == [0, 1, 2]
    assert (receipt.messages_added, receipt.session and receipt.session.message_count) == (2, 2)


async def test_a_message_reads_back_whole(house: House) -> None:
    new = said("m1", "你好, world", role="assistant")
    await house.do(Append("s", (new,)))
    (message,) = await house.tenant().messages("s")
    assert (message.id, message.role, message.text, message.parts) == (
        "m1",
        "assistant",
        "你好, world",
        new.message.parts,
    )


async def test_a_message_sent_twice_is_stored_once(house: House) -> None:
    await house.do(append("s", "a", "b"))
    receipt = await house.do(append("s", "b", "c"))
    assert (receipt.messages_added, receipt.messages_seen) == (1, 1)
    assert await ids(house) == ["a", "b", "c"]


async def test_equal_words_without_a_common_id_are_two_messages(house: House) -> None:
    await house.do(append("s", "a"), append("s", "b"))
    assert len(await house.finds("ana", "hello")) == 2


async def test_a_message_is_found_as_soon_as_it_is_acknowledged(house: House) -> None:
    await house.do(append("s", "m1"))
    assert await house.finds("ana", "hello") == ["viking://user/ana/sessions/s/messages/m1.md"]


async def test_chunks_of_a_session_are_linked_across_messages(house: House) -> None:
    await house.do(append("s", "a", "b"))
    await house.do(append("s", "c"))
    rows = await house.rows('SELECT id, previous, "group", at, speaker FROM chunk ORDER BY id')
    assert [r[1] for r in rows] == [0, rows[0][0], rows[1][0]]
    assert len({r[2] for r in rows}) == 1
    assert {(r[3], r[4]) for r in rows} == {(10.0, "user")}


async def test_appends_at_once_lose_and_double_nothing(house: House) -> None:
    await asyncio.gather(
        *(house.do(append("s", f"m{n}")) for n in range(60)), *(house.do(append("s", f"m{n}")) for n in range(60))
    )
    messages = await house.tenant().messages("s")
    assert sorted(m.id for m in messages) == sorted(f"m{n}" for n in range(60))
    assert [m.ordinal for m in messages] == list(range(60))


async def test_a_session_opens_once(house: House) -> None:
    await house.do(OpenSession("s", {"k": 1}))
    with pytest.raises(Conflict) as refused:
        await house.do(OpenSession("s"))
    assert refused.value.code == "ALREADY_EXISTS"
    again = await house.do(OpenSession("s", exist_ok=True))
    assert again.session is not None
    assert again.session.config == {"k": 1}


async def test_a_bare_directory_among_sessions_becomes_one_when_something_is_said(house: House) -> None:
    await house.do(MakeDir(at("user/ana/sessions/s")))
    await house.do(append("s", "m1"))
    assert await ids(house) == ["m1"]
    await house.do(MakeDir(at("user/ana/sessions/t")), OpenSession("t", exist_ok=True))
    assert (await house.tenant().session("t")).message_count == 0


async def test_sessions_are_the_callers_own_newest_first(house: House) -> None:
    await house.do(append("old", "m"))
    house.clock.advance(5)
    await house.do(append("new", "m"))
    await house.do(append("bens", "m"), caller=BEN)
    assert [s.id for s in await house.tenant().sessions()] == ["new", "old"]
    with pytest.raises(NotFound):
        await house.tenant().session("bens")


async def test_a_session_that_was_never_is_not_found(house: House) -> None:
    for asked in (house.tenant().session("no"), house.tenant().messages("no"), house.tenant().archives("no")):
        with pytest.raises(NotFound):
            await asked


async def test_counts_follow_what_happens(house: House) -> None:
    await house.do(append("s", "a", "b", "c"))
    await house.do(archive("s", 1, "t1"))
    session = await house.tenant().session("s")
    assert (session.message_count, session.total_message_count, session.pending_tokens) == (1, 3, 2)
    assert (session.commit_count, session.last_commit_at) == (1, house.clock.now())


async def test_archiving_puts_live_messages_away_and_makes_its_task_and_job(house: House) -> None:
    await house.do(append("s", "a", "b", "c"))
    receipt = await house.do(archive("s", 1, "t1"))
    assert (receipt.archive, receipt.archived_messages) == (1, 2)
    assert (await ids(house, archive=1), await ids(house, archive=0)) == (["a", "b"], ["c"])
    assert (await house.tenant().task("t1")).status is TaskStatus.PENDING
    assert [j.task_id for j in await house.lease(9)] == ["t1"]


async def test_archiving_nothing_makes_nothing(house: House) -> None:
    await house.do(append("s", "a"))
    await house.do(archive("s", 0, "t1"))
    receipt = await house.do(archive("s", 5, "t2"))
    assert receipt.archive == 0
    assert len(await house.tenant().archives("s")) == 1
    with pytest.raises(NotFound):
        await house.tenant().task("t2")
    assert [j.task_id for j in await house.lease(9)] == ["t1"]


async def test_two_commits_at_once_share_the_messages(house: House) -> None:
    await house.do(append("s", *(f"m{n}" for n in range(20))))
    receipts = await asyncio.gather(*(house.do(archive("s", 19, f"t{n}")) for n in range(5)))
    assert sorted(r.archived_messages for r in receipts) == [0, 0, 0, 0, 20]
    assert len(await house.tenant().archives("s")) == 1


async def test_appends_and_commits_at_once_put_every_message_into_one_place(house: House) -> None:
    async def say(n: int) -> None:
        await house.do(append("s", f"m{n}"))

    await say(0)
    await asyncio.gather(*(say(n) for n in range(1, 30)), *(house.do(archive("s", 99, f"t{n}")) for n in range(6)))
    everywhere = await ids(house)
    per_place = [await ids(house, archive=n) for n in range(7)]
    assert sorted(everywhere) == sorted(i for place in per_place for i in place) == sorted(f"m{n}" for n in range(30))
    session = await house.tenant().session("s")
    assert session.message_count == len(per_place[0])


async def test_an_archive_is_finished_once(house: House) -> None:
    await house.do(append("s", "a"))
    await house.do(archive("s", 0, "t"))
    await house.do(FinishArchive("s", 1, Tiers("short", "long"), {"events": 2}))
    again = await house.do(FinishArchive("s", 1, Tiers("other"), {"events": 2}))
    (one,) = await house.tenant().archives("s")
    assert (one.state, one.abstract, one.overview, again.stale) == ("done", "short", "long", 1)
    assert (await house.tenant().session("s")).memories_extracted == {"events": 2}


async def test_archives_are_numbered_in_order(house: House) -> None:
    for n in range(3):
        await house.do(append("s", f"m{n}"))
        await house.do(archive("s", 99, f"t{n}"))
    assert [(a.id, a.message_count) for a in await house.tenant().archives("s")] == [
        ("archive_001", 1),
        ("archive_002", 1),
        ("archive_003", 1),
    ]


async def test_configuration_is_merged_and_none_removes(house: House) -> None:
    await house.do(OpenSession("s", {"a": 1, "b": 2}))
    await house.do(ConfigureSession("s", {"b": None, "c": 3}))
    assert (await house.tenant().session("s")).config == {"a": 1, "c": 3}


async def test_use_is_counted(house: House) -> None:
    await house.do(OpenSession("s"))
    await house.do(MarkUsed("s", (at("resources/a.md"),), 2))
    await house.do(MarkUsed("s", (at("resources/b.md"),), 1))
    session = await house.tenant().session("s")
    assert (session.contexts_used, session.skills_used) == (2, 3)


async def test_a_deleted_session_is_gone_at_once_and_its_name_begins_anew(house: House) -> None:
    await house.do(append("s", "a"))
    await house.do(Remove(at("user/ana/sessions/s"), recursive=True))
    with pytest.raises(NotFound):
        await house.tenant().session("s")
    assert await house.tenant().sessions() == []
    await house.do(append("s", "a"))
    assert [m.ordinal for m in await house.tenant().messages("s")] == [0]
    while await house.ledger.purge(nodes_max=9):
        pass
    assert await ids(house) == ["a"]


async def test_a_forgotten_message_is_gone_and_not_counted(house: House) -> None:
    await house.do(append("s", "a", "b"))
    await house.do(Remove(at("user/ana/sessions/s/messages/a.md")))
    assert await ids(house) == ["b"]
    session = await house.tenant().session("s")
    assert (session.message_count, session.pending_tokens) == (1, 2)
    receipt = await house.do(archive("s", 9, "t"))
    assert receipt.archived_messages == 1
    while await house.ledger.purge(nodes_max=9):
        pass
    assert await house.ledger.check() == []


async def test_pages_of_messages_go_on_after_an_ordinal(house: House) -> None:
    await house.do(append("s", *(f"m{n}" for n in range(5))))
    assert await ids(house, after=1, limit=2) == ["m2", "m3"]


async def test_another_users_messages_are_denied(house: House) -> None:
    await house.do(append("s", "a"))
    with pytest.raises(Denied):
        await house.tenant(BEN).read(at("user/ana/sessions/s/messages/a.md"))
    with pytest.raises(NotFound):
        await house.do(archive("s", 9, "t"), caller=BEN)


async def test_a_message_cannot_be_overwritten(house: House) -> None:
    await house.do(append("s", "a"))
    with pytest.raises(Conflict):
        await house.tenant(ANA).commit(Commit((put("user/ana/sessions/s/messages/a.md", "other"),)))


async def test_a_message_brings_its_files_along_only_when_it_is_added(house: House) -> None:
    path = "user/ana/sessions/s/tool-results/tr_x/output.txt"
    await house.do(Append("s", (replace(said("m1"), attached=(put(path, "one"),)),)))
    await house.do(Append("s", (replace(said("m1"), attached=(put(path, "two"),)),)))
    assert await house.text(path) == "one"


async def test_a_write_that_exceeds_a_policy_leaves_its_job_and_no_other_does(house: House) -> None:
    job = NewJob("auto_commit", "auto_commit:s", {"session_id": "s"})
    config = {"auto_commit_policy": {"message_count_threshold": 1}}
    await house.do(Append("s", (said("m1"),), config, job))
    assert await house.tenant().pending() == 0
    await house.do(Append("s", (said("m1"),), config, job))
    assert await house.tenant().pending() == 0
    await house.do(Append("s", (said("m2"),), {}, job))
    await house.do(Append("s", (said("m3"),), {}, job))
    assert await house.tenant().pending() == 1


async def test_sessions_fall_idle_by_their_own_policy(house: House) -> None:
    for name, seconds in (("short", 10), ("long", 1_000)):
        config = {"auto_commit_policy": {"idle_timeout_seconds": seconds}}
        await house.do(Append(name, (said(f"m-{name}"),), config))
    await house.do(Append("none", (said("m-none"),)))
    now = house.clock.now()
    assert await house.ledger.idle_sessions(now=now + 10, limit=5) == []
    found = await house.ledger.idle_sessions(now=now + 11, limit=5)
    assert [(caller.user, name) for caller, name in found] == [(house.tenant().caller.user, "short")]


async def test_a_task_may_insist_on_being_alone(house: House) -> None:
    await house.do(NewTask("t1", "admin_reindex", "viking://resources", alone=True))
    with pytest.raises(Conflict):
        await house.do(NewTask("t2", "admin_reindex", "viking://resources", alone=True))
    await house.do(NewTask("t3", "admin_reindex", "viking://resources/d", alone=True))
    await house.do(UpdateTask("t1", TaskStatus.COMPLETED))
    await house.do(NewTask("t4", "admin_reindex", "viking://resources", alone=True))


async def test_listing_sessions_tells_what_each_tells_of_itself(house: House) -> None:
    for name, count, keep in (("a", 5, 2), ("b", 1, 3), ("c", 4, 0)):
        await house.do(append(name, *(f"m{n}" for n in range(count))))
        await house.do(replace(archive(name, 0, f"t{name}"), keep_recent_count=keep))
        house.clock.advance(1)
    listed = await house.tenant().sessions()
    assert listed == [await house.tenant().session(name) for name in ("c", "b", "a")]
    assert [each.id for each in await house.tenant().sessions(limit=2)] == ["c", "b"]


@pytest.mark.parametrize("sessions", [3, pytest.param(1_000, marks=pytest.mark.slow)])
async def test_listing_sessions_takes_the_same_statements_however_many(house: House, sessions: int) -> None:
    asked: list[str] = []

    async def listed() -> int:
        def work(c: apsw.Connection) -> None:
            c.set_exec_trace(lambda _, sql, __: asked.append(sql) is None)
            talk.sessions(c, ANA, 10_000)
            c.set_exec_trace(None)

        asked.clear()
        await house.ledger.readers.read(work)
        return len(asked)

    await house.do(append("s", "m0", "m1"))
    await house.do(replace(archive("s", 0, "t"), keep_recent_count=1))
    one = await listed()
    for n in range(sessions):
        await house.do(append(f"s{n}", "m0", "m1"))
        await house.do(replace(archive(f"s{n}", 0, f"t{n}"), keep_recent_count=1))
    assert await listed() == one


async def test_messages_are_read_from_the_end_as_from_the_beginning(house: House) -> None:
    await house.do(append("s", *(f"m{n}" for n in range(5))))
    await house.do(archive("s", 2, "t"))
    tenant = house.tenant()
    for which, there in ((None, range(5)), (0, range(3, 5)), (1, range(3))):
        expected = [f"m{n}" for n in there]
        assert [m.id for m in await tenant.messages("s", archive=which)] == expected
        assert [m.id for m in await tenant.messages("s", archive=which, limit=2)] == expected[:2]
        assert [m.id for m in await tenant.messages("s", archive=which, limit=2, newest=True)] == expected[-2:]
    assert [m.id for m in await tenant.messages("s", after=2, newest=True)] == ["m3", "m4"]


async def test_an_archive_by_its_number_and_by_its_task(house: House) -> None:
    for number in range(1, 6):
        await house.do(append("s", f"m{number}"))
        await house.do(archive("s", number - 1, f"t{number}"))
    for number, error in ((1, ""), (2, "late"), (3, ""), (4, "late")):
        await house.do(FinishArchive("s", number, Tiers(f"a{number}"), {}, error=error))
    tenant = house.tenant()
    every = await tenant.archives("s")
    assert [a.number for a in every] == [1, 2, 3, 4, 5]
    assert await tenant.archives("s", latest=True) == every[2:]
    assert await tenant.archive("s", number=2) == await tenant.archive("s", task_id="t2") == every[1]
    assert await tenant.archive("s", number=6) is None
    assert await tenant.archive("s", task_id="other") is None
    assert await tenant.failed_archives("s") == 2


async def test_sessions_and_tasks_go_on_where_a_page_ended(house: House) -> None:
    for n in range(5):
        await house.do(append(f"s{n}", "m"), NewTask(f"t{n}", "admin_reindex", f"viking://resources/{n}"))
        house.clock.advance(1)
    tenant = house.tenant()
    sessions, tasks = await tenant.sessions(), await tenant.tasks()
    assert await tenant.sessions(limit=2) + await tenant.sessions(limit=9, offset=2) == sessions
    assert await tenant.tasks(limit=2) + await tenant.tasks(limit=9, offset=2) == tasks
    assert len(sessions) == len(tasks) == 5


async def test_what_is_removed_is_not_counted_whatever_is_left_of_it(house: House) -> None:
    async def counted() -> tuple[int, int]:
        usage = await house.ledger.usage()
        rows = await house.rows("SELECT count(*), sum(kind = 2) FROM node WHERE owner <> 0 AND gone = 0")
        assert (usage.nodes, usage.messages) == rows[0]
        return usage.nodes, usage.messages

    for name in ("s", "t"):
        await house.do(append(name, "a", "b", "c"))
    nodes, messages = await counted()
    assert messages == 6
    await house.do(Remove(at("user/ana/sessions/s/messages/b.md")))
    assert await counted() == (nodes - 1, 5)
    await house.do(Remove(at("user/ana/sessions/s"), recursive=True))
    await counted()
    while await house.ledger.purge(nodes_max=2):
        await counted()
    assert (await counted())[1] == 3
    house.clock.advance(10)
    await house.ledger.prune(keep_s=1)
    assert (await counted())[1] == 3
