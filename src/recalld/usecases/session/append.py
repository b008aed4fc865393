"""Append messages: durable and findable before the caller gets its answer."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from recalld.domain.caller import Caller, identifier
from recalld.domain.commit import INLINE_BYTES_MAX, Append, Commit, NewMessage, PutFile, WriteMode
from recalld.domain.errors import Invalid, NotFound
from recalld.domain.job import AutoCommitPayload, EmbedPayload, Lane, NewJob
from recalld.domain.policy import DOCUMENT_BYTES_MAX, SessionPolicy
from recalld.domain.results import Appended
from recalld.domain.session import BATCH_MESSAGES_MAX
from recalld.domain.uri import Uri
from recalld.ports.bundle import Ports
from recalld.rules.address import resolve
from recalld.rules.ids import check_session_id
from recalld.rules.openviking_json import iso, message_from, unread_times
from recalld.rules.own_text import chunks_of_own_text, own_text
from recalld.rules.retention import AUTO_COMMIT_DEFAULTS
from recalld.rules.tool_outputs import FACTS_FILE, FOLDER, TEXT_FILE, Output, set_aside

ABSTRACT_CHARS_MAX = 2_000
SHORT_CHARS_MAX = 600
EMBED = EmbedPayload().job(lane=Lane.INTERACTIVE)


async def append(
    session_id: str, raw: Sequence[Mapping[str, Any]], idempotency_key: str, caller: Caller, ports: Ports
) -> Appended:
    """Append wire messages in order; the session is made if it is missing.

    A message with an ``id`` the session already has is counted, not added. An ``idempotency_key`` names every message of
    this call that has no id, so that a repeated call adds nothing; without both, equal messages are separate. Long tool
    outputs become files of the session in the same commit, and so does the auto-commit job.
    """
    check_session_id(session_id)
    if not raw or len(raw) > BATCH_MESSAGES_MAX:
        raise Invalid(
            f"{len(raw)} messages in one call", remedy=f"send 1 to {BATCH_MESSAGES_MAX}", details={"field": "messages"}
        )
    now = ports.clock.now()
    ids = [_keyed_id(idempotency_key, i) if idempotency_key else f"msg_{ports.clock.token()}" for i in range(len(raw))]
    uri = Uri(("user", caller.user, "sessions", session_id))
    if _short(raw):
        shaped, large = _shape(raw, ids, uri, caller, now, ports.session_policy)
    else:
        shaped, large = await ports.compute.run(_shape, raw, ids, uri, caller, now, ports.session_policy)
    for data in large:
        await ports.blobs.put(data)
    op = Append(session_id, shaped, new_config(ports), auto_commit_job(session_id))
    receipt = await ports.ledger.tenant(caller).commit(Commit((op,), (EMBED,)))
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
        unread_times(raw),
    )


def new_config(ports: Ports) -> dict[str, Any]:
    """Return the initial settings of a session created without any."""
    return {"auto_commit_policy": dict(AUTO_COMMIT_DEFAULTS)} if ports.session_policy.auto_commit else {}


def auto_commit_job(session_id: str) -> NewJob:
    """Return the job that commits a session automatically; a pending one is merged."""
    return AutoCommitPayload(session_id).job(f"auto_commit:{session_id}", lane=Lane.INTERACTIVE)


def _short(raw: Sequence[Mapping[str, Any]]) -> bool:
    """True for one short plain message: preparing it takes 0.1 ms, less than a thread hop."""
    text = raw[0].get("content")
    return len(raw) == 1 and "parts" not in raw[0] and isinstance(text, str) and len(text) <= SHORT_CHARS_MAX


def _keyed_id(key: str, index: int) -> str:
    named = hashlib.sha256(f"{index}\x00{key}".encode()).hexdigest()
    return f"msg_{named[:32]}"


def _split_tools(raw: dict[str, Any], fresh: str, caller: Caller, now: float) -> list[tuple[dict[str, Any], str]]:
    """Each message with its id. A user message made only of several tool parts is one message a part, as in the API."""
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
        return [(raw, str(raw.get("id") or fresh))]
    first = raw.get("id") or fresh
    return [
        ({**raw, "parts": [p], "id": first if i == 0 else f"{first}.{i}"}, f"{first}.{i}" if i else str(first))
        for i, p in enumerate(parts)
    ]


def _with_uri(part: object, caller: Caller, now: float) -> object:
    """A context part names what it shows by its full address."""
    if isinstance(part, dict) and part.get("type") == "context" and part.get("uri"):
        return {**part, "uri": str(resolve(str(part["uri"]), caller, now))}
    return part


def _shape(
    raw: Sequence[Mapping[str, Any]], ids: list[str], session: Uri, caller: Caller, now: float, policy: SessionPolicy
) -> tuple[tuple[NewMessage, ...], tuple[bytes, ...]]:
    """Check and cut them all: a batch may be megabytes, so not on the loop. Beside them the bytes that are too large for
    the ledger."""
    named = [m for one, fresh in zip(raw, ids, strict=True) for m in _split_tools(dict(one), fresh, caller, now)]
    separated = set_aside(named, session, iso(now), policy)
    files = [tuple(f for output in outputs for f in _files(output, session)) for _, outputs in separated]
    messages = [message_from(one, id_, now) for (one, _), (_, id_) in zip(separated, named, strict=True)]
    large = tuple(data for beside in files for put, data in beside if put.data is None)
    return tuple(
        NewMessage(
            m,
            chunks_of_own_text(m),
            own_text((m,))[0].text[:ABSTRACT_CHARS_MAX],
            tuple(put for put, _ in beside),
        )
        for m, beside in zip(messages, files, strict=True)
    ), large


def _files(output: Output, session: Uri) -> list[tuple[PutFile, bytes]]:
    """An output and its facts as files. They have no chunks: what a message shows of them is what search finds."""
    folder = session / FOLDER / output.id
    text, facts = output.text.encode(), json.dumps(output.facts, ensure_ascii=False).encode()
    if len(text) > DOCUMENT_BYTES_MAX:
        raise Invalid(
            f"a tool output of {len(text)} bytes is too large",
            remedy=f"at most {DOCUMENT_BYTES_MAX} bytes; add longer texts as resources",
            code="RESOURCE_EXHAUSTED",
            details={"field": "tool_output", "limit": DOCUMENT_BYTES_MAX},
        )
    return [
        (_file(folder / TEXT_FILE, text, "text/plain", output.facts), text),
        (_file(folder / FACTS_FILE, facts, "application/json", {}), facts),
    ]


def _file(uri: Uri, data: bytes, media: str, source: dict[str, Any]) -> PutFile:
    small = len(data) <= INLINE_BYTES_MAX
    digest = hashlib.sha256(data).hexdigest()
    return PutFile(uri, WriteMode.UPSERT, digest, len(data), media, data if small else None, chunks=(), source=source)
