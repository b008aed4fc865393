"""Content blocks of chat APIs. Images, audio and files in a message are shown as a label, never as bytes."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

DEPTH_MAX = 60
_LABELS = {
    "image": "image",
    "image_url": "image",
    "input_image": "image",
    "output_image": "image",
    "audio": "audio",
    "audio_url": "audio",
    "input_audio": "audio",
    "output_audio": "audio",
    "video": "video",
    "video_url": "video",
    "input_video": "video",
    "file": "file",
    "input_file": "file",
    "document": "document",
    "media": "file",
    "blob": "file",
}
_NAMES = ("filename", "file_name", "name", "title")
_DATA_URL = re.compile(r"data:([\w.+/-]{1,100})(?:;[\w.=+-]{1,60}){0,4};base64,[A-Za-z0-9+/=_%-]{32,}")
_RUN = re.compile(r"[A-Za-z0-9+/_-]{512,}={0,2}")
_LOOKED_AT = 512


def is_media(kind: object) -> bool:
    """True for a block whose bytes are not text."""
    return kind in _LABELS


def label_of(part: Mapping[str, Any]) -> str:
    """Return the label of a media block: ``[image]``, ``[file: report.pdf]``, or the plain text of a document."""
    kind = str(part.get("type"))
    inner = part.get(kind) if isinstance(part.get(kind), Mapping) else part
    source = part.get("source")
    if isinstance(source, Mapping) and source.get("type") == "text" and isinstance(source.get("data"), str):
        return str(source["data"])
    if isinstance(part.get("text"), str) and part["text"]:
        return without_base64(part["text"])
    named = next(
        (str(held[key]) for held in (part, inner) if isinstance(held, Mapping) for key in _NAMES if held.get(key)), ""
    )
    spoken = next(
        (str(held["transcript"]) for held in (part, inner) if isinstance(held, Mapping) and held.get("transcript")), ""
    )
    label = _LABELS.get(kind, "file")
    shown = f"[{label}: {named[:120]}]" if named else f"[{label}]"
    return f"{shown} {without_base64(spoken)}" if spoken else shown


def without_base64(text: str) -> str:
    """Return the text with encoded bytes replaced by a label."""
    if len(text) < 48:
        return text
    if ";base64," in text:
        text = _DATA_URL.sub(lambda found: f"[{found[1]}]", text)
    return _RUN.sub(_shown, text) if len(text) >= _LOOKED_AT else text


def blanked(text: str) -> str:
    """Return the text without encoded bytes, for the full-text index."""
    if len(text) < _LOOKED_AT:
        return text
    return _RUN.sub(lambda found: " " if is_base64(found[0]) else found[0], _DATA_URL.sub(" ", text))


def is_base64(run: str) -> bool:
    """True when a long run without spaces looks like encoded bytes, not like a word or an identifier."""
    head = run[:_LOOKED_AT]
    kinds = (
        any(c.islower() for c in head),
        any(c.isupper() for c in head),
        any(c.isdigit() or c in "+/" for c in head),
    )
    return all(kinds) and not re.search(r"[/_-][a-z]+[/_-][a-z]+[/_-]", head)


def plain_of(value: Any) -> str:
    """Return an unknown block as text: its JSON with the texts of nested blocks and without encoded bytes."""
    return json.dumps(_without(value, 0), ensure_ascii=False)


def _without(value: Any, depth: int) -> Any:
    if depth > DEPTH_MAX:
        return "…"
    if isinstance(value, str):
        return without_base64(value)
    if isinstance(value, Mapping):
        source = value.get("source")
        if is_media(value.get("type")) or (isinstance(source, Mapping) and source.get("type") == "base64"):
            return label_of(value)
        return {key: _without(one, depth + 1) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_without(one, depth + 1) for one in value]
    return value


def _shown(found: re.Match[str]) -> str:
    return f"[{len(found[0])} characters of base64]" if is_base64(found[0]) else found[0]
