"""Messages that stay live, and messages that fit a budget."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recalld.domain.errors import Invalid
from recalld.domain.session import Message, Session
from recalld.domain.uri import Uri
from recalld.rules.retention import Retention, due, fit, idle, last_archived

POLICY = {"pending_token_threshold": 100, "message_count_threshold": 5, "idle_timeout_seconds": 60}


def messages_of(*roles: str, tokens: int = 10) -> list[Message]:
    return [Message(f"m{i}", role, (), "", ordinal=i, tokens=tokens) for i, role in enumerate(roles)]


def test_the_newest_stay() -> None:
    assert last_archived(messages_of("user", "assistant", "user"), 1) == 1
    assert last_archived(messages_of("user"), 5) == -1


def test_whole_turns_stay() -> None:
    messages = messages_of("user", "assistant", "user", "assistant", "user", "assistant")
    assert Retention("turn_budget", turns=2).last_archived(messages, 0) == 1


def test_a_turn_beyond_the_budget_goes() -> None:
    messages = messages_of("user", "assistant", "user", "assistant", tokens=100)
    assert Retention("turn_budget", turns=2, token_budget=250).last_archived(messages, 0) == 1


@pytest.mark.parametrize("options", [{"turns": 2}, {"token_budget": 1}, {"tail_steps": 1}, {"mode": "sometimes"}])
def test_options_of_turns_need_their_mode(options: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        Retention(**options)
    assert Retention(**{"mode": "turn_budget", **options} if "mode" not in options else {"mode": "turn_budget"})


@given(st.lists(st.tuples(st.sampled_from(["user", "assistant"]), st.integers(0, 50)), max_size=30), st.integers(0, 99))
def test_what_is_decided_by_the_newest_messages_is_what_all_decide(turns: list[tuple[str, int]], budget: int) -> None:
    messages = [Message(f"m{i}", role, (), "", ordinal=i, tokens=n) for i, (role, n) in enumerate(turns)]
    retention = Retention("turn_budget", turns=2, token_budget=budget)
    for start in range(len(messages) + 1):
        if retention.decided_by(messages[start:], 0):
            assert retention.last_archived(messages[start:], 0) == retention.last_archived(messages, 0)


@given(st.lists(st.integers(0, 50), max_size=20), st.integers(0, 200))
def test_the_newest_messages_that_fit_stay_live(sizes: list[int], budget: int) -> None:
    messages = [Message(f"m{i}", "user", (), "", ordinal=i, tokens=n) for i, n in enumerate(sizes)]
    live = fit(messages, budget)
    assert live == messages[len(messages) - len(live) :]
    assert sum(m.tokens for m in live) <= budget or len(live) == 1


def session(policy: object = POLICY, **state: Any) -> Session:
    return Session("s", Uri(("user", "ana", "sessions", "s")), 0.0, 0.0, config={"auto_commit_policy": policy}, **state)


def test_a_session_is_due_only_beyond_its_threshold() -> None:
    assert not due(session(message_count=5, pending_tokens=100), 10.0)
    assert due(session(message_count=6, pending_tokens=0), 10.0)
    assert due(session(message_count=1, pending_tokens=101), 10.0)
    assert not due(session(None, message_count=1_000, pending_tokens=1_000_000), 10.0)


def test_a_session_is_not_due_within_the_interval_after_its_last_commit() -> None:
    held = {**POLICY, "min_commit_interval_seconds": 30}
    assert not due(session(held, message_count=6, last_commit_at=100.0), 129.0)
    assert due(session(held, message_count=6, last_commit_at=100.0), 130.0)


def test_a_session_is_not_due_while_everything_would_stay() -> None:
    assert not due(session({**POLICY, "keep_recent_count": 6}, message_count=6), 10.0)


def test_a_session_falls_idle_after_its_time() -> None:
    assert not idle(session(message_count=1, last_message_at=100.0), 160.0)
    assert idle(session(message_count=1, last_message_at=100.0), 161.0)
    assert not idle(session(message_count=0, last_message_at=100.0), 161.0)
