"""Detects files, names and processes opened on a running loop's own thread."""

from __future__ import annotations

import asyncio
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import recalld

# Audit events of calls that can wait for a disk, a name server or another process.
EVENTS = frozenset(
    {
        "open",
        "os.listdir",
        "os.scandir",
        "os.remove",
        "os.rename",
        "os.mkdir",
        "os.rmdir",
        "os.truncate",
        "os.link",
        "os.symlink",
        "os.system",
        "os.posix_spawn",
        "os.fork",
        "shutil.copyfile",
        "shutil.move",
        "shutil.rmtree",
        "glob.glob",
        "socket.connect",
        "socket.getaddrinfo",
        "socket.gethostbyname",
        "socket.gethostbyaddr",
        "sqlite3.connect",
        "subprocess.Popen",
        "urllib.Request",
    }
)
OURS = str(Path(recalld.__file__).parent) + "/"
# Whose own doing this is: the import system reads modules, the loops connect without waiting, tracebacks read their
# lines, tests prepare their folders. A frame of one of these, met before one of ours, excuses the call.
EXCUSED = (
    "<frozen ",
    "/importlib/",
    "/asyncio/",
    "/uvloop/",
    "/linecache.py",
    "/traceback.py",
    "/tokenize.py",
    "/inspect.py",
    "/_pytest/",
    "/pytest_asyncio/",
    "/hypothesis/",
    "/tests/",
    "/multiprocessing/resource_tracker.py",
)
TRIPS_MAX = 20
FRAMES_SHOWN = 6


class Tripwire:
    """One armed stretch. ``trips``: what happened and where, in order, at most ``TRIPS_MAX``."""

    def __init__(self) -> None:
        self.trips: list[str] = []

    @classmethod
    @contextmanager
    def armed(cls) -> Iterator[Tripwire]:
        """Watch until the block ends. Audit hooks cannot be taken out again: one is set once and asks who is armed."""
        _install()
        wire = cls()
        _armed.append(wire)
        try:
            yield wire
        finally:
            _armed.remove(wire)

    def note(self, event: str, arguments: tuple[object, ...]) -> None:
        """Keep what tripped with the innermost frames that led there."""
        if len(self.trips) < TRIPS_MAX:
            stack = traceback.extract_stack(limit=FRAMES_SHOWN + 3)[:-3]
            where = " < ".join(f"{f.filename.rsplit('/', 2)[-1]}:{f.lineno} {f.name}" for f in reversed(stack))
            self.trips.append(f"{event}{arguments[:1]!r} at {where}")


_armed: list[Tripwire] = []
_inside = threading.local()
_installed = False


def _install() -> None:
    global _installed
    if not _installed:
        _installed = True
        sys.addaudithook(_hook)


def _hook(event: str, arguments: tuple[object, ...]) -> None:
    if not _armed or event not in EVENTS or getattr(_inside, "busy", False):
        return
    # Looking at stacks opens files itself.
    _inside.busy = True
    try:
        if asyncio._get_running_loop() is not None and not _excused(event, arguments):
            for wire in tuple(_armed):
                wire.note(event, arguments)
    finally:
        _inside.busy = False


def _excused(event: str, arguments: tuple[object, ...]) -> bool:
    if event == "open" and (not arguments or isinstance(arguments[0], int)):
        return True  # wrapping a descriptor that is open already
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        name = frame.f_code.co_filename
        if name.startswith(OURS):
            return False
        if any(part in name for part in EXCUSED):
            return True
        frame = frame.f_back
    return True
