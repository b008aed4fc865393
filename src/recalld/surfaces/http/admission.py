"""Admission control: limits on running and queued requests, per request class and per caller.

Each class has its own slots, so a burst of searches cannot starve writes. Within a class callers are served in turn, and no
caller holds more than a quarter of the slots. A request that waits for background work is counted in a class of its own and
holds no slot of a class that does work.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from recalld.domain.errors import Busy


class RequestClass(Enum):
    """What a request is for. INGEST: messages and writes; RECALL: searches and reads; BULK: imports, uploads and packs;
    WAIT: waiting for background work; ADMIN: the rest; OPEN: not limited (health, metrics)."""

    INGEST = "ingest"
    RECALL = "recall"
    BULK = "bulk"
    ADMIN = "admin"
    WAIT = "wait"
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class Limits:
    """At most ``running_max`` requests run, ``caller_running_max`` of one caller; at most ``waiting_max`` are queued,
    ``caller_waiting_max`` of one caller. The share of one caller is a quarter, so no caller fills a class alone."""

    running_max: int
    waiting_max: int
    caller_running_max: int
    caller_waiting_max: int


LIMITS = {
    RequestClass.INGEST: Limits(256, 512, 64, 192),
    RequestClass.RECALL: Limits(256, 256, 64, 64),
    RequestClass.BULK: Limits(32, 128, 8, 56),
    RequestClass.ADMIN: Limits(64, 128, 16, 48),
    RequestClass.WAIT: Limits(256, 0, 64, 0),
}
RETRY_AFTER_S = 1.0
_BULK = ("resources", "pack", "snapshot")
_BULK_PATHS = ("/api/v1/content/batch-write", "/api/v1/content/reindex")
_RECORDS = ("sessions", "content", "fs", "skills", "log")
_READS = ("search", "tasks", *_RECORDS)
_WAITS = ("/api/v1/system/wait",)


def request_class(method: str, path: str) -> RequestClass:
    """The class of a route, from its method and its path pattern."""
    group = path.split("/")[3] if path.startswith("/api/v1/") else ""
    if not group:
        return RequestClass.OPEN
    if path in _WAITS:
        return RequestClass.WAIT
    if path in _BULK_PATHS or (group in _BULK and method != "GET"):
        return RequestClass.BULK
    if group == "search" or path.endswith("/find") or (method == "GET" and group in (*_READS, *_BULK)):
        return RequestClass.RECALL
    return RequestClass.INGEST if group in _RECORDS else RequestClass.ADMIN


class Load(NamedTuple):
    """Requests of a class that run and that are queued now, and the number rejected since the start."""

    running: int
    waiting: int
    rejected: int


class Slot:
    """A slot that a running request holds. ``release`` is idempotent: a request that goes on to wait for background work
    releases its slot early, since waiting needs none."""

    def __init__(self, release: Callable[[], None] | None = None) -> None:
        self._release = release

    def release(self) -> None:
        """Pass the slot to the next queued request."""
        release, self._release = self._release, None
        if release is not None:
            release()


class ConcurrencyLimiter:
    """Limits one class. All calls come from one event loop, so no lock is needed.

    Invariant: while a slot is free, every queued request belongs to a caller that has its full share in use.
    """

    def __init__(self, name: str, limits: Limits) -> None:
        self._name = name
        self._limits = limits
        self._running: dict[str, int] = {}
        self._total = 0
        self._rejected = 0
        self._waiters: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()
        self._waiting = 0

    @property
    def load(self) -> Load:
        """See ``Load``."""
        return Load(self._total, self._waiting, self._rejected)

    async def acquire(self, caller: str, within_s: float | None = None) -> Slot:
        """Return a slot to be released by the caller, after waiting for it at most ``within_s``.

        Raises ``Busy`` at once when the queue is full, and when no slot became free in time. No work was started then.
        """
        if self._is_free_for(caller):
            self._take(caller)
        else:
            self._check_queue(caller)
            await self._wait(caller, within_s)
        return Slot(lambda: self._release(caller))

    def _is_free_for(self, caller: str) -> bool:
        limits = self._limits
        return self._total < limits.running_max and self._running.get(caller, 0) < limits.caller_running_max

    def _take(self, caller: str) -> None:
        self._total += 1
        self._running[caller] = self._running.get(caller, 0) + 1

    def _check_queue(self, caller: str) -> None:
        mine = len(self._waiters.get(caller, ()))
        if mine >= self._limits.caller_waiting_max:
            self._rejected += 1
            raise Busy(
                f"{mine + self._running.get(caller, 0)} {self._name} requests of this caller are in progress",
                retry_after_s=RETRY_AFTER_S,
                code="RESOURCE_EXHAUSTED",
            )
        if self._waiting >= self._limits.waiting_max:
            self._rejected += 1
            raise Busy(f"too many queued {self._name} requests ({self._waiting})", retry_after_s=RETRY_AFTER_S)

    async def _wait(self, caller: str, within_s: float | None) -> None:
        try:
            async with asyncio.timeout(within_s) as limit:
                await self._wait_for_slot(caller)
        except TimeoutError:
            if not limit.expired():
                raise
            self._rejected += 1
            raise Busy(
                f"no slot for {self._name} requests became free in {within_s:g} s",
                remedy=f"nothing was started; retry in {RETRY_AFTER_S:g} s",
                retry_after_s=RETRY_AFTER_S,
            ) from None

    async def _wait_for_slot(self, caller: str) -> None:
        """Return once a slot has been handed over."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.setdefault(caller, deque()).append(waiter)
        self._waiting += 1
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                self._release(caller)  # the slot was handed over in the moment of the cancellation
            else:
                self._remove_waiter(caller, waiter)
            raise

    def _release(self, caller: str) -> None:
        """Free a slot and hand free slots over."""
        self._total -= 1
        self._running[caller] -= 1
        if not self._running[caller]:
            del self._running[caller]
        self._hand_over()

    def _hand_over(self) -> None:
        """Give free slots to the callers in the queue in turn. Callers that use their full share are skipped."""
        while (caller := next((c for c in self._waiters if self._is_free_for(c)), None)) is not None:
            waiters = self._waiters.pop(caller)
            waiter = waiters.popleft()
            if waiters:
                self._waiters[caller] = waiters  # behind the others
            self._waiting -= 1
            if not waiter.done():
                self._take(caller)
                waiter.set_result(None)

    def _remove_waiter(self, caller: str, waiter: asyncio.Future[None]) -> None:
        waiters = self._waiters.get(caller)
        if waiters is not None and waiter in waiters:
            waiters.remove(waiter)
            self._waiting -= 1
            if not waiters:
                del self._waiters[caller]


