"""When a provider may be called: a circuit breaker, a retry budget and a pace, as values that only their owner changes.

A breaker after Nygard, *Release It!* (2007): closed, open after failures in a row, half open with one probe. The pace is
additive increase, multiplicative decrease after a 429, as a token bucket. A retry is paid for by earlier calls, so that
retries stay a fixed share of all traffic however bad the day.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum


class Circuit(StrEnum):
    """Whether calls go through. PAUSED: refused until somebody mends the account (a key, a bill), probed now and then."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"
    PAUSED = "paused"


@dataclass(frozen=True, slots=True)
class CallPolicy:
    """``failures_max`` failures in a row open the circuit for ``open_s``, doubled each time up to ``open_max_s``;
    a pause is probed every ``pause_s``. ``retry_share``: retries a call earns; at most ``retries_saved`` are kept.
    ``pace_start``/``pace_free``: calls a second after the first 429, and from where on nobody counts any more."""

    failures_max: int = 5
    open_s: float = 5.0
    open_max_s: float = 300.0
    pause_s: float = 60.0
    retry_share: float = 0.1
    retries_saved: float = 5.0
    pace_start: float = 10.0
    pace_least: float = 0.2
    pace_free: float = 50.0


@dataclass(frozen=True, slots=True)
class Standing:
    """How a provider stands. ``until``: refused before this moment; ``pace`` 0: unlimited; ``saved``: retries in hand."""

    circuit: Circuit = Circuit.CLOSED
    failures: int = 0
    openings: int = 0
    until: float = 0.0
    probing: bool = False
    reason: str = ""
    saved: float = 1.0
    pace: float = 0.0
    tokens: float = 1.0
    filled_at: float = 0.0


def admit(now: float, standing: Standing, policy: CallPolicy) -> tuple[Standing, float]:
    """Ask to make a call: how it stands then, and 0.0 if it may be made, else in how many seconds to ask again."""
    if now < standing.until:
        return standing, standing.until - now
    if standing.circuit is not Circuit.CLOSED:
        if standing.probing:
            return standing, policy.open_s
        kept = standing.circuit if standing.circuit is Circuit.PAUSED else Circuit.HALF_OPEN
        return replace(standing, circuit=kept, probing=True), 0.0
    saved = min(standing.saved + policy.retry_share, policy.retries_saved)
    if not standing.pace:
        return replace(standing, saved=saved), 0.0
    tokens = min(standing.tokens + (now - standing.filled_at) * standing.pace, max(1.0, standing.pace))
    if tokens < 1.0:
        return replace(standing, tokens=tokens, filled_at=now), (1.0 - tokens) / standing.pace
    return replace(standing, saved=saved, tokens=tokens - 1.0, filled_at=now), 0.0


def succeeded(standing: Standing, policy: CallPolicy) -> Standing:
    """A call came back well: the circuit closes, the pace rises a little."""
    pace = standing.pace + 0.5 if standing.pace else 0.0
    return replace(
        standing,
        circuit=Circuit.CLOSED,
        failures=0,
        openings=0,
        probing=False,
        reason="",
        pace=0.0 if pace >= policy.pace_free else pace,
    )


def failed(now: float, standing: Standing, policy: CallPolicy, reason: str) -> Standing:
    """A call failed in a way that another may not: enough of them in a row, or a failed probe, open the circuit."""
    failures = standing.failures + 1
    if standing.circuit is Circuit.CLOSED and failures < policy.failures_max:
        return replace(standing, failures=failures, reason=reason)
    wait = min(policy.open_s * 2**standing.openings, policy.open_max_s)
    return replace(
        standing,
        circuit=Circuit.OPEN,
        failures=failures,
        openings=min(standing.openings + 1, 16),
        until=now + wait,
        probing=False,
        reason=reason,
    )


def paused(now: float, standing: Standing, policy: CallPolicy, reason: str) -> Standing:
    """The provider knows us and refuses us (key, bill): asking again changes nothing until somebody acts."""
    return replace(standing, circuit=Circuit.PAUSED, until=now + policy.pause_s, probing=False, reason=reason)


def throttled(now: float, standing: Standing, policy: CallPolicy, retry_after_s: float) -> Standing:
    """A 429: nothing before ``retry_after_s``, and slower from then on."""
    pace = max(policy.pace_least, (standing.pace or 2 * policy.pace_start) / 2)
    return replace(
        standing,
        until=max(standing.until, now + retry_after_s),
        probing=False,
        pace=pace,
        tokens=1.0,
        filled_at=now + retry_after_s,
        reason="it asks for fewer calls",
    )


def abandoned(standing: Standing) -> Standing:
    """A call ended without an answer of the provider's making (its caller went away): a probe may be made again."""
    return replace(standing, probing=False)


def retry(standing: Standing) -> tuple[Standing, bool]:
    """Pay for a retry, if there is something saved."""
    return (replace(standing, saved=standing.saved - 1.0), True) if standing.saved >= 1.0 else (standing, False)
