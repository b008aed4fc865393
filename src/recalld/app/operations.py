"""The base of all operations: the ports, the caller they act for, and the wait for the end of background work."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

from recalld.app import request
from recalld.domain.caller import Caller
from recalld.domain.errors import Invalid, deadline_exceeded
from recalld.domain.uri import Uri
from recalld.ports.bundle import Ports, PrimaryPorts
from recalld.rules.address import resolve


class Operations:
    """Operations of one caller. An address is a text: ``viking://...``, or ``~`` for the caller's own tree."""

    def __init__(self, ports: PrimaryPorts, caller: Caller) -> None:
        self._ports = ports
        self.caller = caller

    def _uri(self, text: str) -> Uri:
        return resolve(text, self.caller, self._ports.clock.now())


def check_min(value: int, least: int, field: str) -> None:
    """Raise ``Invalid`` for a value below ``least``."""
    if value < least:
        raise Invalid(f"{field} {value} is too small", remedy=f"{least} or more", details={"field": field})


def check_range(value: int, least: int, most: int, field: str) -> None:
    """Raise ``Invalid`` for a value outside ``least`` to ``most``."""
    if not least <= value <= most:
        raise Invalid(f"{field} {value} is out of range", remedy=f"{least} to {most}", details={"field": field})


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
