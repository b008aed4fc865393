"""Parses a pack's files (index records, sidecars, sessions) from untrusted input, within limits."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from recalld.domain.document import Tiers
from recalld.domain.errors import Invalid
from recalld.domain.node import Node
from recalld.domain.pack import PackRecord
from recalld.domain.policy import ABSTRACT_CHARS_MAX, JSON_DEPTH_MAX, OVERVIEW_CHARS_MAX
from recalld.domain.uri import Uri

from .address import SIDECARS, context_type, session_of
from .openviking_json import iso, moment
from .pack_format import is_private, refused
from .tags import tags_of

SOURCE_CHARS_MAX = 16_384
TAGS_MAX = 64
TAG_CHARS_MAX = 256
NO_PLACE = frozenset({".relations.json", ".path.ovlock", ".ovlock", ".DS_Store"})
_FRONT = re.compile(r"\A---\n(.*?)\n---\n+", re.S)
_COMPONENT = re.compile(r"^  component: *(\S{1,64})$", re.M)
_ARCHIVE = re.compile(r"archive_(\d{1,9})")
_NUMBERS = frozenset(
    {
        "pending_token_threshold",
        "message_count_threshold",
        "idle_timeout_seconds",
        "keep_recent_count",
        "min_commit_interval_seconds",
    }
)


def loads(data: bytes, what: str) -> Any:
    """Parse untrusted JSON into values that can be stored: no lone surrogates, no integers beyond 64 bits, no NaN,
    limited depth. Raises ``Invalid`` naming ``what``."""
    try:
        payload = json.loads(data, parse_int=_integer, parse_constant=_no_number)
        if b"\\u" in data:
            payload = json.loads(json.dumps(payload, ensure_ascii=False).encode("utf-8", "replace"))
    except (ValueError, RecursionError) as bad:
        raise refused(f"{what} is not JSON") from bad
    if not _is_shallow(payload, JSON_DEPTH_MAX):
        raise refused(f"{what} is nested deeper than {JSON_DEPTH_MAX} levels")
    return payload


def _integer(text: str) -> int | float:
    number = int(text)
    return number if -(2**63) <= number < 2**63 else float(text)


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is no number")


def _is_shallow(value: Any, levels: int) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return levels > 0 and all(_is_shallow(one, levels - 1) for one in inner)


def record_json(path: str, node: Node, level: int, abstract: str) -> bytes:
    """Return an index record as a JSON line."""
    payload: dict[str, Any] = {
        "path": path,
        "level": level,
        "context_type": context_type(node.uri).value,
        "name": node.uri.name,
        "abstract": abstract,
        "tags": list(node.tags),
        "created_at": iso(node.created_at),
        "updated_at": iso(node.updated_at),
    }
    if node.source:
        payload["source"] = node.source
    return json.dumps(payload, ensure_ascii=False).encode("utf-8", "replace") + b"\n"


def read_record(line: bytes, root: Uri) -> PackRecord | None:
    """Parse an index record. It names its entry by a path below ``root`` or an address there (a sidecar's is its
    directory's); None if it names none. Raises ``Invalid``."""
    payload = loads(line, "an index record")
    if not isinstance(payload, dict):
        raise refused("an index record is not an object")
    path, level = _path_of(payload, f"{root}/" if root.parts else str(root)), payload.get("level", 2)
    if path is None or level not in (0, 1, 2):
        return None
    raw_tags = payload.get("tags") or payload.get("search_tags") or ()
    listed = raw_tags.split(",") if isinstance(raw_tags, str) else raw_tags if isinstance(raw_tags, list) else ()
    tags = tags_of(t for t in listed if isinstance(t, str) and len(t) <= TAG_CHARS_MAX)
    updated = payload.get("updated_at")
    at = (
        float(updated)
        if isinstance(updated, int | float) and not isinstance(updated, bool)
        else moment(str(updated or ""), 0.0)
    )
    return PackRecord(path, int(level), tags[:TAGS_MAX], at if 0 < at < 1e11 else 0.0, _source(payload.get("source")))


def _path_of(payload: Mapping[str, Any], root: str) -> str | None:
    path, uri = payload.get("path", payload.get("rel_path")), payload.get("uri")
    if isinstance(path, str):
        return path
    if not isinstance(uri, str) or not f"{uri}/".startswith(root):
        return None
    below = uri[len(root) :]
    name = below.rpartition("/")[2]
    return below[: -len(name)].rstrip("/") if name in SIDECARS else below


def _source(value: object) -> dict[str, Any]:
    """Return the source of an entry, {} if it is too large to store with a node."""
    if not isinstance(value, dict) or len(json.dumps(value)) > SOURCE_CHARS_MAX:
        return {}
    return value


def moved_source(source: Mapping[str, Any], before: Uri, after: Uri) -> dict[str, Any]:
    """Return the source with quoted messages moved from ``before`` to ``after``."""
    quoted = source.get("messages")
    if before == after or not isinstance(quoted, list):
        return dict(source)
    old, new = f"{before}/", f"{after}/"
    return dict(source) | {"messages": [new + q[len(old) :] if str(q).startswith(old) else q for q in quoted]}


def tiers_of(abstract: str, overview: str) -> Tiers:
    """Return a directory's tiers from its two sidecars ("" = missing)."""
    made_by = next((m[1] for text in (abstract, overview) if (m := _component(text))), "pack")
    return Tiers(_body(abstract)[:ABSTRACT_CHARS_MAX], _body(overview)[:OVERVIEW_CHARS_MAX], made_by)


def _component(text: str) -> re.Match[str] | None:
    front = _FRONT.match(text.replace("\r\n", "\n"))
    return _COMPONENT.search(front[1]) if front else None


def _body(text: str) -> str:
    plain = text.replace("\r\n", "\n")
    front = _FRONT.match(plain)
    # A skill's abstract consists of front matter only: that is its text.
    return (plain[front.end() :].strip() if front else "") or plain.strip()


@dataclass(slots=True)
class SessionFiles:
    """The files of one session, by path in the pack. ``archives``: number -> file name -> path."""

    uri: Uri
    live: str = ""
    meta: str = ""
    archives: dict[int, dict[str, str]] = field(default_factory=dict)


@dataclass(slots=True)
class PackLayout:
    """A pack's entries grouped by how they are imported, paths as in the pack. ``restoring``: it is a backup."""

    restoring: bool = False
    files: dict[str, Uri] = field(default_factory=dict)
    directories: dict[str, Uri] = field(default_factory=dict)
    sidecars: dict[Uri, dict[int, str]] = field(default_factory=dict)
    sessions: dict[Uri, SessionFiles] = field(default_factory=dict)
    outputs: dict[str, Uri] = field(default_factory=dict)
    private: dict[str, Uri] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)

    def take(self, path: str, uri: Uri, is_dir: bool) -> None:
        """Assign one entry to its group."""
        if is_private(uri):
            self._take_private(path, uri, is_dir)
        elif session_of(uri):
            self._take_session(path, uri, is_dir)
        elif is_dir:
            self.directories[path] = uri
        elif uri.name in SIDECARS:
            self.sidecars.setdefault(uri.parent, {})[SIDECARS[uri.name]] = path
        elif uri.name in NO_PLACE or uri.name.startswith(".watch_tasks") or len(uri.parts) < 2:
            self.left_out.append(f"{path}: has no meaning here")
        else:
            self.files[path] = uri

    def _take_private(self, path: str, uri: Uri, is_dir: bool) -> None:
        if is_dir or uri.name in SIDECARS:
            return  # directories are created with their contents and have no tiers
        if self.restoring:
            self.private[path] = uri
        else:
            self.left_out.append(f"{path}: private values come with a backup alone")

    def _take_session(self, path: str, uri: Uri, is_dir: bool) -> None:
        base = Uri(uri.parts[:4])
        if is_dir and len(uri.parts) > 4:
            return  # created with their contents
        session = self.sessions.setdefault(base, SessionFiles(base))
        match uri.parts[4:]:
            case ():
                return
            case ("messages.jsonl",):
                session.live = path
            case (".meta.json",):
                session.meta = path
            case ("history", name, file) if found := _ARCHIVE.fullmatch(name):
                session.archives.setdefault(int(found[1]), {})[file] = path
            case ("tool-results", _, "output.txt" | "metadata.json"):
                self.outputs[path] = uri
            case ("messages", _) | (".abstract.md",) | (".overview.md",) | (".recall_log.json",):
                return  # rebuilt from the messages, or specific to another store
            case _:
                self.left_out.append(f"{path}: sessions keep messages and archives only")


