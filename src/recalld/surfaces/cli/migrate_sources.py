"""Another store, packed to be imported here: the data folder of a workspace, or the content of a running server."""

from __future__ import annotations

import json
import os
import stat
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recalld.domain.errors import Closed, Invalid, RecalldError, Upstream
from recalld.domain.policy import UPLOAD_BYTES_MAX
from recalld.domain.uri import SCHEME, SCOPES
from recalld.rules.openviking_json import iso, message_from
from recalld.rules.pack_format import clean_path
from recalld.rules.pack_mapping import filled, lines_of
from recalld.surfaces.client import Client
from recalld.usecases.pack.export import PackWriter


def pack_folder(folder: Path, account: str, scopes: Sequence[str], pack: MigrationPack) -> None:
    """Pack one account's scopes. Raises ``Invalid`` where no account, or more than one, is found."""
    home = _home(folder, account)
    for other in sorted(p.name for p in home.iterdir() if p.is_dir() and p.name not in SCOPES):
        pack.leave(other, "not a scope that is imported")
    for scope in scopes:
        if (home / scope).is_dir():
            for path, is_dir in _walk(home / scope, home, pack):
                _take(path, is_dir, home, pack)


def _home(folder: Path, account: str) -> Path:
    """Where the account's scopes lie: in the folder itself, or below ``local`` in it."""
    if any((folder / scope).is_dir() for scope in SCOPES) and not account:
        return folder
    found: dict[str, Path] = {}
    for local in (folder / "local", *sorted(folder.glob("*/local")), folder):
        if local.is_dir():
            for one in sorted(p for p in local.iterdir() if p.is_dir() and not p.name.startswith("_")):
                if any((one / scope).is_dir() for scope in SCOPES):
                    found.setdefault(one.name, one)
    chosen = {name: path for name, path in found.items() if account in {"", name}}
    if len(chosen) == 1:
        return next(iter(chosen.values()))
    if not chosen:
        raise Invalid(
            f"{folder} holds no account{f' {account}' if account else ''} of a workspace",
            remedy="give the folder that holds local/{account}, or a pack, or the server's address",
        )
    raise Invalid(f"{folder} holds several accounts: {', '.join(sorted(chosen))}", remedy="choose with --from-account")


def _walk(top: Path, home: Path, pack: MigrationPack) -> Iterator[tuple[Path, bool]]:
    yield top, True
    for at, folders, files in os.walk(top, onerror=lambda bad: pack.leave(str(bad.filename), "cannot be read")):
        folders.sort()
        for name in list(folders):
            path = Path(at, name)
            if path.is_symlink():
                pack.leave(path.relative_to(home).as_posix(), "a link")
                folders.remove(name)
            else:
                yield path, True
        for name in sorted(files):
            yield Path(at, name), False


def _take(path: Path, is_dir: bool, home: Path, pack: MigrationPack) -> None:
    rel = path.relative_to(home).as_posix()
    if any("\ud800" <= char <= "\udfff" for char in rel):
        pack.leave(rel.encode("utf-8", "backslashreplace").decode(), "its name is no UTF-8")
    elif is_dir:
        if pack.fits(rel):
            pack.maker.directory(rel)
    elif (read := _read(path, rel, pack)) is not None and pack.fits(rel):
        data, changed = read
        pack.file(rel, data, {"name": path.name, "updated_at": iso(changed)})


def _read(path: Path, rel: str, pack: MigrationPack) -> tuple[bytes, float] | None:
    """A file's bytes and when they changed; None if it is none."""
    try:
        state = path.lstat()
        if not stat.S_ISREG(state.st_mode) or state.st_size > UPLOAD_BYTES_MAX:
            pack.leave(rel, "a link" if path.is_symlink() else "no regular file, or too large")
            return None
        return path.read_bytes(), state.st_mtime
    except OSError as bad:
        pack.leave(rel, bad.strerror or "cannot be read")
        return None


@dataclass(slots=True)
class MigrationPack:
    """A backup being built from another store, and what was left out."""

    maker: PackWriter
    left_out: list[str] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)

    def fits(self, path: str) -> bool:
        """True if a path can be an address here and was not met yet; else it is noted as left out."""
        try:
            clean_path(path)
        except Invalid as bad:
            self.leave(path, bad.message.removeprefix("the pack is refused: "))
            return False
        address = unicodedata.normalize("NFC", path)
        if address in self.seen:
            return False
        self.seen.add(address)
        return True

    def leave(self, path: str, why: str) -> None:
        """Record what is not imported."""
        self.left_out.append(f"{path}: {why}")

    def file(self, path: str, data: bytes, facts: Mapping[str, Any]) -> None:
        """Add a file with its index record. A line that is not a message (half-written when its machine stopped) is skipped;
        the other messages are imported."""
        if path.endswith("/messages.jsonl") and "/sessions/" in path:
            data = self._messages(path, data)
        self.maker.file(path, data)
        self.maker.record(json.dumps({"path": path, "level": 2, **facts}, ensure_ascii=False).encode() + b"\n")

    def _messages(self, path: str, data: bytes) -> bytes:
        lines = [line for line in data.split(b"\n") if line.strip()]
        good = [line for line in lines if _is_message(line)]
        if len(good) < len(lines):
            self.leave(path, f"{len(lines) - len(good)} of its {len(lines)} lines are no messages")
        return b"".join(line + b"\n" for line in good)


def _is_message(line: bytes) -> bool:
    try:
        message_from(filled(next(iter(lines_of(line)))), "msg_unnamed", 0.0)
    except Invalid:
        return False
    return True


API = "/api/v1"
LISTED_MAX = 100_000
TOKENS_MAX = 100_000_000
_BROKEN = (Closed, Upstream)
"""Errors that end the migration: half a workspace must not look complete."""


def pack_server(there: Client, scopes: Sequence[str], pack: MigrationPack) -> None:
    """Pack what the key's user can see. One entry that is refused is left out; a server that goes away ends it all."""
    attrs = True
    for scope in scopes:
        for entry in _walk_server(there, f"{SCHEME}{scope}", pack):
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


def _walk_server(there: Client, uri: str, pack: MigrationPack) -> Iterator[dict[str, Any]]:
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
