"""The lifetime of one request: its slots, its memory and its deadlines, for routes and MCP tools alike."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import Enum
from types import TracebackType
from typing import TypeVar

from recalld.app.request import working_for
from recalld.domain.errors import Busy, deadline_exceeded
from recalld.surfaces.http.admission import Admission, MemoryBudget, MemoryReservation, RequestClass, Slot

T = TypeVar("T")
SMALL_BYTES = 64 * 1024


class _Phase(Enum):
    """What a request was doing when its deadline passed; the value is the remedy."""

    READING = "nothing was changed; try again later, or ask for less"
    CHANGING = "the change may still be completed: check before you send it again"
    WAITING = "the work goes on; try again later or allow more time"


@dataclass(frozen=True, slots=True)
class RequestPolicy:
    """The limits of one operation.

    ``admission_s``: how long a request may wait for its slot. ``deadline_s``: how long it may take from its arrival on (None:
    no limit). ``wait_s``: how long it may wait for background work. ``changes``: it may change something.
    """

    operation: str
    kind: RequestClass
    admission_s: float
    deadline_s: float | None
    wait_s: float
    changes: bool = True


class RequestLifetime:
    """A context manager: slots and memory are released at the end of the block, after the response has been sent."""

    def __init__(self, admission: Admission, policy: RequestPolicy) -> None:
        self._admission = admission
        self._policy = policy
        self._slots: list[Slot] = []
        self._slot = Slot()
        self._account: tuple[MemoryBudget, str] | None = None
        self._memory: MemoryReservation | None = None
        self._limit: asyncio.Timeout | None = None
        self._phase = _Phase.CHANGING if policy.changes else _Phase.READING
        self._received_at = time.monotonic()
        self.queued_s = 0.0

    async def __aenter__(self) -> RequestLifetime:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for slot in self._slots:
            slot.release()
        if self._memory is not None:
            self._memory.release()

    def track_memory(self, budget: MemoryBudget, caller: str) -> None:
        """Charge the memory of this request and its response to ``caller`` from now on."""
        self._account = budget, caller

    def reserve(self, size: int) -> None:
        """Charge ``size`` more bytes; small requests and responses are not counted. Raises ``Busy``."""
        if size > SMALL_BYTES and self._account is not None:
            if self._memory is None:
                self._memory = MemoryReservation(*self._account)
            self._memory.reserve(size)

    def received(self) -> None:
        """The whole request has been read. Its deadline counts from now, since a slow client is not the server's delay."""
        self._received_at = time.monotonic()

    async def prepare(self, work: Awaitable[T]) -> T:
        """Await ``work``, which precedes the handler, within ``admission_s``. Raises ``Busy``."""
        seconds = self._policy.admission_s
        try:
            async with asyncio.timeout(seconds) as limit:
                return await work
        except TimeoutError as late:
            if not limit.expired():
                raise
            raise Busy(
                f"{self._policy.operation} could not start within {seconds:g} s",
                remedy="nothing was started; retry in 1 s",
            ) from late

    @asynccontextmanager
    async def running(self, caller: str, *, waits: bool = False) -> AsyncIterator[None]:
        """Hold a slot of the request's class for the block, under the request's deadline. ``waits``: the request goes on to wait
        for background work.

        Raises ``Busy`` when there is no slot, before the block starts, and ``Upstream`` DEADLINE_EXCEEDED.
        """
        policy = self._policy
        seconds = policy.wait_s if policy.kind is RequestClass.WAIT else policy.deadline_s
        elapsed_s = time.monotonic() - self._received_at
        try:
            async with asyncio.timeout(None if seconds is None else seconds - elapsed_s) as self._limit:
                if waits:
                    self._slots.append(await self._admission.acquire(RequestClass.WAIT, caller))
                slot = await self._admission.acquire(policy.kind, caller, max(policy.admission_s - elapsed_s, 0.0))
                self._slots.append(slot)
                if policy.kind is RequestClass.WAIT:
                    self._phase = _Phase.WAITING
                else:
                    self._slot = slot
                self.queued_s = time.monotonic() - self._received_at
                with working_for(self):
                    yield
        except TimeoutError as late:
            if self._limit is None or not self._limit.expired():
                raise
            seconds = policy.wait_s if self._phase is _Phase.WAITING else policy.deadline_s
            raise deadline_exceeded(policy.operation, seconds or 0.0, self._phase.value) from late

    def release_slot(self) -> None:
        """See ``app.request.Request``."""
        self._slot.release()
        self._phase = _Phase.WAITING
        if self._limit is not None and not self._limit.expired():
            self._limit.reschedule(asyncio.get_running_loop().time() + self._policy.wait_s)
