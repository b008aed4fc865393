"""Event memories of an archive without a model: decisive turns, quoted with date, speaker and message id."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import Final

from recalld.domain.session import Message

from . import memory_footer, names
from .archive_summary import MESSAGES_SCANNED_MAX
from .fact_sentences import DECISIVE, Statement, day, moment, quote, speaker, statements_of
from .salience import terms
from .sentences import fit

EVENTS_MAX: Final = 20
QUOTES_PER_EVENT_MAX: Final = 6
_GAP_TURNS: Final = 4
_SENTENCES_PER_TURN: Final = 3
_TITLE_CHARS: Final = 80
_SLUG_CHARS: Final = 36
_NOT_WORD = re.compile(r"[^\w]+")
_LEADING = re.compile(r"(?:(?:well|so|and|but|also|yeah|yes|wow|oh|hey|by the way|actually)[, !]+)+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Event:
    """An event memory to write.

    ``key``: derived from the quoted messages, so a retry gives the same; ``path``: below the memory root
    (``events/2024/05/08/name.md``); ``text``: the whole file with its footer; ``at``: epoch seconds of its first quote.
    """

    key: str
    name: str
    path: str
    text: str
    message_ids: tuple[str, ...]
    at: float
    peer_id: str = ""


@dataclass(frozen=True, slots=True)
class _Turn:
    """The statements of a message, or of one window of a long message."""

    message: Message
    order: int
    window: int
    statements: tuple[Statement, ...]
    score: float


def events(messages: Sequence[Message]) -> tuple[Event, ...]:
    """Return at most 20 events in message order; () if no message is decisive.

    A decisive statement has at least two signs of a fact (names, numbers, dates, decisions, preferences). Greetings,
    thanks, questions, requests and code are left out. Neighbouring decisive turns of one day and one peer form one
    event.
    """
    turns = _decisive_turns(messages[:MESSAGES_SCANNED_MAX])
    groups = sorted(_grouped(turns), key=lambda group: (-max(t.score for t in group), group[0].order))[:EVENTS_MAX]
    groups.sort(key=lambda group: (group[0].message.at, group[0].order))
    return tuple(_event(group) for group in groups)


def _decisive_turns(messages: Sequence[Message]) -> list[_Turn]:
    turns: list[_Turn] = []
    quoted: set[str] = set()
    for order, (message, found) in enumerate(statements_of(messages)):
        by_window: dict[int, list[Statement]] = {}
        for s in found:
            if s.score >= DECISIVE and s.text.casefold() not in quoted:
                by_window.setdefault(s.window, []).append(s)
        for window, candidates in by_window.items():
            best = sorted(sorted(candidates, key=lambda s: -s.score)[:_SENTENCES_PER_TURN], key=candidates.index)
            quoted.update(s.text.casefold() for s in best)
            turns.append(_Turn(message, order, window, tuple(best), max(s.score for s in best)))
    return turns


def _grouped(turns: Sequence[_Turn]) -> list[list[_Turn]]:
    groups: list[list[_Turn]] = []
    open_group: dict[str, list[_Turn]] = {}
    for turn in turns:
        peer = turn.message.peer_id
        group = open_group.get(peer)
        if (
            group is None
            or len(group) >= QUOTES_PER_EVENT_MAX
            or turn.order - group[-1].order > _GAP_TURNS
            or day(turn.message) != day(group[0].message)
        ):
            group = open_group[peer] = []
            groups.append(group)
        group.append(turn)
    return groups


def _event(group: Sequence[_Turn]) -> Event:
    ids = tuple(dict.fromkeys(turn.message.id for turn in group))
    # The windows of one long message may make several events; the first keeps the key that short messages have.
    places = dict.fromkeys(f"{t.message.id}#{t.window}" if t.window else t.message.id for t in group)
    mark = hashlib.sha256("\n".join(places).encode("utf-8", "replace")).hexdigest()
    top = _best(group)
    at = group[0].message.at
    when = moment(group[0].message)
    leading = _LEADING.match(top.text)
    title = fit(top.text[leading.end() if leading else 0 :] or top.text, _TITLE_CHARS)
    # Two archives may describe one day in the same words; the suffix keeps one from overwriting the other.
    name = f"{slug(title)}_{mark[:6]}"
    quotes = [quote(turn.message, " ".join(s.text for s in turn.statements)) for turn in group]
    who = ", ".join(dict.fromkeys(speaker(turn.message) for turn in group))
    body = "\n".join(
        [f"# {title}", "", "## Summary", "", f"{day(group[0].message)}, {who}: {top.text}", "", "\n>\n".join(quotes)]
    )
    stamp = f"{when.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    fields = {
        "memory_type": "event",
        "version": 1,
        "created_at": stamp,
        "updated_at": stamp,
        "event_name": name,
        "messages": list(ids),
    }
    path = f"events/{when:%Y/%m/%d}/{name}.md"
    return Event(mark[:16], name, path, memory_footer.attach(body, fields), ids, at, group[0].message.peer_id)


def _best(group: Sequence[_Turn]) -> Statement:
    """Return the statement that shares most with the others of its event, among the most decisive ones."""
    term_counts: Counter[str] = Counter()
    for turn in group:
        for one in turn.statements:
            term_counts.update(set(terms(one.text)))
    every = [one for turn in group for one in turn.statements]
    return max(
        every, key=lambda s: (s.score + 0.1 * sum(term_counts[t] - 1 for t in set(terms(s.text))), -every.index(s))
    )


def slug(title: str) -> str:
    """Return a file name from a title: legal anywhere in the tree, at most 36 characters."""
    words = names.segment(_NOT_WORD.sub("_", title)).lower()
    if len(words) <= _SLUG_CHARS:
        return words
    cut = words[:_SLUG_CHARS]
    at = cut.rfind("_")
    return cut[:at] if at > _SLUG_CHARS // 2 else cut
