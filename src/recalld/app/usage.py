"""Cost of provider calls by day, and the rest of the language model's budget."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from recalld.domain.caller import Caller, Role
from recalld.domain.policy import CostPolicy, DayPolicy
from recalld.ports.bundle import Ports
from recalld.ports.stats import ProviderUsage
from recalld.usecases.maintenance.provider_budget import DAY, DAY_S, USED_UP

ERROR_HOLDS_S = 900.0
"""A failed call is retried sooner. Without a recent call the provider's state is unknown."""
NOT_CONFIGURED, OK = "not_configured", "ok"


@dataclass(frozen=True, slots=True)
class Budget:
    """The language model's day over all accounts. ``state``: not_configured, ok, used up, or the error of the last
    call."""

    provider: str
    state: str
    tokens_today: int
    calls_today: int
    costs: CostPolicy


@dataclass(frozen=True, slots=True)
class Day:
    """Usage and limits of an embedder or reranker today, over all accounts."""

    provider: str
    state: str
    tokens_today: int
    calls_today: int
    policy: DayPolicy


@dataclass(frozen=True, slots=True)
class Costs:
    """``rows`` by day, account, provider and operation, oldest first; ``days``: embedder, then reranker."""

    rows: list[ProviderUsage]
    budget: Budget
    days: list[Day]


def budget(today: list[ProviderUsage], writer: str, costs: CostPolicy, now: float) -> Budget:
    """Return the budget at ``now``. ``today``: all rows of the day; ``writer``: the language model's name, "" =
    none."""
    mine = [s for s in today if s.provider == writer]
    tokens, calls = sum(s.tokens_in + s.tokens_out for s in mine), sum(s.calls for s in mine)
    full = tokens >= costs.tokens_per_day_max or calls >= costs.calls_per_day_max or any(s.refused for s in mine)
    last = max(mine, key=lambda s: s.at, default=None)
    error = last.error if last is not None and now - last.at < ERROR_HOLDS_S else ""
    state = USED_UP if full else error or OK
    return Budget(writer, state if writer else NOT_CONFIGURED, tokens, calls, costs)


async def usage_today(ports: Ports) -> list[ProviderUsage]:
    """Return all rows of this UTC day; [] if no provider is configured."""
    return (
        await ports.stats.provider_usage(since=ports.clock.stamp(DAY)) if ports.writer is not None or ports.days else []
    )


def budget_today(today: list[ProviderUsage], ports: Ports) -> Budget:
    """Return the language model's budget now."""
    return budget(today, ports.writer.name if ports.writer is not None else "", ports.costs, ports.clock.now())


def embedding_today(today: list[ProviderUsage], ports: Ports) -> str:
    """Return the state after the last batch of documents: ok, or the embedder's error."""
    name = ports.embedder.name if ports.embedder is not None else ""
    last = max((s for s in today if s.provider == name and s.operation == "embed"), key=lambda s: s.at, default=None)
    return last.error or OK if last is not None and ports.clock.now() - last.at < ERROR_HOLDS_S else OK


def day_of(today: list[ProviderUsage], provider: str, policy: DayPolicy) -> Day:
    """Return a provider's day."""
    mine = [s for s in today if s.provider == provider]
    calls, tokens = sum(s.calls for s in mine), sum(s.tokens_in + s.tokens_out for s in mine)
    return Day(provider, USED_UP if policy.reached(calls, tokens) else OK, tokens, calls, policy)


class UsageOperations:
    """Operations bound to a caller, created by ``workspace.facade(UsageOperations)``."""

    def __init__(self, ports: Ports, caller: Caller) -> None:
        self._ports = ports
        self._caller = caller

    async def costs(self, days: int) -> Costs:
        """Return the last ``days`` days, today included, of the caller's account; for root of every account."""
        first = datetime.fromtimestamp(self._ports.clock.now() - (days - 1) * DAY_S, UTC)
        account = "" if self._caller.role is Role.ROOT else self._caller.account
        rows = await self._ports.stats.provider_usage(since=first.strftime(DAY), account=account)
        today = await usage_today(self._ports)
        stand = [day_of(today, provider, policy) for provider, policy in self._ports.days.items()]
        return Costs(rows, budget_today(today, self._ports), stand)
