"""A running server's content, packed: walked directory by directory over its HTTP API."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from recalld.domain.errors import Closed, RecalldError, Upstream
from recalld.domain.uri import SCHEME
from recalld.surfaces.client import Client

from .migration_pack import MigrationPack

API = "/api/v1"
LISTED_MAX = 100_000
TOKENS_MAX = 100_000_000
_BROKEN = (Closed, Upstream)
"""Errors that end the migration: half a workspace must not look complete."""


def pack_server(there: Client, scopes: Sequence[str], pack: MigrationPack) -> None:
    """Pack what the key's user can see. One entry that is refused is left out; a server that goes away ends it all."""
    attrs = True
    for scope in scopes:
        for entry in _walk(there, f"{SCHEME}{scope}", pack):
            uri = str(entry["uri"])
            path = uri.removeprefix(SCHEME).strip("/")
            if entry.get("isDir"):
                if pack.fits(path):
                    pack.maker.directory(path)
                continue
            data = _bytes(there, uri, path, pack)
            if data is None or not pack.fits(path):
                continue
            tags, attrs = _tags(there, uri) if attrs else ([], False)
            pack.file(path, data, {"updated_at": str(entry.get("modTime") or ""), "tags": tags})
    if "user" in scopes:
        _talk(there, pack)


def _walk(there: Client, uri: str, pack: MigrationPack) -> Iterator[dict[str, Any]]:
    yield {"uri": uri, "isDir": True}
    waiting = [uri]
    met = {uri}
    while waiting:
        at = waiting.pop()
        for entry in _listed(there, at, pack):
            child = str(entry.get("uri") or f"{at}/{entry.get('name', '')}").rstrip("/")
            if child in met or not child.startswith(f"{at}/"):
                continue  # a server must not lead us out of what we walk, nor in circles
            met.add(child)
            yield {**entry, "uri": child}
            if entry.get("isDir"):
                waiting.append(child)


def _listed(there: Client, uri: str, pack: MigrationPack) -> list[dict[str, Any]]:
    params = {"uri": uri, "output": "original", "show_all_hidden": True, "node_limit": LISTED_MAX}
    try:
        found = there.call("GET", f"{API}/fs/ls", params=params).result
    except _BROKEN:
        raise
    except RecalldError as refused:
        pack.leave(uri, refused.message)
        return []
    return [entry for entry in found or () if isinstance(entry, dict)]


def _bytes(there: Client, uri: str, path: str, pack: MigrationPack) -> bytes | None:
    try:
        return there.fetch(f"{API}/content/download", params={"uri": uri})
    except _BROKEN:
        raise
    except RecalldError as refused:
        first = refused.message
    try:
        return there.read(uri, raw=True).encode()  # what is made on reading is not always there to be downloaded
    except _BROKEN:
        raise
    except RecalldError:
        pack.leave(path, first)
        return None


def _tags(there: Client, uri: str) -> tuple[list[str], bool]:
    """A file's tags, and whether it is worth asking for the next one's."""
    try:
        payload = there.call("GET", f"{API}/fs/attrs", params={"uri": uri}).result
    except _BROKEN:
        raise
    except RecalldError as refused:
        return [], "is no route" not in refused.message and refused.code != "UNKNOWN"
    attrs = payload.get("attrs") if isinstance(payload, dict) else None
    tags = attrs.get("tags") if isinstance(attrs, dict) else None
    return [tag for tag in tags or () if isinstance(tag, str)], True


def _talk(there: Client, pack: MigrationPack) -> None:
    """Sessions that the tree did not show, by their own routes: the messages that are still to be had there."""
    try:
        user = str(there.system_status().get("user") or "default")
        listed = there.sessions.list()
        while there.truncated and (page := there.sessions.list(offset=len(listed))):
            listed += page
    except _BROKEN:
        raise
    except RecalldError as refused:
        pack.leave("sessions", refused.message)
        return
    for one in listed:
        sid = str(one.get("session_id") or one.get("id") or "") if isinstance(one, Mapping) else str(one)
        path = f"user/{user}/sessions/{sid}/messages.jsonl"
        if not sid or path in pack.seen:
            continue
        try:
            messages = there.sessions.context(sid, token_budget=TOKENS_MAX).get("messages") or []
        except _BROKEN:
            raise
        except RecalldError as refused:
            pack.leave(path, refused.message)
            continue
        if messages and pack.fits(path):
            pack.file(path, b"".join(json.dumps(m).encode() + b"\n" for m in messages), {})
