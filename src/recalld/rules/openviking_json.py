"""Messages, sessions and archives in the JSON of the OpenViking-compatible API."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from recalld.domain.errors import Invalid
from recalld.domain.policy import JSON_DEPTH_MAX
from recalld.domain.session import MESSAGE_BYTES_MAX, Archive, Message, Session

from .blocks import is_media, label_of, plain_of, without_base64
from .ids import is_id
from .moments import epoch_of

_SLICE_CHARS = 32_768
_WIDE = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_EPOCH = re.compile(r"[+-]?\d{9,20}(?:\.\d+)?(?:[eE][+]?\d+)?")
_ASTRAL = re.compile(r"[\U00010000-\U0010ffff]")


def tokens(text: str) -> int:
    """Estimate tokens: 1.5 per CJK character, 2 per astral one, a quarter per other character; rounded up."""
    wide = astral = 0
    if not text.isascii():
        # In slices: one regex search over megabytes would hold the GIL throughout.
        for start in range(0, len(text), _SLICE_CHARS):
            some = text[start : start + _SLICE_CHARS]
            wide, astral = wide + len(_WIDE.findall(some)), astral + len(_ASTRAL.findall(some))
    return math.ceil(1.5 * wide + 2.0 * astral + 0.25 * (len(text) - wide - astral))


def iso(at: float) -> str:
    """Return epoch seconds as ISO 8601 with milliseconds and Z ("" for 0)."""
    if not at:
        return ""
    seconds, micros = divmod(round(at * 1_000_000), 1_000_000)
    return f"{_second(seconds)}.{micros // 1000:03d}Z"


@lru_cache(maxsize=4_096)
def _second(at: int) -> str:
    """Cached: the entries of one listing are mostly created within a few seconds."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def moment(text: str, now: float) -> float:
    """Parse ``created_at`` as epoch seconds: a date, a time without zone (taken as UTC), a full time or an epoch
    number; ``now`` for anything else. It dates a message and never orders it."""
    found = epoch_of(text)
    return now if found is None else found


