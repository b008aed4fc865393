"""Which messages stay live after a commit, and which older messages fit a budget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from recalld.domain.errors import Invalid
from recalld.domain.session import Message, Session

TURN_BUDGET = "turn_budget"
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


@dataclass(frozen=True, slots=True)
class Retention:
    """What a commit leaves live: the newest messages by their count, or with ``mode`` ``turn_budget`` whole turns.

    The newest ``turns`` stay that fit ``token_budget``, and at least the newest ``tail_steps`` messages. A turn begins
    with a user's message. None: the default. Raises ``Invalid`` for another mode, and for the others without it.
    """

    mode: str | None = None
    turns: int | None = None
    token_budget: int | None = None
    tail_steps: int | None = None

    def __post_init__(self) -> None:
        if self.mode not in {None, TURN_BUDGET}:
            raise Invalid(
                f"retention_mode {self.mode!r} is unknown",
                remedy=f"use {TURN_BUDGET} or leave it out",
                details={"field": "retention_mode"},
            )
        named = [name for name, value in self.settings().items() if value is not None]
        if named and self.mode is None:
            raise Invalid(
                f"{', '.join(named)} needs retention_mode",
                remedy=f"add retention_mode: {TURN_BUDGET}",
                details={"fields": named},
            )

    def settings(self) -> dict[str, Any]:
        """Return this as settings of a session, which stores those of its last commit."""
        return {
            "retention_mode": self.mode,
            "keep_recent_turn_count": self.turns,
            "retained_message_token_budget": self.token_budget,
            "min_raw_tail_steps": self.tail_steps,
        }

    def last_archived(self, messages: Sequence[Message], keep_recent_count: int) -> int:
        """Ordinal of the last live message to archive; -1 if all stay."""
        if self.mode is not None:
            retained, _ = self._retained(messages)
            keep_recent_count = min(max(retained, self._tail), len(messages))
        return last_archived(messages, keep_recent_count)

    def decided_by(self, newest: Sequence[Message], keep_recent_count: int) -> bool:
        """True when what stays live is among these, whatever came before them."""
        if self.mode is None:
            return len(newest) > keep_recent_count
        return self._retained(newest)[1] and self.last_archived(newest, keep_recent_count) >= 0

    def exceeded_by(self, active_tokens: int) -> bool:
        """True when the messages that stay in any case are more than the budget."""
        return self.mode is not None and active_tokens > (self.token_budget or TURN_BUDGET_TOKENS)

    @property
    def _tail(self) -> int:
        return 1 if self.tail_steps is None else self.tail_steps

    def _retained(self, messages: Sequence[Message]) -> tuple[int, bool]:
        """How many of these messages stay as whole turns; False: messages before them could stay too."""
        turns = TURNS_DEFAULT if self.turns is None else self.turns
        tokens_max = TURN_BUDGET_TOKENS if self.token_budget is None else self.token_budget
        keep = used = starts = 0
        for count, message in enumerate(reversed(messages), 1):
            used += message.tokens
            if used > tokens_max and keep >= self._tail:
                return keep, True
            if count <= self._tail:
                keep = count
            if message.role == "user":
                starts += 1
                keep = max(keep, count)
                if starts == turns:
                    return keep, True
        return keep, False


BY_COUNT = Retention()


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
