"""Uploads, stored beside the database until they are imported. The sender owns them; after twelve hours they are deleted."""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from weakref import WeakValueDictionary

import orjson

from recalld.domain.caller import Caller
from recalld.domain.errors import Busy, Denied, Invalid
from recalld.infra.file_permissions import private_opener

TTL_S = 12 * 3_600.0
_ID = re.compile(r"(?:upload_[0-9a-f]{32}(?:\.[A-Za-z0-9]{1,16}){0,2}|shared_[0-9]{13}-[0-9a-f]{32})")
_SUFFIX = re.compile(r"(?:\.tar)?\.[a-z0-9]{1,16}$", re.IGNORECASE)
_NOTE = ".note"
"""Suffix of the file with an upload's metadata."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A finished upload: its path, and the file name its sender gave."""

    path: Path
    filename: str


def new_id(filename: str, *, shared: bool) -> str:
    """Return a new id: ``upload_<32 hex><ext>``, or ``shared_<milliseconds>-<32 hex>``."""
    if shared:
        return f"shared_{int(time.time() * 1000):013d}-{token_hex(16)}"
    suffix = _SUFFIX.search(filename)
    return f"upload_{token_hex(16)}{suffix[0].lower() if suffix else ''}"


def finish(part: Path, upload_id: str, filename: str, caller: Caller) -> None:
    """Give a completely received ``part`` its id as its name. Blocking."""
    note = {"filename": filename, "account": caller.account, "user": caller.user}
    with open(part.with_name(upload_id + _NOTE), "wb", opener=private_opener) as file:
        file.write(orjson.dumps(note))
    os.replace(part, part.with_name(upload_id))
    folder = os.open(part.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # the import depends on this name
    finally:
        os.close(folder)


class UploadQuota:
    """The bytes of uploads that one user may have waiting to be imported, those being received included."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._receiving: Counter[tuple[str, str]] = Counter()
        self._owners: dict[str, tuple[str, str]] = {}
        self._turns: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()

    def turn(self, caller: Caller) -> asyncio.Lock:
        """The lock to hold while a user's uploads are summed up, and while one of them changes from received to stored. Without
        it, that upload would be counted twice.
        """
        return self._turns.setdefault((caller.account, caller.user), asyncio.Lock())

    def stored(self, folder: Path, caller: Caller) -> int:
        """Return the bytes of the caller's finished uploads. Blocking, and for one thread at a time."""
        owner, total, seen = (caller.account, caller.user), 0, {}
        try:
            entries = list(os.scandir(folder))
        except FileNotFoundError:
            return 0
        for entry in entries:
            if not _ID.fullmatch(entry.name):
                continue
            try:
                seen[entry.name] = self._owners.get(entry.name) or _owner(folder, entry.name)
                total += entry.stat().st_size if seen[entry.name] == owner else 0
            except (OSError, orjson.JSONDecodeError, KeyError):
                continue  # just imported, or without an owner
        self._owners = seen
        return total

    def check(self, caller: Caller, stored: int, more: int = 0) -> None:
        """Raise ``Busy`` (``RESOURCE_EXHAUSTED``) if the stored uploads, those being received and ``more`` exceed the limit."""
        waiting = stored + self._receiving[caller.account, caller.user]
        if waiting + more > self._bytes_max:
            raise Busy(
                f"uploads of this user that wait to be imported would exceed {self._bytes_max} bytes",
                retry_after_s=60.0,
                remedy="import the uploads, or retry when imports have ended; unused uploads are deleted after twelve hours",
                code="RESOURCE_EXHAUSTED",
            )

    @contextmanager
    def receiving(self, caller: Caller, stored: int) -> Iterator[Callable[[int], None]]:
        """Count an upload while it is received: call the yielded function with the size of each piece. It raises ``Busy``."""
        owner, size = (caller.account, caller.user), 0

        def counted(more: int) -> None:
            nonlocal size
            self.check(caller, stored, more)
            self._receiving[owner] += more
            size += more

        try:
            yield counted
        finally:
            self._receiving[owner] -= size
            if not self._receiving[owner]:
                del self._receiving[owner]


def _owner(folder: Path, upload_id: str) -> tuple[str, str]:
    note = orjson.loads((folder / (upload_id + _NOTE)).read_bytes())
    return str(note["account"]), str(note["user"])


def open_upload(folder: Path, upload_id: str, caller: Caller) -> Upload:
    """Find an upload by its id. Blocking.

    Raises ``Invalid`` for what is not an id. ``Denied``, with one message, covers an upload that never existed, is gone, or is
    another user's.
    """
    if not _ID.fullmatch(upload_id):
        raise Invalid(
            f"temp_file_id {upload_id[:80]!r} is not an upload's id",
            remedy="send the temp_file_id that temp_upload answered",
            details={"field": "temp_file_id"},
        )
    path = folder / upload_id
    try:
        note = orjson.loads(path.with_name(upload_id + _NOTE).read_bytes())
        age_s = time.time() - path.stat().st_mtime
    except (FileNotFoundError, orjson.JSONDecodeError) as gone:
        raise _missing(upload_id) from gone
    if age_s > TTL_S or (note["account"], note["user"]) != (caller.account, caller.user):
        raise _missing(upload_id)
    return Upload(path, str(note["filename"]) or upload_id)


def _missing(upload_id: str) -> Denied:
    return Denied(
        f"no upload of yours is called {upload_id}",
        remedy="an upload is valid for twelve hours and is used once; send the file again",
        details={"type": "temp_file", "resource": upload_id},
    )