class Admission:
    """The limiters of all classes."""

    def __init__(self, limits: Mapping[RequestClass, Limits] = LIMITS) -> None:
        self._limiters = {kind: ConcurrencyLimiter(kind.value, bounds) for kind, bounds in limits.items()}

    async def acquire(self, kind: RequestClass, caller: str, within_s: float | None = None) -> Slot:
        """A slot that the caller releases. Raises ``Busy``; see ``ConcurrencyLimiter.acquire``."""
        limiter = self._limiters.get(kind)
        return Slot() if limiter is None else await limiter.acquire(caller, within_s)

    def loads(self) -> dict[str, Load]:
        """The load of every class, by its name."""
        return {kind.value: limiter.load for kind, limiter in self._limiters.items()}


TOTAL_BYTES = 256 * 1024 * 1024
CALLER_BYTES = 64 * 1024 * 1024


class MemoryReservation:
    """The bytes that one request has reserved of a budget, until it releases them."""

    def __init__(self, budget: MemoryBudget, caller: str) -> None:
        self._budget = budget
        self._caller = caller
        self.size = 0

    def reserve(self, size: int) -> None:
        """Reserve ``size`` more bytes. Raises ``Busy`` when they exceed the free budget."""
        self._budget.reserve(self._caller, size)
        self.size += size

    def release(self) -> None:
        """Release all bytes."""
        self._budget.release(self._caller, self.size)
        self.size = 0


class MemoryBudget:
    """``total`` bytes in all, ``caller`` bytes for one caller. A single request of a caller may exceed the caller's share."""

    def __init__(self, total: int = TOTAL_BYTES, caller: int = CALLER_BYTES) -> None:
        self._total = total
        self._caller = caller
        self._by_caller: Counter[str] = Counter()
        self.reserved = 0

    @contextmanager
    def reservation(self, caller: str) -> Iterator[MemoryReservation]:
        """A reservation that is released at the end of the block."""
        reservation = MemoryReservation(self, caller)
        try:
            yield reservation
        finally:
            reservation.release()

    def release(self, caller: str, size: int) -> None:
        """See ``MemoryReservation.release``."""
        self.reserved -= size
        self._by_caller[caller] -= size
        if not self._by_caller[caller]:
            del self._by_caller[caller]

    def reserve(self, caller: str, size: int) -> None:
        """See ``MemoryReservation.reserve``."""
        mine = self._by_caller[caller] + size > self._caller and self._by_caller[caller] > 0
        if mine or self.reserved + size > self._total:
            raise Busy(
                "the memory for large requests and responses of this caller is used up"
                if mine
                else "the memory for large requests and responses is used up",
                code="RESOURCE_EXHAUSTED" if mine else "",
            )
        self.reserved += size
        self._by_caller[caller] += size
