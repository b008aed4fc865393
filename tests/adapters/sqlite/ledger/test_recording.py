"""The cost of an append does not depend on earlier messages."""

from __future__ import annotations

import apsw
import pytest

from recalld.adapters.sqlite.database.schema import MIGRATIONS
from recalld.adapters.sqlite.ledger import sessions
from recalld.adapters.sqlite.ledger.transaction import WriteTx
from recalld.domain.caller import Caller
from recalld.domain.commit import Append, NewMessage
from recalld.domain.session import Message
from tests.counted import steps

BESIDE = 600


def _store() -> apsw.Connection:
    c = apsw.Connection(":memory:")
    for step in sorted(MIGRATIONS):
        c.execute(MIGRATIONS[step])
    return c


def _append(c: apsw.Connection, session: str, *ids: str) -> WriteTx:
    tx = WriteTx(c, Caller("acme", "ada"), 1.0, "")
    messages = tuple(NewMessage(Message(id_, "user", (), "words"), (), "") for id_ in ids)
    sessions.append(tx, Append(session, messages))
    return tx


def test_append_cost_does_not_depend_on_earlier_messages() -> None:
    c = _store()
    _append(c, "talk", "m0")
    alone = steps(c, lambda: _append(c, "talk", "m1"))
    for number in range(BESIDE):
        _append(c, "talk", f"more{number}")
        _append(c, f"session{number}", "m0")
    assert steps(c, lambda: _append(c, "talk", "m2")) < 2 * alone
    c.close()


def test_the_same_message_twice_is_one() -> None:
    c = _store()
    first = _append(c, "talk", "a", "b", "a")
    again = _append(c, "talk", "b", "c")
    assert (first.result.messages_added, first.result.messages_seen) == (2, 1)
    assert (again.result.messages_added, again.result.messages_seen) == (1, 1)
    c.close()


@pytest.mark.parametrize("value", [1 << 80, float("inf"), -0.5, "\u20ac\0", [{"a": None}], 1e300])
def test_parts_read_back_as_they_were(value: object) -> None:
    c = _store()
    message = Message("m", "user", ({"type": "x", "value": value},), "words", at=3)
    sessions.append(WriteTx(c, Caller("acme", "ada"), 1.0, ""), Append("talk", (NewMessage(message, (), ""),)))
    (found,) = sessions.messages(c, Caller("acme", "ada"), "talk", None, -1, 9)
    assert (found.parts, found.at) == (message.parts, 3.0)
    c.close()
