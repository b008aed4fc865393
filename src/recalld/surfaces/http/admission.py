"""Who may come in now: limits on what runs and what waits, for each class of request and each caller.

Classes do not take each other's places, so no storm of questions keeps a message from being recorded. Within a class callers
take turns and none holds more than a quarter of the places. Waiting for background work holds no place of a class that does
work; it is counted in a class of its own.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from recalld.domain.errors import Busy


class Class(Enum):
    """What a request is for. CAPTURE: messages and writes; RECALL: questions and reading; BULK: imports, uploads and packs;
    WAIT: waiting for background work; ADMIN: the rest; OPEN: never kept waiting (health, metrics)."""

    CAPTURE = "capture"
    RECALL = "recall"
    BULK = "bulk"
    ADMIN = "admin"
    WAIT = "wait"
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class Limits:
    """``running_max`` requests run, ``caller_running_max`` of one caller at most; ``waiting_max`` wait for their turn,
    ``caller_waiting_max`` of one caller at most. So that no caller can hold a class alone, the share of one is a quarter."""

    running_max: int
    waiting_max: int
    caller_running_max: int
    caller_waiting_max: int


LIMITS = {
    Class.CAPTURE: Limits(256, 512, 64, 192),
    Class.RECALL: Limits(256, 256, 64, 64),
    Class.BULK: Limits(32, 128, 8, 56),
    Class.ADMIN: Limits(64, 128, 16, 48),
    Class.WAIT: Limits(256, 0, 64, 0),
}
RETRY_AFTER_S = 1.0
_BULK = ("resources", "pack", "snapshot")
_BULK_PATHS = ("/api/v1/content/batch-write", "/api/v1/content/reindex")
_RECORDS = ("sessions", "content", "fs", "skills", "log")
_READS = ("search", "tasks", *_RECORDS)
_WAITS = ("/api/v1/system/wait",)


def class_of(method: str, path: str) -> Class:
    """What a route is for, told from its method and its path's pattern."""
    group = path.split("/")[3] if path.startswith("/api/v1/") else ""
    if not group:
        return Class.OPEN
    if path in _WAITS:
        return Class.WAIT
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


class Place:
    """What a request holds while it runs. Leaving is idempotent: a request that goes on to wait for background work leaves
    early, since waiting needs no place."""

    def __init__(self, leave: Callable[[], None] | None = None) -> None:
        self._leave = leave

    def leave(self) -> None:
        """Give the place to the next request."""
        leave, self._leave = self._leave, None
        if leave is not None:
            leave()


class Gate:
    """One class's admission. All on one loop, so nothing needs a lock.

    Invariant: while a place is free, whoever waits has its caller's share in use.
    """

    def __init__(self, name: str, limits: Limits) -> None:
        self._name = name
        self._limits = limits
        self._running: dict[str, int] = {}
        self._total = 0
        self._refused = 0
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()
        self._count = 0

    @property
    def crowd(self) -> Crowd:
        """See ``Crowd``."""
        return Crowd(self._total, self._count, self._refused)

    @asynccontextmanager
    async def entered(self, caller: str, within_s: float | None = None) -> AsyncIterator[Place]:
        """Hold a place while the block runs, after waiting for it no longer than ``within_s``.

        Raises ``Busy``: see ``enter``.
        """
        place = await self.enter(caller, within_s)
        try:
            yield place
        finally:
            place.leave()

    async def enter(self, caller: str, within_s: float | None = None) -> Place:
        """A place, held until it is left, after waiting for it no longer than ``within_s``.

        Raises ``Busy`` at once when too many wait already, and when no place came free in time: nothing has begun then.
        """
        if self._is_free_for(caller):
            self._take(caller)
        else:
            self._check(caller)
            await self._wait(caller, within_s)
        return Place(lambda: self._leave(caller))

    def _is_free_for(self, caller: str) -> bool:
        limits = self._limits
        return self._total < limits.running_max and self._running.get(caller, 0) < limits.caller_running_max

    def _take(self, caller: str) -> None:
        self._total += 1
        self._running[caller] = self._running.get(caller, 0) + 1

    def _check(self, caller: str) -> None:
        mine = len(self._waiting.get(caller, ()))
        if mine >= self._limits.caller_waiting_max:
            self._refused += 1
            raise Busy(
                f"{mine + self._running.get(caller, 0)} {self._name} requests of this caller are under way",
                retry_after_s=RETRY_AFTER_S,
                code="RESOURCE_EXHAUSTED",
            )
        if self._count >= self._limits.waiting_max:
            self._refused += 1
            raise Busy(f"{self._count} {self._name} requests wait already", retry_after_s=RETRY_AFTER_S)

    async def _wait(self, caller: str, within_s: float | None) -> None:
        try:
            async with asyncio.timeout(within_s) as limit:
                await self._turn(caller)
        except TimeoutError:
            if not limit.expired():
                raise
            self._refused += 1
            raise Busy(
                f"no place among the {self._name} requests came free in {within_s:g} s",
                remedy=f"nothing was begun; retry in {RETRY_AFTER_S:g} s",
                retry_after_s=RETRY_AFTER_S,
            ) from None

    async def _turn(self, caller: str) -> None:
        """Wait until a place is handed over."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(caller, deque()).append(turn)
        self._count += 1
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._leave(caller)  # the place was handed over at the moment of leaving
            else:
                self._forget(caller, turn)
            raise

    def _leave(self, caller: str) -> None:
        """Give a place back, and hand over what is free."""
        self._total -= 1
        self._running[caller] -= 1
        if not self._running[caller]:
            del self._running[caller]
        self._hand_over()

    def _hand_over(self) -> None:
        """Give free places to the callers who wait, in turns; callers whose share is in use are passed over."""
        while (caller := next((c for c in self._waiting if self._is_free_for(c)), None)) is not None:
            turns = self._waiting.pop(caller)
            turn = turns.popleft()
            if turns:
                self._waiting[caller] = turns  # behind the others
            self._count -= 1
            if not turn.done():
                self._take(caller)
                turn.set_result(None)

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

    def entered(self, one: Class, caller: str, within_s: float | None = None) -> AbstractAsyncContextManager[Place]:
        """A place for a request of this class. Raises ``Busy``; see ``Gate.entered``."""
        gate = self._gates.get(one)
        return nullcontext(Place()) if gate is None else gate.entered(caller, within_s)

    async def enter(self, one: Class, caller: str, within_s: float | None = None) -> Place:
        """The same, held until it is left."""
        gate = self._gates.get(one)
        return Place() if gate is None else await gate.enter(caller, within_s)

    def crowds(self) -> dict[str, Crowd]:
        """How full every class is."""
        return {one.value: gate.crowd for one, gate in self._gates.items()}
