"""A session's virtual files, rendered on read: messages.jsonl, .meta.json and its archives. Nothing is stored twice."""

from __future__ import annotations

import json

from recalld.domain.errors import NotFound
from recalld.domain.node import Kind, Node
from recalld.domain.session import Archive
from recalld.domain.uri import Uri
from recalld.ports.ledger import ReadTransaction, Tenant
from recalld.rules.address import TIER_FILES, session_of
from recalld.rules.openviking_json import archive_meta, jsonl, session_meta
from recalld.rules.recall_log import KEY
from recalld.rules.tool_outputs import FOLDER

_DIFF = "memory_diff.json"
"""The only stored file of an archive."""
_OF_THE_TREE = ("messages", FOLDER)
"""Children of a session that are nodes."""


def is_view(uri: Uri) -> bool:
    """True for addresses below a session that are not stored as nodes."""
    return bool(session_of(uri)) and len(uri.parts) > 4 and uri.parts[4] not in _OF_THE_TREE


async def view_text(uri: Uri, tenant: Tenant) -> str:
    """Return the text of a view, read at one point of the log. Raises ``NotFound``."""
    if uri.name == _DIFF and len(uri.parts) == 7:
        await tenant.read_transaction(lambda reader: _archive(reader, session_of(uri), uri.parts[5], uri))
        return (await tenant.read(uri)).decode()
    return await tenant.read_transaction(lambda reader: _read_view(uri, reader))


def _read_view(uri: Uri, reader: ReadTransaction) -> str:
    sid, rest = session_of(uri), uri.parts[4:]
    session = reader.session(sid)
    match rest:
        case ("messages.jsonl",):
            return jsonl(reader.messages(sid, archive=0))
        case (".meta.json",):
            meta = session_meta(session, reader.caller.account, uri.parts[1])
            return json.dumps(meta, ensure_ascii=False, indent=2) + "\n"
        case (".recall_log.json",) if KEY in session.config:
            return json.dumps(session.config[KEY], ensure_ascii=False) + "\n"
        case ("history", name, file):
            return _archive_file(_archive(reader, sid, name, uri), file, uri, reader)
    raise missing(uri)


def list_view(uri: Uri, reader: ReadTransaction, hidden: bool) -> list[Node] | None:
    """Return entries of a session directory or of a view in it; None if ``uri`` is neither."""
    sid = session_of(uri)
    if not sid or (len(uri.parts) > 4 and uri.parts[4] in _OF_THE_TREE):
        return None
    session = reader.session(sid)
    rest = uri.parts[4:]
    if not rest:
        names = ["messages.jsonl", ".meta.json", *([".recall_log.json"] if KEY in session.config else [])]
        outputs = [n.uri.name for n in reader.list(uri, limit=10) if n.uri.name == FOLDER]
        folders = [*(["history"] if session.commit_count else []), *outputs]
        return _entries(uri, folders, names, hidden, session.updated_at)
    if rest == ("history",):
        return _entries(uri, [a.id for a in reader.archives(sid)], [], hidden, session.updated_at)
    if len(rest) == 2 and rest[0] == "history":
        archive = _archive(reader, sid, rest[1], uri)
        return _entries(uri, [], _files_of(archive) + _beside(archive, reader), hidden, archive.created_at)
    raise missing(uri)


def stat_view(uri: Uri, reader: ReadTransaction) -> Node:
    """Return a view as a node. Raises ``NotFound``."""
    session = reader.session(session_of(uri))
    rest = uri.parts[4:]
    if rest == ("history",) or (len(rest) == 2 and rest[0] == "history"):
        if len(rest) == 2:
            _archive(reader, session.id, rest[1], uri)
        return Node(0, uri, Kind.DIRECTORY, created_at=session.created_at, updated_at=session.updated_at)
    stored = uri.name == _DIFF and len(rest) == 3
    size = reader.stat(uri).size if stored else len(_read_view(uri, reader).encode())
    return Node(0, uri, Kind.FILE, size=size, created_at=session.created_at, updated_at=session.updated_at)


def missing(uri: Uri) -> NotFound:
    """Return the API's NOT_FOUND error for a file."""
    return NotFound(
        f"File not found: {uri}", remedy="list its directory", details={"type": "file", "resource": str(uri)}
    )


def _files_of(archive: Archive) -> list[str]:
    last = {"done": [".done"], "failed": [".failed.json"]}.get(archive.state, [])
    tier_files = [*TIER_FILES] if archive.state == "done" else []
    return ["messages.jsonl", ".meta.json", *tier_files, *last]


def _beside(archive: Archive, reader: ReadTransaction) -> list[str]:
    """Return the stored files of an archive; archives of older versions and failed ones have none."""
    try:
        return [n.uri.name for n in reader.list(archive.uri, limit=10)]
    except NotFound:
        return []


def _entries(uri: Uri, folders: list[str], files: list[str], hidden: bool, at: float) -> list[Node]:
    rows = [Node(0, uri / f, Kind.DIRECTORY, created_at=at, updated_at=at) for f in folders]
    return rows + [
        Node(0, uri / f, Kind.FILE, created_at=at, updated_at=at)
        for f in sorted(files)
        if hidden or not f.startswith(".")
    ]


def _archive(reader: ReadTransaction, sid: str, name: str, uri: Uri) -> Archive:
    number = name.removeprefix("archive_")
    archive = reader.archive(sid, number=int(number)) if number.isascii() and number.isdecimal() else None
    if archive is None or archive.id != name:
        raise missing(uri)
    return archive


def _archive_file(archive: Archive, file: str, uri: Uri, reader: ReadTransaction) -> str:
    if file not in _files_of(archive):
        raise missing(uri)
    match file:
        case "messages.jsonl":
            return jsonl(reader.messages(session_of(uri), archive=archive.number))
        case ".abstract.md":
            return archive.abstract + "\n"
        case ".overview.md":
            return archive.overview + "\n"
        case ".meta.json":
            return json.dumps(archive_meta(archive), ensure_ascii=False) + "\n"
        case ".failed.json":
            return json.dumps({"error": archive.error}, ensure_ascii=False) + "\n"
    return ""
