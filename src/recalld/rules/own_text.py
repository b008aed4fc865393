"""A message's own words: what is indexed and learnt of it, without what was recalled to its speaker."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from recalld.domain.document import Chunk
from recalld.domain.session import Message

from .chunks import chunks_of_message
from .recall_markup import strip_recalled


def own_text(messages: Sequence[Message]) -> tuple[Message, ...]:
    """The same messages with texts of their own words alone; their parts stay as they came."""
    return tuple(m if (text := strip_recalled(m.text)) == m.text else replace(m, text=text) for m in messages)


def chunks_of_own_text(message: Message) -> tuple[Chunk, ...]:
    """Chunks of what the message itself says. Where something was left out, each chunk carries its words: the offsets
    are not those of the stored text."""
    (own,) = own_text((message,))
    chunks = chunks_of_message(own.text, own.peer_id or own.role, own.at, own.created_at)
    return chunks if own is message else tuple(replace(c, text=own.text[c.start : c.end]) for c in chunks)
