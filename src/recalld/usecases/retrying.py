"""Optimistic retry: read, decide, commit on a condition, and try again if another commit came first."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from recalld.domain.errors import Conflict
from recalld.ports.bundle import Ports

T = TypeVar("T")
WITHIN_S = 20.0
"""Time limit of the turn, and of the retries. Requests end earlier by their own deadline."""
TRIES_MAX = 1_000
_SEPARATOR = "\x00"
RETRIED = frozenset({"ABORTED"})


async def retrying(attempt: Callable[[], Awaitable[T]], *keys: str, ports: Ports, codes: frozenset[str] = RETRIED) -> T:
    """Run ``attempt`` when it is the turn of ``keys``. It reads, decides and commits on the condition that its input is
    unchanged.

    A ``Conflict`` of ``codes`` means that another commit came between; the attempt runs again with fresh reads. Each
    lost attempt is another caller's progress, so there is no backoff. Raises other exceptions of ``attempt``, ``Busy``
    if the turn does not come in time, and the last ``Conflict`` (``CONFLICT``, retryable) if every retry lost.
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
        f"{keys[0].rpartition(_SEPARATOR)[2]} kept changing",
        remedy="try again",
        details={**last.details, "retryable": True},
    ) from last


def key_of(account: str, what: object) -> str:
    """Return the key of an object of an account."""
    return f"{account}{_SEPARATOR}{what}"
