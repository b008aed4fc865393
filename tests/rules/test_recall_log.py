"""Entries recalled for a session are not repeated too soon."""

from typing import Any

import pytest

from recalld.domain.session import Session
from recalld.domain.uri import Uri
from recalld.rules.recall_log import KEY, URIS_MAX, RecallLog, log_of

HOME = Uri(("user", "ana", "sessions", "s"))


def session(turn: int, stored: Any = None) -> Session:
    return Session("s", HOME, 0.0, 0.0, total_message_count=turn, config={} if stored is None else {KEY: stored})


def entry(name: str, detail: str = "abstract") -> tuple[str, str]:
    return f"viking://resources/{name}", detail


def test_entries_cool_down_for_the_requested_turns() -> None:
    stored = log_of(session(10)).after([entry("a")], 10)
    assert log_of(session(15, stored)).cooled(5) == {"viking://resources/a"}
    assert log_of(session(16, stored)).cooled(5) == frozenset()


def test_an_address_alone_does_not_cool() -> None:
    stored = log_of(session(10)).after([entry("a", "uri"), entry("b", "full")], 10)
    assert log_of(session(10, stored)).cooled(5) == {"viking://resources/b"}


def test_the_newest_entries_are_kept() -> None:
    first = RecallLog(1).after([entry(f"a{i}") for i in range(URIS_MAX)], 1)
    stored = log_of(session(2, first)).after([entry("new")], 2)
    assert len(stored["entries"]) == URIS_MAX
    assert "viking://resources/new" in stored["entries"]


def test_entries_older_than_any_cool_down_are_dropped() -> None:
    first = RecallLog(1).after([entry("old")], 1)
    assert list(log_of(session(200, first)).after([entry("new")], 200)["entries"]) == ["viking://resources/new"]


@pytest.mark.parametrize(
    "stored", ["x", [], {}, {"version": 9}, {"version": 1, "entries": [1]}, {"version": 1, "entries": {"u": 1}}]
)
def test_an_unreadable_log_counts_as_empty(stored: Any) -> None:
    assert log_of(session(3, stored)) == RecallLog(3)


def test_concurrent_entries_are_merged() -> None:
    theirs = log_of(session(10)).after([entry("a", "full"), entry("b")], 12)
    both = log_of(session(12, theirs)).after([entry("a"), entry("c")], 10)
    assert {uri[-1]: (at["turn"], at["detail"]) for uri, at in both["entries"].items()} == {
        "a": (12, "full"),
        "b": (12, "abstract"),
        "c": (10, "abstract"),
    }


def test_it_is_the_wires_shape() -> None:
    stored = RecallLog(4).after([entry("a", "overview")], 4)
    assert stored == {
        "version": 1,
        "updated_turn": 4,
        "entries": {"viking://resources/a": {"turn": 4, "detail": "overview"}},
    }
