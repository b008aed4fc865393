from __future__ import annotations

import asyncio
from dataclasses import replace

import apsw
import pytest

from recalld.adapters.sqlite.ledger import sessions
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
from tests.contract.ledger_harness import ANA, BEN, LedgerHarness, append, archive, at, new_message, put


async def ids(harness: LedgerHarness, session: str = "s", **which: int) -> list[str]:
    return [m.id for m in await harness.tenant().messages(session, **which)]


async def test_an_append_makes_its_session_and_keeps_the_order_of_arrival(harness: LedgerHarness) -> None:
    receipt = await harness.do(append("s", "b", "a"))
    await harness.do(append("s", "c"))
    assert await ids(harness) == ["b", "a", "c"]
    assert [m.ordinal for m in await harness.tenant().messages("s")] == [0, 1, 2]
    assert (receipt.messages_added, receipt.session and receipt.session.message_count) == (2, 2)


async def test_a_message_reads_back_whole(harness: LedgerHarness) -> None:
    new = new_message("m1", "你好, world", role="assistant")
    await harness.do(Append("s", (new,)))
    (message,) = await harness.tenant().messages("s")
    assert (message.id, message.role, message.text, message.parts) == (
        "m1",
        "assistant",
        "你好, world",
        new.message.parts,
    )


async def test_a_message_sent_twice_is_stored_once(harness: LedgerHarness) -> None:
    await harness.do(append("s", "a", "b"))
    receipt = await harness.do(append("s", "b", "c"))
    assert (receipt.messages_added, receipt.messages_seen) == (1, 1)
    assert await ids(harness) == ["a", "b", "c"]


async def test_equal_words_without_a_common_id_are_two_messages(harness: LedgerHarness) -> None:
    await harness.do(append("s", "a"), append("s", "b"))
    assert len(await harness.finds("ana", "hello")) == 2


async def test_a_message_is_found_as_soon_as_it_is_acknowledged(harness: LedgerHarness) -> None:
    await harness.do(append("s", "m1"))
    assert await harness.finds("ana", "hello") == ["viking://user/ana/sessions/s/messages/m1.md"]


async def test_chunks_of_a_session_are_linked_across_messages(harness: LedgerHarness) -> None:
    await harness.do(append("s", "a", "b"))
    await harness.do(append("s", "c"))
    rows = await harness.rows('SELECT id, previous, "group", at, speaker FROM chunk ORDER BY id')
    assert [r[1] for r in rows] == [0, rows[0][0], rows[1][0]]
    assert len({r[2] for r in rows}) == 1
    assert {(r[3], r[4]) for r in rows} == {(10.0, "user")}


async def test_appends_at_once_lose_and_double_nothing(harness: LedgerHarness) -> None:
    await asyncio.gather(
        *(harness.do(append("s", f"m{n}")) for n in range(60)), *(harness.do(append("s", f"m{n}")) for n in range(60))
    )
    messages = await harness.tenant().messages("s")
    assert sorted(m.id for m in messages) == sorted(f"m{n}" for n in range(60))
    assert [m.ordinal for m in messages] == list(range(60))


async def test_a_session_opens_once(harness: LedgerHarness) -> None:
    await harness.do(OpenSession("s", {"k": 1}))
    with pytest.raises(Conflict) as refused:
        await harness.do(OpenSession("s"))
    assert refused.value.code == "ALREADY_EXISTS"
    again = await harness.do(OpenSession("s", exist_ok=True))
    assert again.session is not None
    assert again.session.config == {"k": 1}


async def test_a_bare_directory_below_sessions_becomes_a_session_by_an_append(harness: LedgerHarness) -> None:
    await harness.do(MakeDir(at("user/ana/sessions/s")))
    await harness.do(append("s", "m1"))
    assert await ids(harness) == ["m1"]
    await harness.do(MakeDir(at("user/ana/sessions/t")), OpenSession("t", exist_ok=True))
    assert (await harness.tenant().session("t")).message_count == 0


async def test_sessions_are_the_callers_own_newest_first(harness: LedgerHarness) -> None:
    await harness.do(append("old", "m"))
    harness.clock.advance(5)
    await harness.do(append("new", "m"))
    await harness.do(append("bens", "m"), caller=BEN)
    assert [s.id for s in await harness.tenant().sessions()] == ["new", "old"]
    with pytest.raises(NotFound):
        await harness.tenant().session("bens")


async def test_a_session_that_was_never_is_not_found(harness: LedgerHarness) -> None:
    for read in (harness.tenant().session("no"), harness.tenant().messages("no"), harness.tenant().archives("no")):
        with pytest.raises(NotFound):
            await read


