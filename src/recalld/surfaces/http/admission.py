"""Who may come in now: limits on what runs and what waits, for each class of request and each caller.

Classes do not take each other's places, so no storm of questions keeps a message from being recorded. Within a class callers
take turns, so one who asks a thousand things at once waits for the other's single one.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from recalld.domain.errors import Busy


class Class(Enum):
    """What a request is for. CAPTURE: what somebody said; RECALL: questions and reading; BULK: imports and packs; ADMIN: the
    rest; OPEN: never kept waiting (health, metrics)."""

    CAPTURE = "capture"
    RECALL = "recall"
    BULK = "bulk"
    ADMIN = "admin"
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class Limits:
    """``running_max`` requests run, ``waiting_max`` wait, at most ``caller_max`` of them all of one caller."""

    running_max: int
    waiting_max: int
    caller_max: int


LIMITS = {
    Class.CAPTURE: Limits(64, 512, 256),
    Class.RECALL: Limits(64, 256, 128),
    Class.BULK: Limits(32, 128, 64),
    Class.ADMIN: Limits(16, 128, 64),
}
RETRY_AFTER_S = 1.0
_BULK = ("resources", "pack", "snapshot")
_BULK_PATHS = ("/api/v1/content/batch-write", "/api/v1/content/reindex")
_RECORDS = ("sessions", "content", "fs", "skills")
_READS = ("search", *_RECORDS)
_WAITS = ("/api/v1/system/wait",)
"""Waits for others' work and does none: a place would only be kept from somebody."""


def class_of(method: str, path: str) -> Class:
    """What a route is for, told from its method and its path's pattern."""
    group = path.split("/")[3] if path.startswith("/api/v1/") else ""
    if not group or path in _WAITS or group == "tasks":
        return Class.OPEN
    if path in _BULK_PATHS or (group in _BULK and method != "GET"):
        return Class.BULK
    if group == "search" or path.endswith("/find") or (method == "GET" and group in (*_READS, *_BULK)):
        return Class.RECALL
    return Class.CAPTURE if group in _RECORDS else Class.ADMIN


class Crowd(NamedTuple):
    """How full a class is, and how many were sent away since the start."""

    running: int
    waiting: int
    refused: int


class Gate:
    """One class's door. All on one loop, so nothing needs a lock."""

    def __init__(self, name: str, limits: Limits) -> None:
        self._name = name
        self._limits = limits
        self._running = 0
        self._refused = 0
        self._inside: dict[str, int] = {}
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()
        self._count = 0

    @property
    def crowd(self) -> Crowd:
        """See ``Crowd``."""
        return Crowd(self._running, self._count, self._refused)

    @asynccontextmanager
    async def entered(self, caller: str) -> AsyncIterator[None]:
        """Hold a place while the block runs. Raises ``Busy`` at once when too many are there already."""
        self._check(caller)
        self._inside[caller] = self._inside.get(caller, 0) + 1
        try:
            if self._running < self._limits.running_max and not self._count:
                self._running += 1
            else:
                await self._turn(caller)
            try:
                yield
            finally:
                self._leave()
        finally:
            self._inside[caller] -= 1
            if not self._inside[caller]:
                del self._inside[caller]

    def _check(self, caller: str) -> None:
        if self._inside.get(caller, 0) >= self._limits.caller_max:
            self._refused += 1
            raise Busy(
                f"{self._inside[caller]} {self._name} requests of this caller are under way",
                retry_after_s=RETRY_AFTER_S,
                code="RESOURCE_EXHAUSTED",
            )
        if self._count >= self._limits.waiting_max:
            self._refused += 1
            raise Busy(f"{self._count} {self._name} requests wait already", retry_after_s=RETRY_AFTER_S)

    async def _turn(self, caller: str) -> None:
        """Wait until a place is handed over."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(caller, deque()).append(turn)
        self._count += 1
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._leave()  # the place was handed over in the moment of going away
            else:
                self._forget(caller, turn)
            raise

    def _leave(self) -> None:
        """Hand the place to the next caller's first request, or give it back."""
        while self._waiting:
            caller, turns = self._waiting.popitem(last=False)
            turn = turns.popleft()
            if turns:
                self._waiting[caller] = turns  # behind the others
            self._count -= 1
            if not turn.done():
                turn.set_result(None)
                return
        self._running -= 1

    def _forget(self, caller: str, turn: asyncio.Future[None]) -> None:
        turns = self._waiting.get(caller)
        if turns is not None and turn in turns:
            turns.remove(turn)
            self._count -= 1
            if not turns:
                del self._waiting[caller]


class Admission:
    """The gates of all classes."""

    def __init__(self, limits: Mapping[Class, Limits] = LIMITS) -> None:
        self._gates = {one: Gate(one.value, most) for one, most in limits.items()}

    def entered(self, one: Class, caller: str) -> AbstractAsyncContextManager[None]:
        """A place for a request of this class. Raises ``Busy``."""
        gate = self._gates.get(one)
        return nullcontext() if gate is None else gate.entered(caller)

    def crowds(self) -> dict[str, Crowd]:
        """How full every class is."""
        return {one.value: gate.crowd for one, gate in self._gates.items()}
