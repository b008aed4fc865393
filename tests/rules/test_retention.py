"""What stays live, what fits a budget."""

from hypothesis import given
from hypothesis import strategies as st

from recalld.domain.session import Message
from recalld.rules.retention import fit, last_archived, last_archived_by_turns


def talk(*roles: str, tokens: int = 10) -> list[Message]:
    return [Message(f"m{i}", role, (), "", ordinal=i, tokens=tokens) for i, role in enumerate(roles)]


def test_the_newest_stay() -> None:
    assert last_archived(talk("user", "assistant", "user"), 1) == 1
    assert last_archived(talk("user"), 5) == -1


def test_whole_turns_stay() -> None:
    messages = talk("user", "assistant", "user", "assistant", "user", "assistant")
    assert last_archived_by_turns(messages, turns=2) == 1


def test_a_turn_beyond_the_budget_goes() -> None:
    messages = talk("user", "assistant", "user", "assistant", tokens=100)
    assert last_archived_by_turns(messages, turns=2, tokens_max=250) == 1


@given(st.lists(st.integers(0, 50), max_size=20), st.integers(0, 200))
def test_what_fits_is_the_newest_run(sizes: list[int], budget: int) -> None:
    messages = [Message(f"m{i}", "user", (), "", ordinal=i, tokens=n) for i, n in enumerate(sizes)]
    kept = fit(messages, budget)
    assert kept == messages[len(messages) - len(kept) :]
    assert sum(m.tokens for m in kept) <= budget or len(kept) == 1
