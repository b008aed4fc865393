"""Circuit breaker, retry budget and rate limit of a provider, as pure functions over ``BreakerState``.

The breaker follows Nygard, *Release It!* (2007): closed; open after consecutive failures; half open with one probe; closed after a
successful probe, with two concurrent calls, doubled after each success up to the limit (slow start). Each call carries the
``epoch`` in which it was allowed. Opening starts a new epoch, and results of earlier epochs are ignored, so a burst of calls that
fail together counts as one outage. The open time grows with the length of the outage. The rate limit is a token bucket with
additive increase and multiplicative decrease after 429s. Calls earn retry credit, so that retries stay a fixed share of the
traffic.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum


class Circuit(StrEnum):
    """State of the circuit. PAUSED: rejected until the account is fixed (key, billing); probed periodically."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"
    PAUSED = "paused"


@dataclass(frozen=True, slots=True)
class CallPolicy:
    """Limits of a provider's breaker.

    ``failures_max`` consecutive failures open the circuit, for ``open_share`` of the outage so far, between ``open_s``
    and ``open_max_s``. A paused circuit is probed every ``pause_s``, the first time after ``pause_first_s`` if the
    previous call succeeded. Slow start ends when more than ``slots_max`` concurrent calls are allowed. ``retry_share``:
    retry credit per call, up to ``retry_credit_max``. A 429 delays only its own call while fewer than
    ``rate_limited_share`` of the last ``recent_max`` answers, or fewer than ``rate_limited_min``, were 429s; beyond
    that all calls wait for Retry-After. ``pace_start``: calls per second after the first such pause; ``pace_free``: the
    rate at which limiting ends.
    """

    failures_max: int = 5
    open_s: float = 0.5
    open_max_s: float = 30.0
    open_share: float = 1 / 16
    pause_s: float = 60.0
    pause_first_s: float = 2.0
    slots_max: int = 8
    retry_share: float = 0.1
    retry_credit_max: float = 5.0
    recent_max: int = 20
    rate_limited_share: float = 0.3
    rate_limited_min: int = 4
    pace_start: float = 10.0
    pace_least: float = 0.2
    pace_free: float = 50.0


@dataclass(frozen=True, slots=True)
class BreakerState:
    """State of a provider.

    ``failures``: consecutive failures; ``since``: time of the first of them, or start of the outage; ``until``: calls
    are rejected before this time; ``slots``: concurrent calls allowed, 0 = unlimited; ``in_flight``: current calls;
    ``recent``: the last ``answers`` answers as bits, newest lowest, 1 = 429; ``limited``: no call succeeded since the
    last rate-limit pause; ``pace``: calls per second, 0 = unlimited; ``retry_credit``: retries available.
    """

    circuit: Circuit = Circuit.CLOSED
    epoch: int = 0
    failures: int = 0
    since: float = 0.0
    until: float = 0.0
    slots: int = 0
    in_flight: int = 0
    reason: str = ""
    recent: int = 0
    answers: int = 0
    limited: bool = False
    retry_credit: float = 1.0
    pace: float = 0.0
    tokens: float = 1.0
    filled_at: float = 0.0

    @property
    def proven(self) -> bool:
        """True if the last finished call succeeded."""
        return self.answers > 0 and not self.failures and not self.recent & 1


ROUNDING = 1e-6
"""Rounding tolerance of a token: a caller that waited the given time is allowed."""
FULL_S = 0.02
"""Poll interval while all slots are taken."""


def allow(now: float, state: BreakerState, policy: CallPolicy) -> tuple[BreakerState, float]:
    """Request a call. Returns the new state and 0.0 if the call is allowed, else the seconds until the next try."""
    if now < state.until:
        return state, state.until - now
    if state.slots:
        if state.in_flight >= state.slots:
            return state, FULL_S
        entered = replace(state, in_flight=state.in_flight + 1)
    else:
        entered = state
    if state.circuit is not Circuit.CLOSED:
        circuit = state.circuit if state.circuit is Circuit.PAUSED else Circuit.HALF_OPEN
        return replace(entered, circuit=circuit), 0.0
    retry_credit = min(state.retry_credit + policy.retry_share, policy.retry_credit_max)
    if not state.pace:
        return replace(entered, retry_credit=retry_credit), 0.0
    tokens = min(state.tokens + max(0.0, now - state.filled_at) * state.pace, max(1.0, state.pace))
    if tokens < 1.0 - ROUNDING:
        return replace(state, tokens=tokens, filled_at=now), (1.0 - tokens) / state.pace
    return replace(entered, retry_credit=retry_credit, tokens=max(0.0, tokens - 1.0), filled_at=now), 0.0


