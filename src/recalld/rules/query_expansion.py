"""Expands a query with the latest turns of its conversation."""

from __future__ import annotations

from collections.abc import Sequence

from recalld.domain.session import Message

from .recall_markup import strip_recalled

TURNS = 2
TURN_CHARS_MAX = 200
TURN_CHARS_READ = 65_536
SHORT_WORDS = 6
_POINTING = frozenset(
    ["it", "that", "this", "they", "them", "he", "she", "those", "these", "there", "它", "他", "她", "那", "这"]
)


def expand_query(query: str, recent: Sequence[Message]) -> str:
    """Return the query with the latest user turns appended, if it depends on them: it is very short, or short with a pronoun.

    A self-contained query is returned unchanged: other words would pull it away from its subject.
    """
    words = query.lower().split()
    depends = len(words) <= SHORT_WORDS and (len(words) <= 2 or any(w.strip("?.,!") in _POINTING for w in words))
    return " ".join([query, *_user_turns(query, recent)[-TURNS:]]) if depends else query


def expanded_queries(query: str, recent: Sequence[Message]) -> tuple[str, ...]:
    """Return up to three queries, the caller's own first: a query that depends on the conversation is also run with the
    latest user turns appended, and the latest of these is run alone."""
    expanded = expand_query(query, recent)
    if expanded == query:
        return (query,)
    return tuple(dict.fromkeys((query, expanded, _user_turns(query, recent)[-1])))


def _user_turns(query: str, recent: Sequence[Message]) -> list[str]:
    """Return the user turns in their own words, truncated, without the query itself."""
    turns = [strip_recalled(m.text[:TURN_CHARS_READ]).strip() for m in recent if m.role == "user"]
    return [turn[:TURN_CHARS_MAX] for turn in turns if turn and turn != query.strip()]
