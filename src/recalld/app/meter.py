"""What questions to a provider cost: counted here, held against the day's budget, written down by housekeeping.

Finding writes nothing, so a count of the last seconds is lost with a killed process; what the worker embeds is counted in
the commits that keep the vectors.
"""

from __future__ import annotations

from collections import Counter

from recalld.domain.commit import CountCost
from recalld.domain.errors import Busy
from recalld.domain.policy import DayPolicy
from recalld.ports.clock import Clock
from recalld.usecases.maintenance.bill import DAY, USED_UP, until_tomorrow


class Meter:
    """One provider's questions. All on one loop, so nothing needs a lock."""

    def __init__(self, provider: str, operation: str, policy: DayPolicy, clock: Clock) -> None:
        self.provider = provider
        self.policy = policy
        self._operation = operation
        self._clock = clock
        self._day = ""
        self._known = (0, 0)
        self._counted = Counter[str]()

    def claim(self, tokens: int) -> None:
        """Count a call. Raises ``Busy`` until the next UTC day once its budget is used up."""
        if self.full:
            self._counted["refused"] += 1
            raise Busy(
                f"{self.provider}: {USED_UP}",
                remedy="it is asked again tomorrow (UTC); tokens_per_day_max and calls_per_day_max are its limits",
                retry_after_s=until_tomorrow(self._clock),
            )
        self._counted["calls"] += 1
        self._counted["tokens"] += tokens

    @property
    def full(self) -> bool:
        """Whether the day's budget is used up."""
        self._turn_page()
        calls, tokens = self._known
        return self.policy.reached(calls + self._counted["calls"], tokens + self._counted["tokens"])

    def taken(self) -> tuple[CountCost, ...]:
        """What was counted and not written down yet, for a commit; ``written`` says that it is."""
        now = self._counted
        if not now.total():
            return ()
        return (
            CountCost(
                self._day,
                self.provider,
                self._operation,
                calls=now["calls"],
                tokens_in=now["tokens"],
                refused=now["refused"],
            ),
        )

    def written(self, costs: tuple[CountCost, ...]) -> None:
        """These are in the ledger."""
        for cost in costs:
            self._counted.subtract({"calls": cost.calls, "tokens": cost.tokens_in, "refused": cost.refused})
            calls, tokens = self._known
            self._known = (calls + cost.calls, tokens + cost.tokens_in)

    def know(self, day: str, calls: int, tokens: int) -> None:
        """What the ledger says of a day, other processes' calls included."""
        self._turn_page()
        if day == self._day:
            self._known = (calls, tokens)

    def _turn_page(self) -> None:
        """A new day begins at nothing; what the old one's last seconds saw counts for the new one."""
        today = self._clock.stamp(DAY)
        if today != self._day:
            self._day, self._known = today, (0, 0)