def seconds_until_allowed(now: float, state: BreakerState, policy: CallPolicy) -> float:
    """Seconds until a call is allowed, 0.0 = now."""
    return allow(now, state, policy)[1]


def is_down(state: BreakerState) -> bool:
    """True while no call has succeeded since the circuit opened."""
    return state.circuit is not Circuit.CLOSED


def succeeded(state: BreakerState, policy: CallPolicy, epoch: int) -> BreakerState:
    """A call succeeded: close the circuit, raise the rate, double the slots."""
    if epoch != state.epoch:
        return state
    pace = state.pace + 0.5 if state.pace else 0.0
    pace = 0.0 if pace >= policy.pace_free else pace
    counted = _answered(state, policy, rate_limited=False)
    closed = replace(counted, failures=0, limited=False, reason="", pace=pace)
    slots = 2 * state.slots if 2 * state.slots <= policy.slots_max else 0
    return replace(closed, circuit=Circuit.CLOSED, slots=slots, in_flight=closed.in_flight if slots else 0)


def failed(now: float, state: BreakerState, policy: CallPolicy, reason: str, epoch: int) -> BreakerState:
    """A call failed: enough consecutive failures, or a failed probe, open the circuit."""
    if epoch != state.epoch:
        return state
    failures = state.failures + 1
    since = state.since if state.failures or state.slots else now
    counted = replace(_answered(state, policy, rate_limited=False), failures=failures, since=since, reason=reason)
    if state.slots != 1 and failures < policy.failures_max:
        return replace(counted, slots=state.slots // 2)
    wait_s = min(max(policy.open_s, (now - since) * policy.open_share), policy.open_max_s)
    return _shut(counted, Circuit.OPEN, now + wait_s)


def paused(now: float, state: BreakerState, policy: CallPolicy, reason: str, epoch: int) -> BreakerState:
    """The provider rejects our account (key, billing). The first pause after a success is short, since gateways fail briefly."""
    if epoch != state.epoch:
        return state
    wait_s = policy.pause_first_s if state.proven else policy.pause_s
    counted = replace(_answered(state, policy, rate_limited=False), failures=state.failures + 1, reason=reason)
    return _shut(counted, Circuit.PAUSED, now + wait_s)


def rate_limited(now: float, state: BreakerState, policy: CallPolicy, retry_after_s: float, epoch: int) -> BreakerState:
    """A 429: if many of the recent answers were 429s, allow nothing for ``retry_after_s`` and lower the rate."""
    if epoch != state.epoch:
        return state
    counted = _answered(state, policy, rate_limited=True)
    count = counted.recent.bit_count()
    few = count < counted.answers and count < max(policy.rate_limited_min, policy.rate_limited_share * counted.answers)
    if state.circuit is Circuit.CLOSED and few and not state.limited:
        return counted
    until = now + retry_after_s
    # The rate drops once per pause that follows answers. Repeated pauses are governed by Retry-After alone.
    previous_pace = state.pace or 2 * policy.pace_start
    pace = previous_pace if state.limited else max(policy.pace_least, previous_pace / 2)
    slower = replace(counted, pace=pace, tokens=1.0, filled_at=until, limited=True, reason="it asks for fewer calls")
    slower = replace(slower, recent=0, answers=policy.recent_max)  # otherwise one more 429 would exceed the share again
    return _shut(slower, state.circuit, until)


def release(state: BreakerState, epoch: int) -> BreakerState:
    """A call ended without an answer of the provider (it was cancelled): free its slot."""
    if epoch != state.epoch:
        return state
    return replace(state, in_flight=max(0, state.in_flight - 1))


def retry(state: BreakerState) -> tuple[BreakerState, bool]:
    """Spend one retry credit. Returns the new state and whether the retry is allowed."""
    return (
        (replace(state, retry_credit=state.retry_credit - 1.0), True) if state.retry_credit >= 1.0 else (state, False)
    )


def _shut(state: BreakerState, circuit: Circuit, until: float) -> BreakerState:
    """Reject calls until that time and start a new epoch. A closed circuit is limited by its rate only."""
    slots = 0 if circuit is Circuit.CLOSED else 1
    return replace(state, circuit=circuit, epoch=state.epoch + 1, until=until, slots=slots, in_flight=0)


def _answered(state: BreakerState, policy: CallPolicy, *, rate_limited: bool) -> BreakerState:
    """Free the slot of a call and remember whether it was a 429."""
    recent = (state.recent << 1 | rate_limited) & ((1 << policy.recent_max) - 1)
    answers, in_flight = min(state.answers + 1, policy.recent_max), max(0, state.in_flight - 1)
    return replace(state, recent=recent, answers=answers, in_flight=in_flight)
