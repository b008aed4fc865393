"""Tickets: addresses that anybody who has one may fetch from once, for a few minutes, without a key."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from recalld.domain.caller import Caller
from recalld.domain.errors import Denied

TICKET_S = 600.0
TICKETS_MAX = 1_000
TOKEN_CHARS_MAX = 128


@dataclass(frozen=True, slots=True)
class Ticket:
    """What one token stands for; ``ends`` on the monotonic clock."""

    caller: Caller
    uri: str
    digest: bytes
    ends: float


@dataclass(slots=True)
class Tickets:
    """In memory and bounded: the oldest goes when there are too many, all go with the server. Only digests are kept, so
    that finding one tells nothing of a token by how long it takes."""

    now: Callable[[], float] = time.monotonic
    _held: dict[bytes, Ticket] = field(default_factory=dict)

    def issue(self, caller: Caller, uri: str) -> str:
        """A token for one download of ``uri`` as ``caller``."""
        now = self.now()
        for digest in [d for d, ticket in self._held.items() if ticket.ends <= now]:
            del self._held[digest]
        while len(self._held) >= TICKETS_MAX:
            del self._held[next(iter(self._held))]
        token = secrets.token_urlsafe(32)
        digest = _digest(token)
        self._held[digest] = Ticket(caller, uri, digest, now + TICKET_S)
        return token

    def take(self, token: str) -> Ticket:
        """Use a token up. Raises ``Denied`` for one that is unknown, used or too old."""
        digest = _digest(token[:TOKEN_CHARS_MAX])
        ticket = self._held.pop(digest, None)
        if ticket is None or not hmac.compare_digest(ticket.digest, digest) or ticket.ends <= self.now():
            raise Denied(
                "this download has been used, has expired or never was",
                remedy="ask for a new one; each is good once, for ten minutes",
                code="UNAUTHENTICATED",
            )
        return ticket


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()
