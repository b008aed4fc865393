"""The standard streams of a pipeline: they may be closed, full, or without a reader."""

from __future__ import annotations

import io
import os
import sys
from types import TracebackType
from typing import Self, TextIO

from .exit_codes import BROKEN_PIPE, INTERRUPTED, RUNTIME

_STANDARD = 3
"""File descriptors 0, 1 and 2."""


class StandardStreams:
    """A context manager around one command of a process of its own.

    An output that cannot be written ends the command: quietly with ``BROKEN_PIPE`` where its reader has gone, else with one
    sentence on stderr. Messages that stderr does not take are dropped: they are no reason to stop half-way. Ctrl-C ends it
    quietly. A stream that was closed before the start can neither be read nor written, and no file or socket of ours gets
    its number: what a library prints would go there.
    """

    def __init__(self) -> None:
        self._stdout: _Output | None = None
        self.code: int | None = None
        """What the process ends with instead of what the command says; None: that stands."""

    def __enter__(self) -> Self:
        if os.name == "posix":
            _occupy()
            if sys.stdin is None:
                sys.stdin = open(0, closefd=False)
            self._stdout = _Output(1)
            sys.stdout = _text(self._stdout, sys.stdout)
            sys.stderr = _text(_Output(2, essential=False), sys.stderr)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> bool:
        failure = self._flush()
        if failure is None:
            if not isinstance(error, KeyboardInterrupt):
                return False
            self.code = INTERRUPTED
            return True
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # the interpreter writes what is left when it ends
        if isinstance(failure, BrokenPipeError):
            self.code = BROKEN_PIPE
        else:
            self.code = RUNTIME
            print(f"error: the output cannot be written: {failure.strerror}", file=sys.stderr)
            print("  try: check where it goes, and that there is space", file=sys.stderr)
        return True

    def _flush(self) -> OSError | None:
        if self._stdout is None:
            return None
        try:
            sys.stdout.flush()
        except OSError as failed:
            return failed
        return self._stdout.failure


class _Output(io.FileIO):
    """A stream's descriptor. ``failure``: why the last write to it was refused. One that is not ``essential`` refuses nothing."""

    def __init__(self, descriptor: int, *, essential: bool = True) -> None:
        super().__init__(descriptor, "w", closefd=False)
        self.failure: OSError | None = None
        self._essential = essential

    def write(self, data: object) -> int:
        """See ``io.RawIOBase``."""
        try:
            return super().write(data)  # type: ignore[arg-type]
        except OSError as failed:
            self.failure = failed
            if self._essential:
                raise
            return len(memoryview(data).cast("B"))  # type: ignore[arg-type]


def _text(raw: _Output, before: TextIO | None) -> TextIO:
    """A text stream over ``raw`` with the settings of the one that was there."""
    if not isinstance(before, io.TextIOWrapper):
        return io.TextIOWrapper(io.BufferedWriter(raw), encoding="utf-8", errors="replace", line_buffering=True)
    before.flush()
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=before.encoding,
        errors="replace",
        line_buffering=before.line_buffering,
        write_through=before.write_through,
    )


def _occupy() -> None:
    """Open something harmless at each standard descriptor that is closed: it refuses what the stream is for."""
    while True:
        # The lowest number that is free is the one we get.
        found = os.open(os.devnull, os.O_RDONLY)
        if found >= _STANDARD:
            os.close(found)
            return
        if found == 0:
            unreadable = os.open(os.devnull, os.O_WRONLY)
            os.dup2(unreadable, 0)
            os.close(unreadable)
