"""A process of our own beside this one: started, joined by a socket, ended for certain."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import socket
import sys
from asyncio.subprocess import Process
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from .processor import anywhere

FD_VARIABLE = "_RECALLD_LINK_FD"
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class Child:
    """A running child and our end of the socket to it."""

    process: Process
    sock: socket.socket

    def kill(self) -> None:
        """End it and whatever it started, at once."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)

    async def end(self, grace_s: float) -> int:
        """Hang up, let it leave by itself for ``grace_s``, then kill it. Returns its exit status (negative: signal)."""
        self.sock.close()
        try:
            async with asyncio.timeout(grace_s):
                return await self.process.wait()
        except TimeoutError:
            self.kill()
            return await self.process.wait()


async def spawn(arguments: Sequence[str], environment: Mapping[str, str]) -> Child:
    """Start this Python with ``arguments`` in a session of its own; its log lines go where ours go.

    The child finds its end of the socket in ``FD_VARIABLE``.
    """
    ours, theirs = socket.socketpair()
    with theirs:
        try:
            with anywhere():
                process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    *arguments,
                    stdin=asyncio.subprocess.DEVNULL,
                    env={**os.environ, **environment, FD_VARIABLE: str(theirs.fileno())},
                    pass_fds=(theirs.fileno(),),
                    # Ctrl-C at a terminal is for the parent: it hangs up when it has finished what it accepted.
                    start_new_session=True,
                )
        except BaseException:
            ours.close()
            raise
    return Child(process, ours)


def inherited_socket() -> socket.socket:
    """In the child: its end of the socket."""
    return socket.socket(fileno=int(os.environ.pop(FD_VARIABLE)))


def follow_parent() -> None:
    """In the child: be killed when the parent dies, where the system can do that (else the closed socket tells)."""
    if sys.platform == "linux":
        parent = os.getppid()
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGKILL)  # it died before we asked


def step_back(nice: int) -> None:
    """In the child: let everything else on the machine go first."""
    with suppress(OSError):
        os.nice(nice)
