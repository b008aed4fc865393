"""A message's own text, without recalled blocks quoted in it: the part that is indexed and extracted from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from recalld.domain.document import Chunk
from recalld.domain.session import Message

from .chunks import chunks_of_message
from .recall_markup import strip_recalled


def own_text(messages: Sequence[Message]) -> tuple[Message, ...]:
    """Return the messages with recalled blocks removed from their texts; their parts are unchanged."""
    return tuple(m if (text := strip_recalled(m.text)) == m.text else replace(m, text=text) for m in messages)


def chunks_of_own_text(message: Message) -> tuple[Chunk, ...]:
    """Return chunks of the message's own text. If something was removed, each chunk carries its text, since its offsets
    do not refer to the stored text."""
    (own,) = own_text((message,))
    chunks = chunks_of_message(own.text, own.peer_id or own.role, own.at, own.created_at)
    return chunks if own is message else tuple(replace(c, text=own.text[c.start : c.end]) for c in chunks)
