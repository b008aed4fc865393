"""Which messages stay live after a commit, and which of a session's past fits a budget."""

from __future__ import annotations

from collections.abc import Sequence

from recalld.domain.session import Message

TURNS_DEFAULT = 3
TURN_BUDGET_TOKENS = 12_000


def last_archived(messages: Sequence[Message], keep_recent_count: int) -> int:
    """Ordinal of the last live message to archive; -1 if all stay."""
    away = len(messages) - keep_recent_count
    return messages[away - 1].ordinal if away > 0 else -1


def last_archived_by_turns(
    messages: Sequence[Message], turns: int = TURNS_DEFAULT, tokens_max: int = TURN_BUDGET_TOKENS, tail_min: int = 1
) -> int:
    """The same where whole turns are kept: the newest ``turns`` that fit ``tokens_max``, and at least the newest
    ``tail_min`` messages. A turn begins with a user's message."""
    keep = used = 0
    starts = 0
    for count, message in enumerate(reversed(messages), 1):
        used += message.tokens
        if used > tokens_max and keep >= tail_min:
            break
        if count <= tail_min:
            keep = count
        if message.role == "user":
            starts += 1
            keep = max(keep, count)
            if starts == turns:
                break
    return last_archived(messages, min(max(keep, tail_min), len(messages)))


def fit(messages: Sequence[Message], tokens_max: int) -> list[Message]:
    """The newest messages within a budget, in order; the newest one always, unless the budget is 0."""
    kept: list[Message] = []
    used = 0
    for message in reversed(messages):
        used += message.tokens
        if used > tokens_max and (kept or tokens_max == 0):
            break
        kept.append(message)
    return kept[::-1]
