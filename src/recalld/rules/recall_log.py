"""The log of entries recalled for a session, by turn, so that a block does not repeat them too soon."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from recalld.domain.session import Session

KEY = "recall_log"
"""Key of the log in a session's settings."""
URIS_MAX = 500
TURNS_MAX = 100
VERSION = 1


@dataclass(frozen=True, slots=True)
class RecallLog:
    """``turn``: the session's current turn; ``entries``: by address, the turn and tier of its last recall."""

    turn: int = 0
    entries: dict[str, dict[str, Any]] = field(default_factory=dict)

    def cooled(self, turns: int) -> frozenset[str]:
        """Return addresses recalled within the last ``turns``, except those recalled as a bare address."""
        return frozenset(
            uri for uri, at in self.entries.items() if at["detail"] != "uri" and self.turn - at["turn"] <= turns
        )

    def after(self, recalled: Sequence[tuple[str, str]], turn: int) -> dict[str, Any]:
        """Return the log to store after these (address, detail) pairs were recalled in ``turn``: the newest ``URIS_MAX`` that
        can still matter. An entry of a later turn stays."""
        now = max(turn, *(at["turn"] for at in self.entries.values()), 0)
        fresh = {
            uri: {"turn": turn, "detail": detail}
            for uri, detail in recalled
            if uri not in self.entries or self.entries[uri]["turn"] <= turn
        }
        older = {u: at for u, at in self.entries.items() if u not in fresh and now - at["turn"] <= TURNS_MAX}
        newest = sorted(older, key=lambda u: -older[u]["turn"])[: max(0, URIS_MAX - len(fresh))]
        entries = {**{u: older[u] for u in reversed(newest)}, **dict(list(fresh.items())[:URIS_MAX])}
        return {"version": VERSION, "updated_turn": now, "entries": entries}


def log_of(session: Session) -> RecallLog:
    """Return a session's log. An unreadable log counts as empty."""
    turn = max(session.total_message_count, session.message_count)
    stored = session.config.get(KEY)
    raw = stored.get("entries") if isinstance(stored, Mapping) and stored.get("version") == VERSION else None
    if not isinstance(raw, Mapping):
        return RecallLog(turn)
    read = {
        str(u): {"turn": at["turn"], "detail": str(at.get("detail", ""))}
        for u, at in raw.items()
        if isinstance(at, Mapping) and isinstance(at.get("turn"), int)
    }
    return RecallLog(turn, read)
