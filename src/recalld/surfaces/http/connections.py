"""Limits on open connections, in all and per address, and eviction of idle ones."""

from __future__ import annotations

import ipaddress
import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from recalld.infra.logs import get_logger

_log = get_logger("recalld.connections")
HEALTH_ONLY_MAX = 16
"""Connections beyond the limit on which only health checks are answered."""
LINGERING_MAX = 16
"""Rejected connections kept open for a moment so that the client reads the response."""
FILES_RESERVED = 96
"""Open files other than connections: the store, blobs and uploads, calls to providers."""
BACKLOG = 2048
CONNECTIONS_MIN = 8
LOG_EVERY_S = 10.0


class TrackedConnection(Protocol):
    """A connection, as far as it is counted."""

    def evict(self) -> None:
        """Close at once: the connection is idle and its slot is needed."""


class Admittance(Enum):
    """ADMITTED: as usual; SPARE: only health checks are answered; REFUSED: an error and closed."""

    ADMITTED = "admitted"
    HEALTH_ONLY = "health_only"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Bounds:
    """At most ``total`` connections, ``address`` of them from one address that is not this machine's; ``backlog`` more wait in
    the system's queue."""

    total: int
    address: int
    backlog: int = BACKLOG


def bounds(total: int, address: int, files: int) -> Bounds:
    """The limits for a process that may have ``files`` open; connections never use up all files."""
    backlog = min(BACKLOG, max(CONNECTIONS_MIN, (files - FILES_RESERVED) // 3))
    most = max(CONNECTIONS_MIN, min(total, files - FILES_RESERVED - HEALTH_ONLY_MAX - LINGERING_MAX - backlog))
    return Bounds(most, min(address, most), backlog)


def files_wanted(total: int) -> int:
    """Return the limit of open files that ``total`` connections need."""
    return total + FILES_RESERVED + HEALTH_ONLY_MAX + LINGERING_MAX + BACKLOG


class Connections:
    """All on one loop, so no lock is needed. At the limit, the address that uses most of its share loses its longest idle
    connection: an address that opens many closes its own. A new connection is refused only if every connection has a request
    in progress."""

    def __init__(self, bounds: Bounds, now: Callable[[], float] = time.monotonic) -> None:
        self._bounds = bounds
        self._now = now
        self._open: dict[TrackedConnection, str] = {}
        self._idle: dict[str, OrderedDict[TrackedConnection, int]] = {}
        """By address, longest idle first. The number orders connections by when they became idle."""
        self._idle_count = 0
        self._of: Counter[str] = Counter()
        self._local: set[str] = set()
        self._lingering: set[TrackedConnection] = set()
        self._counts: Counter[str] = Counter()
        self._logged: dict[str, tuple[float, int]] = {}

    def __len__(self) -> int:
        return len(self._open)

    @property
    def counts(self) -> dict[str, int]:
        """Since the start: connections refused, evicted, and closed because their client was too slow."""
        return {what: self._counts[what] for what in ("refused", "evicted", "slow")}

    def admit(self, connection: TrackedConnection, host: str) -> Admittance:
        """Count a new connection. It is idle."""
        address, local = _address_group(host)
        mine = not local and self._of[address] >= self._bounds.address
        if (mine or len(self._open) >= self._bounds.total) and not self._evict_idle(address if mine else ""):
            if len(self._open) >= self._bounds.total + HEALTH_ONLY_MAX:
                self._count("refused", address)
                return Admittance.REFUSED
            admittance = Admittance.HEALTH_ONLY
        else:
            admittance = Admittance.ADMITTED
        self._open[connection] = address
        self._of[address] += 1
        if local:
            self._local.add(address)
        self.mark_idle(connection)
        return admittance

    def may_linger(self, connection: TrackedConnection) -> bool:
        """Whether a rejected connection may stay open until its client has read the response."""
        if len(self._lingering) >= LINGERING_MAX:
            return False
        self._lingering.add(connection)
        return True

    def mark_busy(self, connection: TrackedConnection) -> None:
        """A request is in progress."""
        address = self._open.get(connection)
        idle = self._idle.get(address) if address is not None else None
        if address is not None and idle is not None:
            idle.pop(connection, None)
            if not idle:
                del self._idle[address]

    def mark_idle(self, connection: TrackedConnection) -> None:
        """No request is in progress any more."""
        address = self._open.get(connection)
        if address is not None:
            self._idle_count += 1
            self._idle.setdefault(address, OrderedDict()).setdefault(connection, self._idle_count)

    def remove(self, connection: TrackedConnection) -> None:
        """The connection has gone."""
        self._lingering.discard(connection)
        self.mark_busy(connection)
        address = self._open.pop(connection, None)
        if address is not None:
            self._of[address] -= 1
            if not self._of[address]:
                del self._of[address]
                self._local.discard(address)

    def count_slow(self, what: str) -> None:
        """A connection was closed because its client sent or read too slowly."""
        self._count("slow", what)

    def _evict_idle(self, address: str) -> bool:
        """Close an idle connection of this address; without one, of the address that uses most of its share."""
        if not address:
            address = max(self._idle, key=self._use, default="")
        idle = self._idle.get(address)
        if not idle:
            return False
        found = next(iter(idle))
        self._count("evicted", address)
        self.remove(found)
        found.evict()
        return True

    def _use(self, address: str) -> tuple[float, int]:
        """The used share of an address; of two equal ones, the one idle for longer."""
        most = self._bounds.total if address in self._local else self._bounds.address
        return self._of[address] / most, -next(iter(self._idle[address].values()))

    def _count(self, what: str, where: str) -> None:
        """Count an event and log it at most every ``LOG_EVERY_S``, so that an attack does not flood the log."""
        self._counts[what] += 1
        last, count = self._logged.get(what, (-LOG_EVERY_S, 0))
        if self._now() - last >= LOG_EVERY_S:
            new = self._counts[what] - count
            self._logged[what] = self._now(), self._counts[what]
            _log.warning(_EVENTS[what], latest=where, since_last=new, open=len(self._open), most=self._bounds.total)


_EVENTS = {
    "refused": "connections refused: all busy",
    "evicted": "idle connections evicted",
    "slow": "slow connections closed",
}


def _address_group(host: str) -> tuple[str, bool]:
    """What counts as one address (for IPv6 a /64 network), and whether it is this machine: a proxy there serves many clients."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host, not host
    if address.version == 6 and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if address.version == 6:
        return str(ipaddress.ip_network((address, 64), strict=False)), address.is_loopback
    return str(address), address.is_loopback