async def test_counts_follow_what_happens(harness: LedgerHarness) -> None:
    await harness.do(append("s", "a", "b", "c"))
    await harness.do(archive("s", 1, "t1"))
    session = await harness.tenant().session("s")
    assert (session.message_count, session.total_message_count, session.pending_tokens) == (1, 3, 2)
    assert (session.commit_count, session.last_commit_at) == (1, harness.clock.now())


async def test_archiving_puts_live_messages_away_and_makes_its_task_and_job(harness: LedgerHarness) -> None:
    await harness.do(append("s", "a", "b", "c"))
    receipt = await harness.do(archive("s", 1, "t1"))
    assert (receipt.archive, receipt.archived_messages) == (1, 2)
    assert (await ids(harness, archive=1), await ids(harness, archive=0)) == (["a", "b"], ["c"])
    assert (await harness.tenant().task("t1")).status is TaskStatus.PENDING
    assert [j.task_id for j in await harness.lease(9)] == ["t1"]


async def test_archiving_nothing_makes_nothing(harness: LedgerHarness) -> None:
    await harness.do(append("s", "a"))
    await harness.do(archive("s", 0, "t1"))
    receipt = await harness.do(archive("s", 5, "t2"))
    assert receipt.archive == 0
    assert len(await harness.tenant().archives("s")) == 1
    with pytest.raises(NotFound):
        await harness.tenant().task("t2")
    assert [j.task_id for j in await harness.lease(9)] == ["t1"]


async def test_two_commits_at_once_share_the_messages(harness: LedgerHarness) -> None:
    await harness.do(append("s", *(f"m{n}" for n in range(20))))
    receipts = await asyncio.gather(*(harness.do(archive("s", 19, f"t{n}")) for n in range(5)))
    assert sorted(r.archived_messages for r in receipts) == [0, 0, 0, 0, 20]
    assert len(await harness.tenant().archives("s")) == 1


async def test_appends_and_commits_at_once_put_every_message_into_one_place(harness: LedgerHarness) -> None:
    async def say(n: int) -> None:
        await harness.do(append("s", f"m{n}"))

    await say(0)
    await asyncio.gather(*(say(n) for n in range(1, 30)), *(harness.do(archive("s", 99, f"t{n}")) for n in range(6)))
    everywhere = await ids(harness)
    per_place = [await ids(harness, archive=n) for n in range(7)]
    assert sorted(everywhere) == sorted(i for place in per_place for i in place) == sorted(f"m{n}" for n in range(30))
    session = await harness.tenant().session("s")
    assert session.message_count == len(per_place[0])


async def test_an_archive_is_finished_once(harness: LedgerHarness) -> None:
    await harness.do(append("s", "a"))
    await harness.do(archive("s", 0, "t"))
    await harness.do(FinishArchive("s", 1, Tiers("short", "long"), {"events": 2}))
    again = await harness.do(FinishArchive("s", 1, Tiers("other"), {"events": 2}))
    (one,) = await harness.tenant().archives("s")
    assert (one.state, one.abstract, one.overview, again.stale) == ("done", "short", "long", 1)
    assert (await harness.tenant().session("s")).memories_extracted == {"events": 2}


async def test_archives_are_numbered_in_order(harness: LedgerHarness) -> None:
    for n in range(3):
        await harness.do(append("s", f"m{n}"))
        await harness.do(archive("s", 99, f"t{n}"))
    assert [(a.id, a.message_count) for a in await harness.tenant().archives("s")] == [
        ("archive_001", 1),
        ("archive_002", 1),
        ("archive_003", 1),
    ]


async def test_configuration_is_merged_and_none_removes(harness: LedgerHarness) -> None:
    await harness.do(OpenSession("s", {"a": 1, "b": 2}))
    await harness.do(ConfigureSession("s", {"b": None, "c": 3}))
    assert (await harness.tenant().session("s")).config == {"a": 1, "c": 3}


async def test_use_is_counted(harness: LedgerHarness) -> None:
    await harness.do(OpenSession("s"))
    await harness.do(MarkUsed("s", (at("resources/a.md"),), 2))
    await harness.do(MarkUsed("s", (at("resources/b.md"),), 1))
    session = await harness.tenant().session("s")
    assert (session.contexts_used, session.skills_used) == (2, 3)


