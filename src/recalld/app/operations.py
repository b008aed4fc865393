"""The base of all operations: the ports and the caller they act for."""

from __future__ import annotations

from recalld.domain.caller import Caller
from recalld.domain.errors import Invalid
from recalld.domain.uri import Uri
from recalld.ports.bundle import PrimaryPorts
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