def unread_times(raw: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Return the ``created_at`` values that are not times; such messages are dated by the server."""
    times = [one.get("created_at") for one in raw]
    return tuple(_stamp(value) for value in times if value not in (None, "") and epoch_of(value) is None)


def _stamp(value: object) -> str:
    """Return the stored form of ``created_at``: a text unchanged, an epoch number as ISO 8601."""
    if value is None or value == "":
        return ""
    text = clean(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str))[:64]
    at = epoch_of(value)
    return iso(at) if at is not None and _EPOCH.fullmatch(text.strip()) else text


def message_from(raw: dict[str, Any], fresh_id: str, now: float) -> Message:
    """Parse one message of the API. Raises ``Invalid`` naming the field."""
    role = raw.get("role")
    if not isinstance(role, str) or not role.strip() or len(role) > 64:
        raise _bad("role", "give the speaker's role, such as user or assistant")
    parts = _parts(raw)
    text = text_of(parts)
    size = len(json.dumps(parts, ensure_ascii=False).encode("utf-8", "replace"))
    if size > MESSAGE_BYTES_MAX:
        raise Invalid(
            f"a message of {size} bytes is too large",
            remedy=f"at most {MESSAGE_BYTES_MAX} bytes; add longer texts as resources",
            code="RESOURCE_EXHAUSTED",
            details={"field": "content", "limit": MESSAGE_BYTES_MAX},
        )
    created = _stamp(raw.get("created_at"))
    at = moment(created, now)
    return Message(
        _message_id(raw.get("id"), fresh_id),
        clean(role.strip()),
        parts,
        text,
        created_at=created or iso(now),
        at=at,
        peer_id=str(raw.get("peer_id") or ""),
        turn_id=clean(str(raw.get("turn_id") or ""))[:128],
        kind=str(raw.get("message_kind") or ""),
        source_message_ids=_source_ids(raw.get("source_message_ids")),
        tokens=tokens(text),
    )


def _message_id(value: object, fresh_id: str) -> str:
    if value is None or value == "":
        return fresh_id
    if not isinstance(value, str) or not is_id(value):
        raise _bad("id", "use up to 128 letters, digits and . _ : @ -")
    return value


def _source_ids(value: object) -> tuple[str, ...]:
    if value is None or value == "":
        return ()
    if not isinstance(value, list | tuple) or not all(isinstance(i, str) for i in value):
        raise _bad("source_message_ids", "give a list of message ids")
    return tuple(value)


def _parts(raw: dict[str, Any]) -> tuple[dict[str, Any], ...]:
    parts = raw.get("parts")
    if parts is not None:
        if not isinstance(parts, list) or not parts or not all(isinstance(p, dict) for p in parts):
            raise _bad("parts", "give a list of parts, each an object with a type")
        return tuple(_part(_cleaned(p)) for p in parts)
    content = raw.get("content")
    if isinstance(content, list):
        return tuple(
            _part(_cleaned(p)) if isinstance(p, dict) else {"type": "text", "text": clean(str(p))} for p in content
        )
    if not isinstance(content, str):
        raise _bad("content", "give content as text, or parts")
    return ({"type": "text", "text": clean(content)},)


def _part(part: dict[str, Any]) -> dict[str, Any]:
    kind = part.get("type")
    if kind == "text":
        return {**part, "text": str(part.get("text") or "")}
    if kind == "image_url":
        image = part.get("image_url")
        url = image.get("url") if isinstance(image, dict) else image
        if not url:
            raise _bad("parts.image_url", "give image_url a url")
        return part
    if kind in {"context", "tool"} or is_media(kind):
        return part
    # An unknown kind is stored as text, so that no content of a client is lost.
    return {"type": "text", "text": str(part.get("text") or plain_of(part))}


def clean(text: str) -> str:
    """Replace lone surrogates, which files cannot contain, by replacement characters."""
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)


def _cleaned(value: Any, depth: int = 0) -> Any:
    """Apply ``clean`` to every text of a value, keys included."""
    if isinstance(value, str):
        return clean(value)
    if depth > JSON_DEPTH_MAX:
        return value
    if isinstance(value, dict):
        return {clean(str(key)): _cleaned(one, depth + 1) for key, one in value.items()}
    return [_cleaned(one, depth + 1) for one in value] if isinstance(value, list | tuple) else value


def text_of(parts: tuple[dict[str, Any], ...]) -> str:
    """Return the readable text of a message."""
    lines = []
    for part in parts:
        match part.get("type"):
            case "tool":
                tool_input = plain_of(part.get("tool_input") or {})
                output = part.get("tool_output") or ""
                shown = without_base64(output) if isinstance(output, str) else plain_of(output)
                lines.append(f"[tool {part.get('tool_name', '')}] {tool_input}\n{shown}".rstrip())
            case "context":
                lines.append(f"[context {part.get('uri', '')}] {part.get('abstract') or ''}".rstrip())
            case kind if is_media(kind):
                lines.append(label_of(part))
            case _:
                lines.append(without_base64(str(part.get("text") or "")))
    return "\n".join(lines)


def message_json(message: Message) -> dict[str, Any]:
    """Return a message in the form of ``messages.jsonl`` and the API."""
    shown: dict[str, Any] = {
        "id": message.id,
        "role": message.role,
        "parts": list(message.parts),
        "created_at": message.created_at,
    }
    optional = {
        "peer_id": message.peer_id,
        "turn_id": message.turn_id,
        "message_kind": message.kind,
        "source_message_ids": list(message.source_message_ids),
    }
    return shown | {k: v for k, v in optional.items() if v}


def jsonl(messages: list[Message]) -> str:
    """Return messages as JSON lines."""
    return "".join(json.dumps(message_json(m), ensure_ascii=False) + "\n" for m in messages)


def message_page(message: Message) -> str:
    """Return ``messages/{id}.md``: a header with date and speaker before the text."""
    who = message.peer_id or message.role
    return f"[{message.created_at}] {who}:\n\n{message.text}\n"


def session_meta(session: Session, account: str, user: str) -> dict[str, Any]:
    """Return a session as the API's GET shows it."""
    config = session.config
    return {
        "session_id": session.id,
        "uri": str(session.uri),
        "user": {"account_id": account, "user_id": user},
        "created_at": iso(session.created_at),
        "updated_at": iso(session.updated_at),
        "created_by_account_id": account,
        "created_by_user_id": user,
        "message_count": session.message_count,
        "total_message_count": session.total_message_count,
        "commit_count": session.commit_count,
        "memories_extracted": {"total": sum(session.memories_extracted.values()), **session.memories_extracted},
        "last_commit_at": iso(session.last_commit_at),
        "llm_token_usage": dict.fromkeys(
            ("prompt_tokens", "completion_tokens", "total_tokens", "cached_tokens", "reasoning_tokens"), 0
        ),
        "embedding_token_usage": {"total_tokens": 0},
        "pending_tokens": session.pending_tokens,
        "keep_recent_count": session.keep_recent_count,
        "retention_mode": config.get("retention_mode"),
        "keep_recent_turn_count": config.get("keep_recent_turn_count"),
        "retained_message_token_budget": config.get("retained_message_token_budget"),
        "min_raw_tail_steps": config.get("min_raw_tail_steps"),
        "memory_policy": config.get("memory_policy"),
        "auto_commit_policy": config.get("auto_commit_policy"),
        "memory_extraction_config": config.get("memory_extraction_config") or {"events": {"tags": []}},
        "last_message_at": iso(session.last_message_at),
        "last_auto_commit_at": iso(float(config.get("last_auto_commit_at") or 0)),
        "contexts_used": session.contexts_used,
        "skills_used": session.skills_used,
    }


def archive_meta(archive: Archive) -> dict[str, Any]:
    """Return an archive's ``.meta.json``."""
    return {
        "archive_id": archive.id,
        "created_at": iso(archive.created_at),
        "message_count": archive.message_count,
        "state": archive.state,
        "task_id": archive.task_id,
        **({"error": archive.error} if archive.error else {}),
    }


def _bad(field: str, remedy: str) -> Invalid:
    return Invalid(f"message field {field} is missing or wrong", remedy=remedy, details={"field": field})
