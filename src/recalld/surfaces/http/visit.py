"""One request's way through admission and its deadline, for routes and for tools alike."""

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
from recalld.domain.errors import Busy, RecalldError, deadline_exceeded
from recalld.surfaces.http.admission import Admission, Class, Place
from recalld.surfaces.http.budget import Budget, Held

T = TypeVar("T")
SMALL_BYTES = 64 * 1024


class _Phase(Enum):
    """What a request was about when its deadline passed, as its remedy."""

    READING = "nothing was changed; ask again later, or for less"
    CHANGING = "what was begun may still be completed: look before you send it again"
    WAITING = "the work goes on; ask again later or allow more time"


@dataclass(frozen=True, slots=True)
class Terms:
    """What a request is called, its class, how long it may wait for its place, how long it may take from its arrival on
    (None: as long as its client stays), how long it may wait for background work, and whether it may change anything."""

    operation: str
    kind: Class
    admission_s: float
    deadline_s: float | None
    wait_s: float
    changes: bool = True


class Visit:
    """Use it as a context manager: its places are given back at the end of the block, after the answer has been sent."""

    def __init__(self, admission: Admission, terms: Terms) -> None:
        self._admission = admission
        self._terms = terms
        self._places: list[Place] = []
        self._place = Place()
        self._memory: tuple[Budget, str] | None = None
        self._held: Held | None = None
        self._limit: asyncio.Timeout | None = None
        self._phase = _Phase.CHANGING if terms.changes else _Phase.READING
        self._arrived = time.monotonic()
        self.queued_s = 0.0

    async def __aenter__(self) -> Visit:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for place in self._places:
            place.leave()
        if self._held is not None:
            self._held.give_back()

    def count(self, budget: Budget, caller: str) -> None:
        """From here on what this request and its answer hold is counted."""
        self._memory = budget, caller

    def hold(self, size: int) -> None:
        """So many bytes more of the request or its answer are in memory; small ones are not counted. Raises ``Busy``."""
        if size > SMALL_BYTES and self._memory is not None:
            if self._held is None:
                self._held = Held(*self._memory)
            self._held.take(size)

    def arrived(self) -> None:
        """The whole request is there: its deadline counts from now, since no server hastens its client."""
        self._arrived = time.monotonic()

    async def prepared(self, work: Awaitable[T]) -> T:
        """What comes before any work, under the deadline of getting a place. Raises ``Busy``."""
        seconds = self._terms.admission_s
        try:
            async with asyncio.timeout(seconds) as limit:
                return await work
        except TimeoutError as late:
            if not limit.expired():
                raise
            raise Busy(
                f"{self._terms.operation} could not begin within {seconds:g} s",
                remedy="nothing was begun; retry in 1 s",
            ) from late

    @asynccontextmanager
    async def working(self, caller: str, *, waits: bool = False) -> AsyncIterator[None]:
        """The work itself, in a place of its class and under its deadline; ``waits``: it goes on to wait for background work.

        Raises ``Busy`` where there is no place, before anything has begun, and ``Upstream`` DEADLINE_EXCEEDED.
        """
        terms = self._terms
        seconds = terms.wait_s if terms.kind is Class.WAIT else terms.deadline_s
        spent_s = time.monotonic() - self._arrived
        try:
            async with asyncio.timeout(None if seconds is None else seconds - spent_s) as self._limit:
                if waits:
                    self._places.append(await self._admission.enter(Class.WAIT, caller))
                place = await self._admission.enter(terms.kind, caller, max(terms.admission_s - spent_s, 0.0))
                self._places.append(place)
                if terms.kind is Class.WAIT:
                    self._phase = _Phase.WAITING
                else:
                    self._place = place
                self.queued_s = time.monotonic() - self._arrived
                with working_for(self):
                    yield
        except TimeoutError as late:
            if self._limit is None or not self._limit.expired():
                raise
            raise self._late() from late

    def leave(self) -> None:
        """See ``app.request.Request``."""
        self._place.leave()
        self._phase = _Phase.WAITING
        if self._limit is not None and not self._limit.expired():
            self._limit.reschedule(asyncio.get_running_loop().time() + self._terms.wait_s)

    def _late(self) -> RecalldError:
        seconds = self._terms.wait_s if self._phase is _Phase.WAITING else self._terms.deadline_s
        return deadline_exceeded(self._terms.operation, seconds or 0.0, self._phase.value)