async def test_a_deleted_session_is_gone_at_once_and_its_name_is_free(harness: LedgerHarness) -> None:
    await harness.do(append("s", "a"))
    await harness.do(Remove(at("user/ana/sessions/s"), recursive=True))
    with pytest.raises(NotFound):
        await harness.tenant().session("s")
    assert await harness.tenant().sessions() == []
    await harness.do(append("s", "a"))
    assert [m.ordinal for m in await harness.tenant().messages("s")] == [0]
    while await harness.ledger.cleanup.purge(nodes_max=9):
        pass
    assert await ids(harness) == ["a"]


async def test_a_forgotten_message_is_gone_and_not_counted(harness: LedgerHarness) -> None:
    await harness.do(append("s", "a", "b"))
    await harness.do(Remove(at("user/ana/sessions/s/messages/a.md")))
    assert await ids(harness) == ["b"]
    session = await harness.tenant().session("s")
    assert (session.message_count, session.pending_tokens) == (1, 2)
    receipt = await harness.do(archive("s", 9, "t"))
    assert receipt.archived_messages == 1
    while await harness.ledger.cleanup.purge(nodes_max=9):
        pass
    assert await harness.ledger.maintenance.check() == []


async def test_pages_of_messages_go_on_after_an_ordinal(harness: LedgerHarness) -> None:
    await harness.do(append("s", *(f"m{n}" for n in range(5))))
    assert await ids(harness, after=1, limit=2) == ["m2", "m3"]


async def test_another_users_messages_are_denied(harness: LedgerHarness) -> None:
    await harness.do(append("s", "a"))
    with pytest.raises(Denied):
        await harness.tenant(BEN).read(at("user/ana/sessions/s/messages/a.md"))
    with pytest.raises(NotFound):
        await harness.do(archive("s", 9, "t"), caller=BEN)


async def test_a_message_cannot_be_overwritten(harness: LedgerHarness) -> None:
    await harness.do(append("s", "a"))
    with pytest.raises(Conflict):
        await harness.tenant(ANA).commit(Commit((put("user/ana/sessions/s/messages/a.md", "other"),)))


async def test_a_message_brings_its_files_along_only_when_it_is_added(harness: LedgerHarness) -> None:
    path = "user/ana/sessions/s/tool-results/tr_x/output.txt"
    await harness.do(Append("s", (replace(new_message("m1"), attached=(put(path, "one"),)),)))
    await harness.do(Append("s", (replace(new_message("m1"), attached=(put(path, "two"),)),)))
    assert await harness.text(path) == "one"


async def test_a_write_that_exceeds_a_policy_leaves_its_job_and_no_other_does(harness: LedgerHarness) -> None:
    job = NewJob("auto_commit", "auto_commit:s", {"session_id": "s"})
    config = {"auto_commit_policy": {"message_count_threshold": 1}}
    await harness.do(Append("s", (new_message("m1"),), config, job))
    assert await harness.tenant().pending() == 0
    await harness.do(Append("s", (new_message("m1"),), config, job))
    assert await harness.tenant().pending() == 0
    await harness.do(Append("s", (new_message("m2"),), {}, job))
    await harness.do(Append("s", (new_message("m3"),), {}, job))
    assert await harness.tenant().pending() == 1


async def test_sessions_fall_idle_by_their_own_policy(harness: LedgerHarness) -> None:
    for name, seconds in (("short", 10), ("long", 1_000)):
        config = {"auto_commit_policy": {"idle_timeout_seconds": seconds}}
        await harness.do(Append(name, (new_message(f"m-{name}"),), config))
    await harness.do(Append("none", (new_message("m-none"),)))
    now = harness.clock.now()
    assert await harness.ledger.backlog.idle_sessions(now=now + 10, limit=5) == []
    found = await harness.ledger.backlog.idle_sessions(now=now + 11, limit=5)
    assert [(caller.user, name) for caller, name in found] == [(harness.tenant().caller.user, "short")]


async def test_a_task_may_insist_on_being_alone(harness: LedgerHarness) -> None:
    await harness.do(NewTask("t1", "admin_reindex", "viking://resources", alone=True))
    with pytest.raises(Conflict):
        await harness.do(NewTask("t2", "admin_reindex", "viking://resources", alone=True))
    await harness.do(NewTask("t3", "admin_reindex", "viking://resources/d", alone=True))
    await harness.do(UpdateTask("t1", TaskStatus.COMPLETED))
    await harness.do(NewTask("t4", "admin_reindex", "viking://resources", alone=True))


async def test_listing_sessions_tells_what_each_tells_of_itself(harness: LedgerHarness) -> None:
    for name, count, keep in (("a", 5, 2), ("b", 1, 3), ("c", 4, 0)):
        await harness.do(append(name, *(f"m{n}" for n in range(count))))
        await harness.do(archive(name, 0, f"t{name}").replace(keep_recent_count=keep))
        harness.clock.advance(1)
    listed = await harness.tenant().sessions()
    assert listed == [await harness.tenant().session(name) for name in ("c", "b", "a")]
    assert [each.id for each in await harness.tenant().sessions(limit=2)] == ["c", "b"]


