"""Optimistic retry: read, decide, commit on a condition, and try again if another commit came first."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from recalld.domain.errors import Conflict
from recalld.ports.bundle import Ports

T = TypeVar("T")
WITHIN_S = 20.0
"""For the turn, and again for the retries. Requests end before that by their own deadline."""
TRIES_MAX = 1_000
RETRIED = frozenset({"ABORTED"})


async def retrying(attempt: Callable[[], Awaitable[T]], *keys: str, ports: Ports, codes: frozenset[str] = RETRIED) -> T:
    """Run ``attempt``, which reads, decides and commits on the condition that what it read still holds, once it is the turn
    of ``keys``. A ``Conflict`` of ``codes`` means that another commit came between: it is run again, with fresh reads.
    Each lost attempt is another caller's progress, so there is no backoff.

    Raises what ``attempt`` raises otherwise, ``Busy`` when the turn does not come in time, and the last ``Conflict``
    (``CONFLICT``, retryable) when the thing kept changing all that time.
    """
    async with ports.turns.of(*keys, within_s=WITHIN_S):
        end = ports.clock.monotonic() + WITHIN_S
        for _ in range(TRIES_MAX):
            try:
                return await attempt()
            except Conflict as changed:
                if changed.code not in codes:
                    raise
                last = changed
                if ports.clock.monotonic() >= end:
                    break
    raise Conflict(
        f"{keys[0]} kept changing",
        remedy="try again",
        details={**last.details, "retryable": True},
    ) from last


def key_of(account: str, what: object) -> str:
    """The key of a thing of an account."""
    return f"{account}\x00{what}"
