"""A limit on the memory that large requests and large responses take at the same time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from recalld.domain.errors import Busy

TOTAL_BYTES = 256 * 1024 * 1024
CALLER_BYTES = 64 * 1024 * 1024


class MemoryReservation:
    """The bytes that one request has reserved of a budget, until it releases them."""

    def __init__(self, budget: MemoryBudget, caller: str) -> None:
        self._budget = budget
        self._caller = caller
        self.size = 0

    def reserve(self, size: int) -> None:
        """Reserve ``size`` more bytes. Raises ``Busy`` when the budget has no room for them now."""
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
