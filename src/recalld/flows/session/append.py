"""Append messages: durable and findable before the caller gets its answer."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from recalld.domain.caller import Caller, identifier
from recalld.domain.commit import Append, Commit, NewMessage
from recalld.domain.errors import Invalid, NotFound
from recalld.domain.job import Lane, NewJob
from recalld.domain.report import Appended
from recalld.domain.session import BATCH_MESSAGES_MAX, Message
from recalld.ports.doors import Doors
from recalld.rules.address import resolve
from recalld.rules.chunks import chunks_of_message
from recalld.rules.wire import message_from

ABSTRACT_CHARS_MAX = 2_000
_SESSION_ID = re.compile(r"[A-Za-z0-9._:@-]{1,128}")
EMBED = NewJob("embed", "embed", lane=Lane.INTERACTIVE)


async def append(
    session_id: str, raw: Sequence[Mapping[str, Any]], idempotency_key: str, caller: Caller, doors: Doors
) -> Appended:
    """Append wire messages in order; the session is made if it is missing.

    A message with an ``id`` the session already has is counted, not added. An ``idempotency_key`` names every message of
    this call that has no id, so that a repeated call adds nothing; without both, equal messages are separate.
    """
    check_session_id(session_id)
    if not raw or len(raw) > BATCH_MESSAGES_MAX:
        raise Invalid(
            f"{len(raw)} messages in one call", remedy=f"send 1 to {BATCH_MESSAGES_MAX}", details={"field": "messages"}
        )
    now = doors.clock.now()
    ids = [_keyed_id(idempotency_key, i) if idempotency_key else f"msg_{doors.clock.token()}" for i in range(len(raw))]
    shaped = await doors.compute.run(_shape, raw, ids, caller, now)
    receipt = await doors.ledger.tenant(caller).commit(Commit((Append(session_id, shaped),), (EMBED,)))
    session = receipt.session
    if session is None:
        raise NotFound(
            f"Session not found: {session_id}",
            remedy="append again",
            details={"type": "session", "resource": session_id},
        )
    return Appended(
        session_id,
        receipt.messages_added,
        session.message_count,
        session.pending_tokens,
        tuple(m.message.id for m in shaped),
    )


def check_session_id(session_id: str) -> None:
    """A session's id is one segment of an address. Raises ``Invalid``."""
    if not _SESSION_ID.fullmatch(session_id) or session_id in {".", ".."}:
        raise Invalid(
            f"session_id {session_id[:60]!r} is not an identifier",
            remedy="use up to 128 letters, digits and . _ : @ -",
            details={"field": "session_id"},
        )


def _keyed_id(key: str, index: int) -> str:
    named = hashlib.sha256(f"{index}\x00{key}".encode()).hexdigest()
    return f"msg_{named[:32]}"


def _split_tools(raw: dict[str, Any], fresh: str, caller: Caller, now: float) -> list[Message]:
    """A user message made only of several tool parts is one message a part, as the wire has it."""
    parts = raw.get("parts")
    if isinstance(parts, list):
        raw["parts"] = parts = [_with_uri(p, caller, now) for p in parts]
    if raw.get("peer_id"):
        identifier(str(raw["peer_id"]), "peer_id")
    only_tools = (
        isinstance(parts, list)
        and len(parts) > 1
        and all(isinstance(p, dict) and p.get("type") == "tool" for p in parts)
    )
    if raw.get("role") != "user" or not only_tools or parts is None:
        return [message_from(raw, fresh, now)]
    named = raw.get("id")
    return [
        message_from(
            {**raw, "parts": [p], "id": f"{named}.{i}" if named and i else named},
            fresh if i == 0 else f"{fresh}.{i}",
            now,
        )
        for i, p in enumerate(parts)
    ]


def _with_uri(part: object, caller: Caller, now: float) -> object:
    """A context part names what it shows by its full address."""
    if isinstance(part, dict) and part.get("type") == "context" and part.get("uri"):
        return {**part, "uri": str(resolve(str(part["uri"]), caller, now))}
    return part


def _shape(raw: Sequence[Mapping[str, Any]], ids: list[str], caller: Caller, now: float) -> tuple[NewMessage, ...]:
    """Check and cut them all: a batch may be megabytes, so not on the loop."""
    return tuple(
        NewMessage(m, chunks_of_message(m.text, m.peer_id or m.role, m.at, m.created_at), m.text[:ABSTRACT_CHARS_MAX])
        for one, fresh in zip(raw, ids, strict=True)
        for m in _split_tools(dict(one), fresh, caller, now)
    )
