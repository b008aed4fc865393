"""Uploads lying beside the store until they are added: named by us, owned by their sender, of no use after twelve hours
(the engine sweeps them away)."""

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
"""What is known of an upload lies beside it in a file of this ending."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A finished upload: where it lies and what its sender called it."""

    path: Path
    filename: str


def new_id(filename: str, *, shared: bool) -> str:
    """A fresh name: ``upload_<32 hex><ext>``, or ``shared_<milliseconds>-<32 hex>``."""
    if shared:
        return f"shared_{int(time.time() * 1000):013d}-{token_hex(16)}"
    suffix = _SUFFIX.search(filename)
    return f"upload_{token_hex(16)}{suffix[0].lower() if suffix else ''}"


def finish(part: Path, upload_id: str, filename: str, caller: Caller) -> None:
    """Give a fully received ``part`` its name. Blocking."""
    note = {"filename": filename, "account": caller.account, "user": caller.user}
    with open(part.with_name(upload_id + _NOTE), "wb", opener=private_opener) as file:
        file.write(orjson.dumps(note))
    os.replace(part, part.with_name(upload_id))
    folder = os.open(part.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # the import that will be promised stands on this name
    finally:
        os.close(folder)


class UploadQuota:
    """How many bytes of uploads one user may have waiting to be imported, on their way here included."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._coming: Counter[tuple[str, str]] = Counter()
        self._owners: dict[str, tuple[str, str]] = {}
        self._turns: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()

    def turn(self, caller: Caller) -> asyncio.Lock:
        """Hold it while this caller's uploads are added up, and while one of them goes from those that come to those that lie
        there: else it would be counted twice."""
        return self._turns.setdefault((caller.account, caller.user), asyncio.Lock())

    def lying(self, folder: Path, caller: Caller) -> int:
        """Bytes of this caller's finished uploads. Blocking, and for one thread at a time."""
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
                continue  # just imported, or nobody's
        self._owners = seen
        return total

    def check(self, caller: Caller, lying: int, more: int = 0) -> None:
        """Raises ``Busy`` RESOURCE_EXHAUSTED where what lies here, what is on its way and ``more`` are too much."""
        waiting = lying + self._coming[caller.account, caller.user]
        if waiting + more > self._bytes_max:
            raise Busy(
                f"uploads of this user that wait to be imported would hold more than {self._bytes_max} bytes",
                retry_after_s=60.0,
                remedy="import what was sent, or send it again when imports have ended; unused uploads go after twelve hours",
                code="RESOURCE_EXHAUSTED",
            )

    @contextmanager
    def coming(self, caller: Caller, lying: int) -> Iterator[Callable[[int], None]]:
        """Count an upload of this caller while it comes: call what is given with each piece's size. It raises ``Busy``."""
        owner, size = (caller.account, caller.user), 0

        def counted(more: int) -> None:
            nonlocal size
            self.check(caller, lying, more)
            self._coming[owner] += more
            size += more

        try:
            yield counted
        finally:
            self._coming[owner] -= size
            if not self._coming[owner]:
                del self._coming[owner]


def _owner(folder: Path, upload_id: str) -> tuple[str, str]:
    note = orjson.loads((folder / (upload_id + _NOTE)).read_bytes())
    return str(note["account"]), str(note["user"])


def open_upload(folder: Path, upload_id: str, caller: Caller) -> Upload:
    """Find an upload by its id. Blocking.

    Raises ``Invalid`` for what is no id, ``Denied``, in the same words, for what never was, has gone or is another user's.
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
        remedy="uploads live for twelve hours and are used once; send the file again",
        details={"type": "temp_file", "resource": upload_id},
    )
