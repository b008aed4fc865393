"""Cost of provider calls by day, what is left of the budgets, and the meter of calls that are not recorded yet."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from recalld.domain.commit import RecordUsage
from recalld.domain.errors import Busy
from recalld.domain.policy import CostPolicy, DayPolicy
from recalld.ports.bundle import Ports
from recalld.ports.clock import Clock
from recalld.ports.maintenance import ProviderUsage
from recalld.usecases.maintenance.provider_budget import DAY, USED_UP, until_tomorrow

ERROR_AGE_MAX_S = 900.0
"""A failed call is repeated sooner than that; an older error says nothing about the provider now."""
NOT_CONFIGURED, OK = "not_configured", "ok"


@dataclass(frozen=True, slots=True)
class UsedToday:
    """What a provider was used for today by all accounts together."""

    provider: str
    state: str
    tokens_today: int
    calls_today: int


@dataclass(frozen=True, slots=True)
class Budget(UsedToday):
    """The language model's budget of one day, for all accounts together.

    ``state``: ``not_configured``, ``ok``, that the budget is used up, or the error of the last call.
    """

    costs: CostPolicy


@dataclass(frozen=True, slots=True)
class Day(UsedToday):
    """What an embedder or reranker was used for today by all accounts together, and its limits."""

    policy: DayPolicy


@dataclass(frozen=True, slots=True)
class ProviderCosts:
    """``rows`` by day, account, provider and operation, the oldest first; ``days`` in the order embedder, reranker."""

    rows: list[ProviderUsage]
    budget: Budget
    days: list[Day]


def budget(today: list[ProviderUsage], writer: str, costs: CostPolicy, now: float) -> Budget:
    """Return the budget at ``now``.

    ``today``: the rows of all accounts; ``writer``: the language model's name, "" = there is none.
    """
    mine = [s for s in today if s.provider == writer]
    tokens, calls = sum(s.tokens_in + s.tokens_out for s in mine), sum(s.calls for s in mine)
    full = tokens >= costs.tokens_per_day_max or calls >= costs.calls_per_day_max or any(s.refused for s in mine)
    last = max(mine, key=lambda s: s.at, default=None)
    error = last.error if last is not None and now - last.at < ERROR_AGE_MAX_S else ""
    state = USED_UP if full else error or OK
    return Budget(writer, state if writer else NOT_CONFIGURED, tokens, calls, costs)


async def usage_today(ports: Ports) -> list[ProviderUsage]:
    """Return the rows of all accounts of this UTC day; [] if no provider is configured."""
    return (
        await ports.stats.provider_usage(since=ports.clock.stamp(DAY)) if ports.writer is not None or ports.days else []
    )


def budget_today(today: list[ProviderUsage], ports: Ports) -> Budget:
    """Return the language model's budget now."""
    return budget(today, ports.writer.name if ports.writer is not None else "", ports.costs, ports.clock.now())


def embedding_today(today: list[ProviderUsage], ports: Ports) -> str:
    """Return the state of the last batch of documents: ok, or the embedder's error."""
    names = {embedder.name for embedder in ports.embedders}
    last = max((s for s in today if s.provider in names and s.operation == "embed"), key=lambda s: s.at, default=None)
    return last.error or OK if last is not None and ports.clock.now() - last.at < ERROR_AGE_MAX_S else OK


def day_of(today: list[ProviderUsage], provider: str, policy: DayPolicy) -> Day:
    """Return what a provider was used for today."""
    mine = [s for s in today if s.provider == provider]
    calls, tokens = sum(s.calls for s in mine), sum(s.tokens_in + s.tokens_out for s in mine)
    return Day(provider, USED_UP if policy.reached(calls, tokens) else OK, tokens, calls, policy)


class UsageMeter:
    """Counts calls to one provider against its daily budget. Not thread-safe: used on one event loop only.

    A search writes nothing: housekeeping records the counts, and those of the last seconds are lost when the process is killed.
    The worker records its usage in the commits that store the vectors.
    """

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
