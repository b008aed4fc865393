"""How much memory large requests and large answers may take at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from recalld.domain.errors import Busy

TOTAL_BYTES = 256 * 1024 * 1024
CALLER_BYTES = 64 * 1024 * 1024


class Held:
    """What one request holds of a budget, until it gives that back."""

    def __init__(self, budget: Budget, caller: str) -> None:
        self._budget = budget
        self._caller = caller
        self.size = 0

    def take(self, size: int) -> None:
        """Hold so many bytes more. Raises ``Busy`` where there is no room for them now."""
        self._budget.take(self._caller, size)
        self.size += size

    def give_back(self) -> None:
        """Hold nothing any more."""
        self._budget.give_back(self._caller, self.size)
        self.size = 0


class Budget:
    """``total`` bytes in all, ``caller`` of one caller."""

    def __init__(self, total: int = TOTAL_BYTES, caller: int = CALLER_BYTES) -> None:
        self._total = total
        self._caller = caller
        self._of: Counter[str] = Counter()
        self.held = 0

    @contextmanager
    def holding(self, caller: str) -> Iterator[Held]:
        """What is taken in the block is given back at its end."""
        held = Held(self, caller)
        try:
            yield held
        finally:
            held.give_back()

    def give_back(self, caller: str, size: int) -> None:
        """See ``Held.give_back``."""
        self.held -= size
        self._of[caller] -= size
        if not self._of[caller]:
            del self._of[caller]

    def take(self, caller: str, size: int) -> None:
        """See ``Held.take``."""
        mine = self._of[caller] + size > self._caller and self._of[caller] > 0
        if mine or self.held + size > self._total:
            raise Busy(
                "large requests and answers of this caller take all the memory they may"
                if mine
                else "large requests and answers take all the memory they may",
                code="RESOURCE_EXHAUSTED" if mine else "",
            )
        self.held += size
        self._of[caller] += size
