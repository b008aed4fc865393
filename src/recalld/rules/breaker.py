"""When a provider may be called: a circuit breaker, a retry budget and a pace, as values that only their owner changes.

A breaker after Nygard, *Release It!* (2007): closed; open after failures in a row; half open with one probe; closed again when
that comes back, with two calls at once, and with twice as many after each further success until nobody counts them (slow start).
Every admission carries the ``epoch`` in which it was given. Opening begins a new epoch, and results of earlier ones change
nothing, so a burst of calls that fail together is one outage. How long it stays open follows how long the outage lasts. The pace
is additive increase, multiplicative decrease after a pause for 429s, as a token bucket. A retry is paid for by earlier calls, so
that retries stay a fixed share of all traffic.
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
    """``failures_max`` failures in a row open the circuit, for ``open_share`` of the time since the first of them, at least
    ``open_s`` and at most ``open_max_s``; a pause is probed every ``pause_s``, for the first time
    after ``pause_first_s`` where the call before was well. After either, places for more than ``places_max``
    calls at once are as many as anybody wants. ``retry_share``: retries a call earns; at most ``retries_saved`` are kept. A 429
    holds up its own call alone while fewer than ``throttled_share`` of the last ``recent_max`` answers, or ``throttled_min``,
    were one; beyond that nothing is called before its Retry-After. ``pace_start``/``pace_free``: calls a second after the first
    such pause, and from where on nobody counts any more."""

    failures_max: int = 5
    open_s: float = 0.5
    open_max_s: float = 30.0
    open_share: float = 1 / 16
    pause_s: float = 60.0
    pause_first_s: float = 2.0
    places_max: int = 8
    retry_share: float = 0.1
    retries_saved: float = 5.0
    recent_max: int = 20
    throttled_share: float = 0.3
    throttled_min: int = 4
    pace_start: float = 10.0
    pace_least: float = 0.2
    pace_free: float = 50.0


@dataclass(frozen=True, slots=True)
class Standing:
    """How a provider stands. ``failures``: in a row; ``since``: when the first of them was, or the outage began; ``until``:
    refused before this moment; ``places``: calls that may be under way at once, 0 = any number; ``inside``: those that are;
    ``recent``: whether each of the last ``answers`` answers was a 429, as bits, the newest lowest; ``limited``: none came back
    well since the last pause for them; ``pace`` 0: unlimited; ``saved``: retries in hand."""

    circuit: Circuit = Circuit.CLOSED
    epoch: int = 0
    failures: int = 0
    since: float = 0.0
    until: float = 0.0
    places: int = 0
    inside: int = 0
    reason: str = ""
    recent: int = 0
    answers: int = 0
    limited: bool = False
    saved: float = 1.0
    pace: float = 0.0
    tokens: float = 1.0
    filled_at: float = 0.0

    @property
    def proven(self) -> bool:
        """Whether the last call that ended came back well."""
        return self.answers > 0 and not self.failures and not self.recent & 1


ROUNDING = 1e-6
"""Of a token: whoever waited for as long as was said is let in."""
FULL_S = 0.02
"""How soon to ask again where a call that is under way may give its place back at any moment."""


def admit(now: float, standing: Standing, policy: CallPolicy) -> tuple[Standing, float]:
    """Ask to make a call: how it stands then, and 0.0 if it may be made, else in how many seconds to ask again."""
    if now < standing.until:
        return standing, standing.until - now
    if standing.places:
        if standing.inside >= standing.places:
            return standing, FULL_S
        entered = replace(standing, inside=standing.inside + 1)
    else:
        entered = standing
    if standing.circuit is not Circuit.CLOSED:
        circuit = standing.circuit if standing.circuit is Circuit.PAUSED else Circuit.HALF_OPEN
        return replace(entered, circuit=circuit), 0.0
    saved = min(standing.saved + policy.retry_share, policy.retries_saved)
    if not standing.pace:
        return replace(entered, saved=saved), 0.0
    tokens = min(standing.tokens + max(0.0, now - standing.filled_at) * standing.pace, max(1.0, standing.pace))
    if tokens < 1.0 - ROUNDING:
        return replace(standing, tokens=tokens, filled_at=now), (1.0 - tokens) / standing.pace
    return replace(entered, saved=saved, tokens=max(0.0, tokens - 1.0), filled_at=now), 0.0


def refuses(now: float, standing: Standing, policy: CallPolicy) -> float:
    """In how many seconds a call may be made, 0.0 = now; changes nothing."""
    return admit(now, standing, policy)[1]


def down(standing: Standing) -> bool:
    """Whether nothing has come back since it was last found failing: waiting for a place would be waiting for a guess."""
    return standing.circuit is not Circuit.CLOSED


def succeeded(standing: Standing, policy: CallPolicy, epoch: int) -> Standing:
    """A call came back well: the circuit closes, the pace rises a little, twice as many calls may be made at once."""
    if epoch != standing.epoch:
        return standing
    pace = standing.pace + 0.5 if standing.pace else 0.0
    pace = 0.0 if pace >= policy.pace_free else pace
    noted = _answered(standing, policy, throttled=False)
    well = replace(noted, failures=0, limited=False, reason="", pace=pace)
    places = 2 * standing.places if 2 * standing.places <= policy.places_max else 0
    return replace(well, circuit=Circuit.CLOSED, places=places, inside=well.inside if places else 0)


def failed(now: float, standing: Standing, policy: CallPolicy, reason: str, epoch: int) -> Standing:
    """A call failed in a way that another may not: enough of them in a row, or a failed probe, open the circuit."""
    if epoch != standing.epoch:
        return standing
    failures = standing.failures + 1
    since = standing.since if standing.failures or standing.places else now
    noted = replace(_answered(standing, policy, throttled=False), failures=failures, since=since, reason=reason)
    if standing.places != 1 and failures < policy.failures_max:
        return replace(noted, places=standing.places // 2)
    wait_s = min(max(policy.open_s, (now - since) * policy.open_share), policy.open_max_s)
    return _shut(noted, Circuit.OPEN, now + wait_s)


def paused(now: float, standing: Standing, policy: CallPolicy, reason: str, epoch: int) -> Standing:
    """The provider knows us and refuses us (key, bill): asking again changes nothing until somebody acts. After an answer that
    was well the first pause is short: gateways have bad moments."""
    if epoch != standing.epoch:
        return standing
    wait_s = policy.pause_first_s if standing.proven else policy.pause_s
    noted = replace(_answered(standing, policy, throttled=False), failures=standing.failures + 1, reason=reason)
    return _shut(noted, Circuit.PAUSED, now + wait_s)


def throttled(now: float, standing: Standing, policy: CallPolicy, retry_after_s: float, epoch: int) -> Standing:
    """A 429: where many of the last answers were one, nothing before ``retry_after_s``, and slower from then on."""
    if epoch != standing.epoch:
        return standing
    noted = _answered(standing, policy, throttled=True)
    count = noted.recent.bit_count()
    few = count < noted.answers and count < max(policy.throttled_min, policy.throttled_share * noted.answers)
    if standing.circuit is Circuit.CLOSED and few and not standing.limited:
        return noted
    until = now + retry_after_s
    # Slower once for each pause that follows answers: while it only repeats itself, Retry-After alone says how slowly.
    former = standing.pace or 2 * policy.pace_start
    pace = former if standing.limited else max(policy.pace_least, former / 2)
    slower = replace(noted, pace=pace, tokens=1.0, filled_at=until, limited=True, reason="it asks for fewer calls")
    slower = replace(slower, recent=0, answers=policy.recent_max)  # else one more 429 would be many again
    return _shut(slower, standing.circuit, until)


def abandoned(standing: Standing, epoch: int) -> Standing:
    """A call ended without an answer of the provider's making (its caller went away): its place is free again."""
    if epoch != standing.epoch:
        return standing
    return replace(standing, inside=max(0, standing.inside - 1))


def retry(standing: Standing) -> tuple[Standing, bool]:
    """Pay for a retry, if there is something saved."""
    return (replace(standing, saved=standing.saved - 1.0), True) if standing.saved >= 1.0 else (standing, False)


def _shut(standing: Standing, circuit: Circuit, until: float) -> Standing:
    """Refuse until then; what was admitted before counts no more. A circuit that stays closed has its pace to go by."""
    places = 0 if circuit is Circuit.CLOSED else 1
    return replace(standing, circuit=circuit, epoch=standing.epoch + 1, until=until, places=places, inside=0)


def _answered(standing: Standing, policy: CallPolicy, *, throttled: bool) -> Standing:
    """The call's place is free again, and what it was is remembered."""
    recent = (standing.recent << 1 | throttled) & ((1 << policy.recent_max) - 1)
    answers, inside = min(standing.answers + 1, policy.recent_max), max(0, standing.inside - 1)
    return replace(standing, recent=recent, answers=answers, inside=inside)
