"""A child process connected by a socket, and how to end it reliably."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import socket
import struct
import sys
from asyncio.subprocess import Process
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from recalld.domain.errors import Closed, Invalid

from .cpu_affinity import unpinned

FD_VARIABLE = "_RECALLD_LINK_FD"
WORKING_FOLDER = "/"
GREETING_BYTES_MAX = 64 << 10
GREETING_S = 30.0
SETTINGS = ("RECALLD_", "_RECALLD_", "OPENVIKING_")
"""Prefixes of the environment variables that this program or its clients read settings and keys from."""
_LENGTH = struct.Struct(">I")
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class Child:
    """A running child and our end of its socket."""

    process: Process
    sock: socket.socket

    def kill(self) -> None:
        """Kill it and whatever it started, at once."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)

    async def end(self, grace_s: float) -> int:
        """Close the socket, let it exit by itself for ``grace_s``, then kill it. Returns its exit status (negative: signal)."""
        self.sock.close()
        try:
            async with asyncio.timeout(grace_s):
                return await self.process.wait()
        except TimeoutError:
            self.kill()
            return await self.process.wait()


async def spawn(arguments: Sequence[str], greeting: bytes = b"", secrets: Collection[str] = ()) -> Child:
    """Start this Python with ``arguments`` in a session of its own; its log lines go where ours go.

    It stands in ``WORKING_FOLDER`` and imports nothing from there or from where we were started (``-P``). The child finds its
    end of the socket in ``FD_VARIABLE`` and on it ``greeting`` (at most ``GREETING_BYTES_MAX``); its environment is ours without
    settings of this program and without whatever holds one of ``secrets``.
    """
    if len(greeting) > GREETING_BYTES_MAX:
        raise Invalid(f"settings of {len(greeting)} bytes are too long", remedy=f"keep them below {GREETING_BYTES_MAX}")
    ours, theirs = socket.socketpair()
    with theirs:
        try:
            ours.setblocking(False)  # a socket's own buffer is larger than any greeting
            ours.send(_LENGTH.pack(len(greeting)) + greeting)
            with unpinned():
                process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-P",
                    *arguments,
                    stdin=asyncio.subprocess.DEVNULL,
                    cwd=WORKING_FOLDER,
                    env={**child_environment(os.environ, secrets), FD_VARIABLE: str(theirs.fileno())},
                    pass_fds=(theirs.fileno(),),
                    # Ctrl-C at a terminal is for the parent: it hangs up when it has finished what it accepted.
                    start_new_session=True,
                )
        except BaseException:
            ours.close()
            raise
    return Child(process, ours)


def child_environment(environment: Mapping[str, str], secrets: Collection[str]) -> dict[str, str]:
    """An environment without this program's settings, and without variables whose value holds one of ``secrets``."""
    return {
        name: value
        for name, value in environment.items()
        if not name.upper().startswith(SETTINGS) and not any(secret in value for secret in secrets)
    }


def inherited_socket() -> tuple[socket.socket, bytes]:
    """In the child: its end of the socket, and the greeting sent on it. Raises ``Closed`` if none arrives in time."""
    sock = socket.socket(fileno=int(os.environ.pop(FD_VARIABLE)))
    sock.settimeout(GREETING_S)
    try:
        (length,) = _LENGTH.unpack(_exactly(sock, _LENGTH.size))
        return sock, _exactly(sock, length)
    except OSError as silent:
        raise Closed("the server told its worker nothing", remedy="start the server again") from silent


def _exactly(sock: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        part = sock.recv(count - len(data))
        if not part:
            raise ConnectionResetError("closed")
        data += part
    return data


def die_with_parent() -> None:
    """In the child: be killed when the parent dies, where the system supports that (else the closed socket tells)."""
    if sys.platform == "linux":
        parent = os.getppid()
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGKILL)  # it ended before this check


def lower_priority(nice: int) -> None:
    """In the child: run at a lower CPU priority."""
    with suppress(OSError):
        os.nice(nice)
