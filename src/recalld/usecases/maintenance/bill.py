"""The day's budgets of providers: opened before a call, counted in the commit of what it made."""

from __future__ import annotations

from recalld.domain.commit import CountCost
from recalld.domain.errors import Busy, RecalldError, Upstream
from recalld.ports.bundle import Ports
from recalld.ports.clock import Clock
from recalld.ports.model import Bill, Writer

DAY = "%Y-%m-%d"
DAY_S = 86_400.0
USED_UP = "daily budget used up"


def until_tomorrow(clock: Clock) -> float:
    """Seconds until the next UTC day."""
    return DAY_S - clock.now() % DAY_S


async def check_day(provider: str, ports: Ports) -> None:
    """Raises ``Busy`` until the next UTC day where a provider's budget is used up."""
    policy = ports.days.get(provider)
    if policy is None:
        return
    spent = [s for s in await ports.ledger.spent(since=ports.clock.stamp(DAY)) if s.provider == provider]
    if policy.reached(sum(s.calls for s in spent), sum(s.tokens_in + s.tokens_out for s in spent)):
        raise Busy(f"{provider}: {USED_UP}", retry_after_s=until_tomorrow(ports.clock))


async def open_bill(writer: Writer, ports: Ports) -> Bill:
    """What is left of this UTC day for all accounts together."""
    day, costs = ports.clock.stamp(DAY), ports.costs
    spent = [s for s in await ports.ledger.spent(since=day) if s.provider == writer.name]
    tokens, calls = sum(s.tokens_in + s.tokens_out for s in spent), sum(s.calls for s in spent)
    ports.purse.know(day, calls, tokens)
    return Bill(
        costs.tokens_per_day_max - tokens,
        costs.calls_per_day_max - calls,
        until_tomorrow(ports.clock),
        purse=ports.purse,
        calls_max=costs.calls_per_day_max,
        tokens_max=costs.tokens_per_day_max,
    )


def cost(
    bill: Bill, operation: str, writer: Writer, ports: Ports, failed: RecalldError | None = None
) -> tuple[CountCost, ...]:
    """What goes into the commit: nothing where nobody was asked and nothing failed. Words of no use are no failure of the
    provider's, and a used-up budget is told by what was refused."""
    bill.let_go()
    said = failed.message if isinstance(failed, Busy | Upstream) and not bill.refused else ""
    if not bill.calls and not bill.refused and not said:
        return ()
    day = ports.clock.stamp(DAY)
    return (CountCost(day, writer.name, operation, bill.calls, bill.tokens_in, bill.tokens_out, bill.refused, said),)
