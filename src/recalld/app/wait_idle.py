"""Waits for the end of background work: by event, with a deadline, and without occupying a request slot."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

from recalld.domain.caller import Caller
from recalld.domain.errors import deadline_exceeded
from recalld.ports.bundle import Ports

from . import request

POLL_MIN_S = 0.01
POLL_MAX_S = 0.25
"""Shortest interval between two checks while jobs end one after another."""


async def wait_until_idle(ports: Ports, caller: Caller, *, timeout_s: float | None, task_id: str = "") -> None:
    """Until no job of this caller (or of one task) is left. Raises ``Upstream`` DEADLINE_EXCEEDED; the work goes on."""
    request.current().release_slot()
    if not await ports.ledger.tenant(caller).pending(task_id=task_id):
        return
    try:
        async with asyncio.timeout(timeout_s) as limit:
            await _poll(ports, caller, task_id)
    except TimeoutError as late:
        if not limit.expired():
            raise
        remedy = "the work goes on; try again later or allow more time"
        raise deadline_exceeded("waiting for background work", timeout_s or 0.0, remedy) from late


async def _poll(ports: Ports, caller: Caller, task_id: str) -> None:
    tenant = ports.ledger.tenant(caller)
    step = POLL_MIN_S
    async with aclosing(tenant.endings()) as endings:
        async for _ in endings:
            if not await tenant.pending(task_id=task_id):
                return
            await ports.clock.sleep(step)
            step = min(step * 1.5, POLL_MAX_S)
