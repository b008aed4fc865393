"""A question in the light of the talk it comes from."""

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
    """Add the latest user turns to a question that leans on them: short, or pointing at something said before.

    A question that stands on its own is left alone: words of the talk would only pull it away from its subject.
    """
    words = query.lower().split()
    leans = len(words) <= SHORT_WORDS and (len(words) <= 2 or any(w.strip("?.,!") in _POINTING for w in words))
    return " ".join([query, *_user_turns(query, recent)[-TURNS:]]) if leans else query


def expanded_queries(query: str, recent: Sequence[Message]) -> tuple[str, ...]:
    """Up to three questions, the caller's own words first: a question that leans on the talk is also asked with the
    latest user turns beside it, and the latest of these is asked alone."""
    wide = expand_query(query, recent)
    if wide == query:
        return (query,)
    return tuple(dict.fromkeys((query, wide, _user_turns(query, recent)[-1])))


def _user_turns(query: str, recent: Sequence[Message]) -> list[str]:
    """What users said in their own words, each turn cut, without the question itself."""
    turns = [strip_recalled(m.text[:TURN_CHARS_READ]).strip() for m in recent if m.role == "user"]
    return [turn[:TURN_CHARS_MAX] for turn in turns if turn and turn != query.strip()]
