"""The file of a memory proposed by a language model: recalld sets path, name and quotations, the model writes only the
sentence."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC

from recalld.domain.memory_type import BY_NAME
from recalld.domain.session import Message

from . import memory_footer
from .events import slug
from .fact_sentences import day, moment, quote, speaker, windows
from .llm_output_parser import ProposedMemory
from .openviking_json import tokens

QUOTES_MAX = 6
MESSAGE_CHARS_MAX = 2_000
"""A longer message is read in pieces of this size."""
MESSAGE_TOKENS = 20
"""A line's label, speaker and date."""
STRETCH_TOKENS = 4_000


@dataclass(frozen=True, slots=True)
class Memory:
    """A memory to write; the fields have the same meaning as in ``events.Event``."""

    key: str
    path: str
    text: str
    message_ids: tuple[str, ...]
    at: float
    peer_id: str


def memory(proposal: ProposedMemory, by_label: Mapping[str, Message]) -> Memory:
    """The file of one proposal. Its quotations are the messages' own words."""
    quoted = sorted((by_label[label] for label in proposal.labels), key=lambda m: m.ordinal)[:QUOTES_MAX]
    first = quoted[0]
    ids = tuple(dict.fromkeys(m.id for m in quoted))
    key = hashlib.sha256("\n".join((proposal.type, proposal.title, *ids)).encode("utf-8", "replace")).hexdigest()
    name, when = f"{slug(proposal.title)}_{key[:6]}", moment(first)
    kind = BY_NAME[proposal.type]
    place = f"{kind.name}/{when:%Y/%m/%d}" if kind.dated else kind.name
    stamp = f"{when.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    fields = {
        "memory_type": kind.singular or kind.name,
        "version": 1,
        "created_at": stamp,
        "updated_at": stamp,
        "event_name": name,
        "messages": list(ids),
    }
    return Memory(
        key[:16],
        f"{place}/{name}.md",
        memory_footer.attach(_body(proposal, quoted), fields),
        ids,
        first.at,
        first.peer_id,
    )


def _body(proposal: ProposedMemory, quoted: Sequence[Message]) -> str:
    who = ", ".join(dict.fromkeys(map(speaker, quoted)))
    quotes = "\n>\n".join(quote(m, " ".join(m.text.split())) for m in quoted)
    return f"# {proposal.title}\n\n## Summary\n\n{day(quoted[0])}, {who}: {proposal.text}\n\n{quotes}"


def stretches(messages: Sequence[Message], tokens_max: int = STRETCH_TOKENS) -> list[tuple[Message, ...]]:
    """Split messages into batches for one prompt each, in order and by peer. Nothing is dropped: a long message
    becomes several pieces with the same id."""
    by_peer: dict[str, list[Message]] = {}
    for message in (piece for whole in messages for piece in _pieces(whole)):
        by_peer.setdefault(message.peer_id, []).append(message)
    found: list[tuple[Message, ...]] = []
    for peer_messages in by_peer.values():
        held: list[Message] = []
        size = 0
        for message in peer_messages:
            weight = tokens(message.text) + MESSAGE_TOKENS
            if held and size + weight > tokens_max:
                found.append(tuple(held))
                held, size = [], 0
            held.append(message)
            size += weight
        if held:
            found.append(tuple(held))
    return found


def _pieces(message: Message) -> list[Message]:
    if len(message.text) <= MESSAGE_CHARS_MAX:
        return [message]
    return [replace(message, text=text) for text in windows(message.text, MESSAGE_CHARS_MAX)]
