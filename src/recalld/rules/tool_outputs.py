"""Long tool outputs: which are stored as separate files, and the previews that replace them in messages."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from recalld.domain.policy import SessionPolicy
from recalld.domain.uri import Uri

from .openviking_json import clean

FOLDER = "tool-results"
TEXT_FILE, FACTS_FILE = "output.txt", "metadata.json"
_ID = re.compile(r"tr_[A-Za-z0-9_.-]{1,90}")
_NOT_NAME = re.compile(r"[^A-Za-z0-9_.-]+")
_TOOL_ID_CHARS_MAX = 64


@dataclass(frozen=True, slots=True)
class Output:
    """A tool output stored separately: the whole ``text`` and its ``metadata.json`` as ``facts``."""

    id: str
    text: str
    facts: dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Place:
    message: int
    part: int
    text: str


def set_aside(
    messages: Sequence[tuple[dict[str, Any], str]], session: Uri, now: str, policy: SessionPolicy
) -> list[tuple[dict[str, Any], tuple[Output, ...]]]:
    """Replace long outputs of API messages (each with its id) by previews; return the messages and the outputs of each.

    An output's id derives from message, position and text, so a repeated message has the same ids.
    """
    if policy.output_chars_max <= 0:
        return [(raw, ()) for raw, _ in messages]
    turns: dict[object, list[_Place]] = {}
    for index, (raw, _) in enumerate(messages):
        turns.setdefault(str(raw.get("turn_id") or "") or index, []).extend(_outputs(index, raw))
    chars = {
        place: preview_chars
        for places in turns.values()
        if (chosen := _chosen(places, policy))
        for preview_chars in (_preview_chars(len(chosen), policy),)
        for place in chosen
    }
    return [_without(index, raw, id_, session, now, chars) for index, (raw, id_) in enumerate(messages)]


def is_output_id(text: str) -> bool:
    """True for a possible output id: one plain address segment."""
    return _ID.fullmatch(text) is not None


def matches(text: str, wanted: str, limit: int, context_chars: int) -> list[tuple[int, str]]:
    """Return where ``wanted`` occurs, ignoring case: code point offsets with surrounding text, at most ``limit``."""
    found = []
    for at in re.finditer(re.escape(wanted), text, re.IGNORECASE):
        found.append((at.start(), text[max(0, at.start() - context_chars) : at.end() + context_chars]))
        if len(found) == limit:
            break
    return found


def preview(text: str, chars_max: int, ref: str) -> str:
    """Return the beginning and end of a text with a line between them that names the whole; at most ``chars_max``
    characters."""
    middle = f"\n[... {len(text)} characters in all, the whole is tool result {ref} ...]\n"
    chars_left = max(0, chars_max - len(middle))
    end_chars = chars_left // 4
    return (text[: chars_left - end_chars] + middle + (text[-end_chars:] if end_chars else ""))[:chars_max]


def _outputs(index: int, raw: Mapping[str, Any]) -> list[_Place]:
    parts = raw.get("parts")
    if not isinstance(parts, list):
        return []
    return [
        _Place(index, at, text)
        for at, part in enumerate(parts)
        if isinstance(part, dict) and part.get("type") == "tool" and (text := _text(part.get("tool_output")))
    ]


def _text(output: object) -> str:
    if output is None or isinstance(output, str):
        return clean(output or "")
    return json.dumps(output, ensure_ascii=False)


def _chosen(places: Sequence[_Place], policy: SessionPolicy) -> list[_Place]:
    """Return every output above the limit, then the largest ones until the rest of the turn fits."""
    long = [p for p in places if len(p.text) > policy.output_chars_max]
    rest = sorted((p for p in places if len(p.text) <= policy.output_chars_max), key=lambda p: -len(p.text))
    inline = sum(len(p.text) for p in rest)
    while rest and inline > policy.turn_chars_max and len(rest[0].text) > policy.preview_chars:
        inline -= len(rest[0].text)
        long.append(rest.pop(0))
    return long


def _preview_chars(count: int, policy: SessionPolicy) -> int:
    return max(policy.preview_chars_min, min(policy.preview_chars, policy.turn_previews_chars // count))


def _without(
    index: int, raw: dict[str, Any], message_id: str, session: Uri, now: str, chars: Mapping[_Place, int]
) -> tuple[dict[str, Any], tuple[Output, ...]]:
    mine = {place.part: place for place in chars if place.message == index}
    if not mine:
        return raw, ()
    parts, outputs = list(raw["parts"]), []
    for at, place in mine.items():
        output = _output(parts[at], place, message_id, session, now)
        parts[at] = _stub(parts[at], output, chars[place])
        outputs.append(output)
    return {**raw, "parts": parts}, tuple(outputs)


def _output(part: Mapping[str, Any], place: _Place, message_id: str, session: Uri, now: str) -> Output:
    tool = _NOT_NAME.sub("_", str(part.get("tool_id") or "tool"))[:_TOOL_ID_CHARS_MAX]
    named = hashlib.sha256(f"{message_id}\x00{place.part}\x00{place.text}".encode()).hexdigest()
    data = place.text.encode()
    id_ = f"tr_{tool}_{named[:16]}"
    facts = {
        "tool_result_id": id_,
        "session_id": session.name,
        "message_id": message_id,
        "tool_id": str(part.get("tool_id") or ""),
        "tool_name": str(part.get("tool_name") or ""),
        "tool_status": str(part.get("tool_status") or ""),
        "created_at": now,
        "chars": len(place.text),
        "bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "storage_uri": str(session / FOLDER / id_ / TEXT_FILE),
    }
    return Output(id_, place.text, facts)


def _stub(part: Mapping[str, Any], output: Output, chars_max: int) -> dict[str, Any]:
    shown = preview(output.text, chars_max, output.id)
    return {
        **part,
        "tool_output": shown,
        "tool_output_ref": output.id,
        "tool_output_truncated": True,
        "tool_output_chars": output.facts["chars"],
        "tool_output_bytes": output.facts["bytes"],
        "tool_output_preview_chars": len(shown),
        "tool_output_sha256": output.facts["sha256"],
        "tool_output_storage_uri": output.facts["storage_uri"],
    }
