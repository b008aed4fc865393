"""Daily budgets of providers: opened before a call, recorded in the commit of its result."""

from __future__ import annotations

from recalld.domain.commit import RecordUsage
from recalld.domain.errors import Busy, RecalldError, Upstream
from recalld.ports.bundle import Ports
from recalld.ports.clock import Clock
from recalld.ports.model import CallBudget, Writer

DAY = "%Y-%m-%d"
DAY_S = 86_400.0
USED_UP = "daily budget used up"


def until_tomorrow(clock: Clock) -> float:
    """Seconds until the next UTC day."""
    return DAY_S - clock.now() % DAY_S


async def check_day(provider: str, ports: Ports) -> None:
    """Raise ``Busy`` until the next UTC day if a provider's budget is used up."""
    policy = ports.days.get(provider)
    if policy is None:
        return
    usage = [s for s in await ports.stats.provider_usage(since=ports.clock.stamp(DAY)) if s.provider == provider]
    if policy.reached(sum(s.calls for s in usage), sum(s.tokens_in + s.tokens_out for s in usage)):
        raise Busy(f"{provider}: {USED_UP}", retry_after_s=until_tomorrow(ports.clock))


async def open_budget(writer: Writer, ports: Ports) -> CallBudget:
    """Return the rest of this UTC day's budget, shared by all accounts."""
    day, costs = ports.clock.stamp(DAY), ports.costs
    usage = [s for s in await ports.stats.provider_usage(since=day) if s.provider == writer.name]
    tokens, calls = sum(s.tokens_in + s.tokens_out for s in usage), sum(s.calls for s in usage)
    ports.daily_usage.sync(day, calls, tokens)
    return CallBudget(
        costs.tokens_per_day_max - tokens,
        costs.calls_per_day_max - calls,
        until_tomorrow(ports.clock),
        daily_usage=ports.daily_usage,
        calls_max=costs.calls_per_day_max,
        tokens_max=costs.tokens_per_day_max,
    )


def cost(
    budget: CallBudget, operation: str, writer: Writer, ports: Ports, failed: RecalldError | None = None
) -> tuple[RecordUsage, ...]:
    """Return the operations that record a job's usage; none without a call or a failure. Unusable output is not a
    failure of the provider, and a used-up budget is recorded in ``refused``."""
    budget.release()
    error = failed.message if isinstance(failed, Busy | Upstream) and not budget.refused else ""
    if not budget.calls and not budget.refused and not error:
        return ()
    day = ports.clock.stamp(DAY)
    return (
        RecordUsage(
            day, writer.name, operation, budget.calls, budget.tokens_in, budget.tokens_out, budget.refused, error
        ),
    )