@pytest.mark.parametrize("count", [3, pytest.param(1_000, marks=pytest.mark.slow)])
async def test_listing_sessions_takes_the_same_statements_however_many(harness: LedgerHarness, count: int) -> None:
    statements: list[str] = []

    async def listed() -> int:
        def work(c: apsw.Connection) -> None:
            c.set_exec_trace(lambda _, sql, __: statements.append(sql) is None)
            sessions.sessions(c, ANA, 10_000)
            c.set_exec_trace(None)

        statements.clear()
        await harness.ledger.access.readers.read(work)
        return len(statements)

    await harness.do(append("s", "m0", "m1"))
    await harness.do(archive("s", 0, "t").replace(keep_recent_count=1))
    one = await listed()
    for n in range(count):
        await harness.do(append(f"s{n}", "m0", "m1"))
        await harness.do(archive(f"s{n}", 0, f"t{n}").replace(keep_recent_count=1))
    assert await listed() == one


async def test_messages_are_read_from_the_end_as_from_the_beginning(harness: LedgerHarness) -> None:
    await harness.do(append("s", *(f"m{n}" for n in range(5))))
    await harness.do(archive("s", 2, "t"))
    tenant = harness.tenant()
    for which, there in ((None, range(5)), (0, range(3, 5)), (1, range(3))):
        expected = [f"m{n}" for n in there]
        assert [m.id for m in await tenant.messages("s", archive=which)] == expected
        assert [m.id for m in await tenant.messages("s", archive=which, limit=2)] == expected[:2]
        assert [m.id for m in await tenant.messages("s", archive=which, limit=2, newest=True)] == expected[-2:]
    assert [m.id for m in await tenant.messages("s", after=2, newest=True)] == ["m3", "m4"]


async def test_an_archive_by_its_number_and_by_its_task(harness: LedgerHarness) -> None:
    for number in range(1, 6):
        await harness.do(append("s", f"m{number}"))
        await harness.do(archive("s", number - 1, f"t{number}"))
    for number, error in ((1, ""), (2, "late"), (3, ""), (4, "late")):
        await harness.do(FinishArchive("s", number, Tiers(f"a{number}"), {}, error=error))
    tenant = harness.tenant()
    every = await tenant.archives("s")
    assert [a.number for a in every] == [1, 2, 3, 4, 5]
    assert await tenant.archives("s", latest=True) == every[2:]
    assert await tenant.archive("s", number=2) == await tenant.archive("s", task_id="t2") == every[1]
    assert await tenant.archive("s", number=6) is None
    assert await tenant.archive("s", task_id="other") is None
    assert await tenant.failed_archives("s") == 2


async def test_sessions_and_tasks_go_on_where_a_page_ended(harness: LedgerHarness) -> None:
    for n in range(5):
        await harness.do(append(f"s{n}", "m"), NewTask(f"t{n}", "admin_reindex", f"viking://resources/{n}"))
        harness.clock.advance(1)
    tenant = harness.tenant()
    sessions, tasks = await tenant.sessions(), await tenant.tasks()
    assert await tenant.sessions(limit=2) + await tenant.sessions(limit=9, offset=2) == sessions
    assert await tenant.tasks(limit=2) + await tenant.tasks(limit=9, offset=2) == tasks
    assert len(sessions) == len(tasks) == 5


async def test_removed_messages_are_not_counted(harness: LedgerHarness) -> None:
    async def counted() -> tuple[int, int]:
        usage = await harness.ledger.stats.usage()
        rows = await harness.rows("SELECT count(*), sum(kind = 2) FROM node WHERE owner <> 0 AND gone = 0")
        assert (usage.nodes, usage.messages) == rows[0]
        return usage.nodes, usage.messages

    for name in ("s", "t"):
        await harness.do(append(name, "a", "b", "c"))
    nodes, messages = await counted()
    assert messages == 6
    await harness.do(Remove(at("user/ana/sessions/s/messages/b.md")))
    assert await counted() == (nodes - 1, 5)
    await harness.do(Remove(at("user/ana/sessions/s"), recursive=True))
    await counted()
    while await harness.ledger.cleanup.purge(nodes_max=2):
        await counted()
    assert (await counted())[1] == 3
    harness.clock.advance(10)
    await harness.ledger.maintenance.prune(keep_s=1)
    assert (await counted())[1] == 3
