"""Counts calls to a provider against its daily budget; housekeeping records them in the store.

A search writes nothing, so the counts of the last seconds are lost when the process is killed. The worker records its usage in
the commits that store the vectors.
"""

from __future__ import annotations

from collections import Counter

from recalld.domain.commit import RecordUsage
from recalld.domain.errors import Busy
from recalld.domain.policy import DayPolicy
from recalld.ports.clock import Clock
from recalld.usecases.maintenance.provider_budget import DAY, USED_UP, until_tomorrow


class UsageMeter:
    """Usage of one provider. Not thread-safe: used on one event loop only."""

    def __init__(self, provider: str, operation: str, policy: DayPolicy, clock: Clock) -> None:
        self.provider = provider
        self.policy = policy
        self._operation = operation
        self._clock = clock
        self._day = ""
        self._recorded = (0, 0)
        self._unrecorded = Counter[str]()

    def count(self, tokens: int) -> None:
        """Count a call. Raises ``Busy`` until the next UTC day once its budget is used up."""
        if self.exhausted:
            self._unrecorded["refused"] += 1
            raise Busy(
                f"{self.provider}: {USED_UP}",
                remedy="calls resume tomorrow (UTC); the limits are tokens_per_day_max and calls_per_day_max",
                retry_after_s=until_tomorrow(self._clock),
            )
        self._unrecorded["calls"] += 1
        self._unrecorded["tokens"] += tokens

    @property
    def exhausted(self) -> bool:
        """True if the day's budget is used up."""
        self._roll_over()
        calls, tokens = self._recorded
        return self.policy.reached(calls + self._unrecorded["calls"], tokens + self._unrecorded["tokens"])

    def unrecorded(self) -> tuple[RecordUsage, ...]:
        """Usage that is not recorded yet, for a commit; call ``mark_recorded`` after it."""
        now = self._unrecorded
        if not now.total():
            return ()
        return (
            RecordUsage(
                self._day,
                self.provider,
                self._operation,
                calls=now["calls"],
                tokens_in=now["tokens"],
                refused=now["refused"],
            ),
        )

    def mark_recorded(self, costs: tuple[RecordUsage, ...]) -> None:
        """Subtract the usage that a commit has recorded."""
        for cost in costs:
            self._unrecorded.subtract({"calls": cost.calls, "tokens": cost.tokens_in, "refused": cost.refused})
            calls, tokens = self._recorded
            self._recorded = (calls + cost.calls, tokens + cost.tokens_in)

    def sync(self, day: str, calls: int, tokens: int) -> None:
        """Set the recorded usage of a day, other processes included."""
        self._roll_over()
        if day == self._day:
            self._recorded = (calls, tokens)

    def _roll_over(self) -> None:
        """Start a new day at zero; unrecorded usage of the old day counts for the new one."""
        today = self._clock.stamp(DAY)
        if today != self._day:
            self._day, self._recorded = today, (0, 0)