def lines_of(data: bytes) -> Iterator[dict[str, Any]]:
    """Parse a ``messages.jsonl``. Raises ``Invalid``."""
    for line in data.split(b"\n"):
        if not line.strip():
            continue
        payload = loads(line, "a message")
        if not isinstance(payload, dict):
            raise refused("a message is not an object")
        yield payload


def filled(payload: dict[str, Any]) -> dict[str, Any]:
    """Return the message with an empty text part if it has none, so that it keeps its position."""
    return {**payload, "parts": [{"type": "text", "text": ""}]} if payload.get("parts") == [] else payload


def session_config(data: bytes) -> dict[str, Any]:
    """Return the valid policies of a session's ``.meta.json``; {} if it is not JSON."""
    try:
        payload = loads(data, "a session's facts")
    except Invalid:
        return {}
    if not isinstance(payload, dict):
        return {}
    config: dict[str, Any] = {}
    if policy := _memory_policy(payload.get("memory_policy")):
        config["memory_policy"] = policy
    auto = payload.get("auto_commit_policy")
    if isinstance(auto, dict):
        numbers = {k: v for k, v in auto.items() if k in _NUMBERS and isinstance(v, int) and not isinstance(v, bool)}
        config["auto_commit_policy"] = {k: v for k, v in numbers.items() if v >= 0}
    extraction = payload.get("memory_extraction_config")
    events = extraction.get("events") if isinstance(extraction, dict) else None
    tags = events.get("tags") if isinstance(events, dict) else None
    if isinstance(tags, list) and tags and all(isinstance(t, str) for t in tags):
        config["memory_extraction_config"] = {"events": {"tags": tags[:TAGS_MAX]}}
    return config


def _memory_policy(policy: object) -> dict[str, Any]:
    if not isinstance(policy, dict):
        return {}
    config: dict[str, Any] = {}
    for part in ("self", "peer", "working_memory"):
        one = policy.get(part)
        if isinstance(one, dict) and isinstance(one.get("enabled"), bool):
            config[part] = {"enabled": one["enabled"]}
    types = policy.get("memory_types")
    if isinstance(types, list) and all(isinstance(t, str) for t in types):
        config["memory_types"] = types[:TAGS_MAX]
    return config
