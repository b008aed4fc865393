"""What a session was already given: entries by turn, so that a block does not say the same again too soon."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from recalld.domain.session import Session

KEY = "recall_log"
"""Under which a session's settings hold it."""
URIS_MAX = 500
TURNS_MAX = 100
VERSION = 1


@dataclass(frozen=True, slots=True)
class RecallLog:
    """``turn``: where the session is now; ``entries``: by address, the turn and the tier it was last given in."""

    turn: int = 0
    entries: dict[str, dict[str, Any]] = field(default_factory=dict)

    def cooled(self, turns: int) -> frozenset[str]:
        """Addresses given within the last ``turns``; those of which only the address was told are not among them."""
        return frozenset(
            uri for uri, at in self.entries.items() if at["detail"] != "uri" and self.turn - at["turn"] <= turns
        )

    def after(self, recalled: Sequence[tuple[str, str]], turn: int) -> dict[str, Any]:
        """The log as it is stored once these, (address, detail) each, were given in that turn too: the newest ``URIS_MAX``
        that can still matter. What was given again in a later turn stays as it is."""
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
    """A session's log; what cannot be read counts as never written."""
    turn = max(session.total_message_count, session.message_count)
    stored = session.config.get(KEY)
    raw = stored.get("entries") if isinstance(stored, Mapping) and stored.get("version") == VERSION else None
    if not isinstance(raw, Mapping):
        return RecallLog(turn)
    read = {str(u): {"turn": at["turn"], "detail": str(at.get("detail", ""))} for u, at in raw.items() if _dated(at)}
    return RecallLog(turn, read)


def _dated(at: object) -> bool:
    return isinstance(at, Mapping) and isinstance(at.get("turn"), int)
