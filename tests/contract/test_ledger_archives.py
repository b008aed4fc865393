"""Archives are stretches of ordinals: a commit costs the same however many messages it archives."""

from __future__ import annotations

import apsw
import pytest
from msgspec.structs import replace

from recalld.adapters.sqlite.database.schema import MIGRATIONS
from recalld.adapters.sqlite.ledger import session_archives, sessions
from recalld.adapters.sqlite.ledger.integrity_check import check
from recalld.adapters.sqlite.ledger.transaction import WriteTx
from recalld.domain.commit import Append, Remove, Undelete
from tests.contract.ledger_harness import ANA, LedgerHarness, append, archive, at, new_message
from tests.counted import steps

FEW, MANY = 20, 1_000


def store(last: int = max(MIGRATIONS)) -> apsw.Connection:
    c = apsw.Connection(":memory:")
    for step in range(1, last + 1):
        c.execute(MIGRATIONS[step]).fetchall()
    return c


def say(c: apsw.Connection, session: str, count: int) -> None:
    sessions.append(WriteTx(c, ANA, 1.0, ""), Append(session, tuple(new_message(f"m{n}") for n in range(count))))


def commit(c: apsw.Connection, session: str, last: int, keep: int = 0) -> None:
    op = replace(archive(session, last, f"t-{session}"), keep_recent_count=keep)
    session_archives.archive_messages(WriteTx(c, ANA, 2.0, ""), op)


@pytest.mark.parametrize("keep", [0, 5])
def test_a_commit_of_many_messages_costs_as_much_as_one_of_few(keep: int) -> None:
    c = store()
    for name, count in (("few", FEW), ("many", MANY), ("warm", FEW)):
        say(c, name, count)
    commit(c, "warm", FEW - keep - 1, keep)
    few = steps(c, lambda: commit(c, "few", FEW - keep - 1, keep))
    many = steps(c, lambda: commit(c, "many", MANY - keep - 1, keep))
    assert many < 1.2 * few
    assert sessions.session(c, ANA, "many").message_count == keep
    assert check(c, repair=False) == []


async def test_an_archive_ends_where_the_session_does(harness: LedgerHarness) -> None:
    await harness.do(append("s", "a", "b"))
    await harness.do(archive("s", 99, "t"))
    await harness.do(append("s", "c"))
    assert [(m.id, m.archive) for m in await harness.tenant().messages("s")] == [("a", 1), ("b", 1), ("c", 0)]
    assert [m.id for m in await harness.tenant().messages("s", archive=0)] == ["c"]
    assert await harness.tenant().messages("s", archive=7) == []


async def test_a_message_restored_after_a_commit_belongs_to_the_archive(harness: LedgerHarness) -> None:
    await harness.do(append("s", "a", "b", "c"))
    await harness.do(Remove(at("user/ana/sessions/s/messages/b.md")))
    ((node,),) = await harness.rows("SELECT id FROM node WHERE gone > 0")
    receipt = await harness.do(archive("s", 1, "t"))
    assert receipt.archived_messages == 1
    await harness.do(Undelete(at("user/ana/sessions/s/messages/b.md"), node))
    assert [(m.id, m.archive) for m in await harness.tenant().messages("s")] == [("a", 1), ("b", 1), ("c", 0)]
    assert (await harness.tenant().session("s")).message_count == 1
    assert await harness.ledger.maintenance.check() == []


# ------------------------------------------------------------------ stores of version 9
def version_9() -> apsw.Connection:
    """Two archives and a live message; one message was forgotten, one restored after its neighbours were archived."""
    c = store(9)
    names = [(1, 0, "acme"), (2, 1, "user"), (3, 2, "ana"), (4, 3, "sessions"), (5, 4, "s"), (6, 5, "messages")]
    for id_, parent, name in names:
        c.execute(
            "INSERT INTO node (id, parent, name, kind, owner, seq, created, updated) VALUES (?,?,?,0,1,0,0,0)",
            (id_, parent, name),
        )
    c.execute("INSERT INTO owner (id, account, user) VALUES (1, 'acme', 'ana')")
    c.execute(
        "INSERT INTO session (node, owner, name, created, updated, next_ordinal, live, live_tokens, commits) "
        "VALUES (5, 1, 's', 0, 0, 7, 2, 4, 3)"
    )
    for ordinal, number in enumerate((1, 1, 2, 0, 2, 0, 0)):
        node, gone = 10 + ordinal, ordinal == 5
        c.execute(
            "INSERT INTO node (id, parent, name, kind, owner, seq, created, updated, gone) VALUES (?,6,?,2,1,0,0,0,?)",
            (node, f"m{ordinal}.md", int(gone)),
        )
        c.execute(
            "INSERT INTO message (node, session, ordinal, id, role, parts, text, created_at, at, archive, tokens) "
            "VALUES (?,5,?,?,'user','[]','words','',1.0,?,2)",
            (node, ordinal, f"m{ordinal}", number),
        )
    for number in (1, 2, 3):  # the messages of the third one are erased
        c.execute("INSERT INTO archive (session, number, created, messages) VALUES (5, ?, 0, 2)", (number,))
    c.execute("INSERT INTO trash (node, at) VALUES (15, 0)")
    return c


def test_archives_of_an_older_store_hold_what_they_held() -> None:
    c = version_9()
    c.execute(MIGRATIONS[10]).fetchall()
    found = [(m.id, m.archive) for m in sessions.messages(c, ANA, "s", None, -1, 99)]
    assert found == [("m0", 1), ("m1", 1), ("m2", 2), ("m3", 2), ("m4", 2), ("m6", 0)]
    for number in range(5):
        part = [m.id for m in sessions.messages(c, ANA, "s", number, -1, 99)]
        assert part == [id_ for id_, archived in found if archived == number], number
    now = sessions.session(c, ANA, "s")
    assert (now.message_count, now.pending_tokens) == (1, 2)
    assert check(c, repair=False) == []


def test_a_session_of_an_older_store_is_committed_on() -> None:
    c = version_9()
    for number in sorted(each for each in MIGRATIONS if each >= 10):
        c.execute(MIGRATIONS[number]).fetchall()
    say(c, "s", 8)  # of which it has all but m7
    commit(c, "s", 6)
    assert [m.id for m in sessions.messages(c, ANA, "s", 4, -1, 99)] == ["m6"]
    assert [m.id for m in sessions.messages(c, ANA, "s", 0, -1, 99)] == ["m7"]
    assert check(c, repair=False) == []
