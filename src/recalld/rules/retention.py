"""Which messages stay live after a commit, and which older messages fit a budget."""

from __future__ import annotations

from collections.abc import Sequence

from recalld.domain.session import Message, Session

TURNS_DEFAULT = 3
TURN_BUDGET_TOKENS = 12_000
AUTO_COMMIT_DEFAULTS = {
    "pending_token_threshold": 150_000,
    "message_count_threshold": 100,
    "idle_timeout_seconds": 86_400,
    "keep_recent_count": 0,
    "min_commit_interval_seconds": 0,
}


def last_archived(messages: Sequence[Message], keep_recent_count: int) -> int:
    """Return the ordinal of the last live message to archive; -1 if all stay."""
    away = len(messages) - keep_recent_count
    return messages[away - 1].ordinal if away > 0 else -1


def last_archived_by_turns(
    messages: Sequence[Message], turns: int = TURNS_DEFAULT, tokens_max: int = TURN_BUDGET_TOKENS, tail_min: int = 1
) -> int:
    """Return the same if whole turns stay live: the newest ``turns`` that fit ``tokens_max``, and at least the newest
    ``tail_min`` messages. A turn begins with a user's message."""
    keep, _ = retained_turns(messages, turns, tokens_max, tail_min)
    return last_archived(messages, min(max(keep, tail_min), len(messages)))


def retained_turns(
    messages: Sequence[Message], turns: int = TURNS_DEFAULT, tokens_max: int = TURN_BUDGET_TOKENS, tail_min: int = 1
) -> tuple[int, bool]:
    """Return how many of these messages stay as whole turns, and False if earlier messages could stay as well."""
    keep = used = starts = 0
    for count, message in enumerate(reversed(messages), 1):
        used += message.tokens
        if used > tokens_max and keep >= tail_min:
            return keep, True
        if count <= tail_min:
            keep = count
        if message.role == "user":
            starts += 1
            keep = max(keep, count)
            if starts == turns:
                return keep, True
    return keep, False


def fit(messages: Sequence[Message], tokens_max: int) -> list[Message]:
    """Return the newest messages within a budget, in order; always the newest one unless the budget is 0."""
    retained: list[Message] = []
    used = 0
    for message in reversed(messages):
        used += message.tokens
        if used > tokens_max and (retained or tokens_max == 0):
            break
        retained.append(message)
    return retained[::-1]


def due(session: Session, now: float) -> bool:
    """True if a write makes a session due for an automatic commit: a threshold of its policy is exceeded and the last
    commit is long enough ago."""
    policy = auto_commit_policy(session)
    if not policy or session.message_count <= policy["keep_recent_count"]:
        return False
    if session.last_commit_at and now - session.last_commit_at < policy["min_commit_interval_seconds"]:
        return False
    return (
        session.pending_tokens > policy["pending_token_threshold"]
        or session.message_count > policy["message_count_threshold"]
    )


def idle(session: Session, now: float) -> bool:
    """True if a session with a policy has live messages and none was added for the policy's idle time."""
    policy = auto_commit_policy(session)
    if not policy or session.message_count <= policy["keep_recent_count"]:
        return False
    return now - session.last_message_at > policy["idle_timeout_seconds"]


def auto_commit_policy(session: Session) -> dict[str, int]:
    """Return a session's policy with every field; {} if it does not commit automatically."""
    policy = session.config.get("auto_commit_policy")
    return {name: int(policy.get(name, usual)) for name, usual in AUTO_COMMIT_DEFAULTS.items()} if policy else {}
