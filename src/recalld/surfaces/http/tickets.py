"""Tickets: addresses that can be used once, for a few minutes, without a key, to fetch one file or to send one that is then
imported."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from recalld.domain.caller import Caller
from recalld.domain.errors import Denied

TICKET_S = 600.0
TICKETS_MAX = 2_000
CALLER_TICKETS_MAX = 200
"""Per user: beyond it the oldest ticket of the same user is dropped."""
TOKEN_CHARS_MAX = 128


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a token stands for. ``ends``: on the monotonic clock.

    ``uri``: the file that may be fetched ("": the ticket is for sending). ``options``: how a sent file is imported.
    ``credential_version``: that of the caller (``auth.credential_version``); the ticket is invalid once it has changed.
    """

    caller: Caller
    uri: str
    digest: bytes
    ends: float
    options: Mapping[str, Any] = field(default_factory=dict)
    credential_version: str = ""


@dataclass(slots=True)
class Tickets:
    """In memory and bounded: the oldest is dropped when there are too many, and all are lost with the server. Only digests are
    stored, so the time of a lookup reveals nothing about a token."""

    now: Callable[[], float] = time.monotonic
    _held: dict[bytes, Ticket] = field(default_factory=dict)

    def issue(
        self, caller: Caller, uri: str = "", options: Mapping[str, Any] | None = None, *, credential_version: str = ""
    ) -> str:
        """Return a token for one download of ``uri`` as ``caller``, or for one upload imported with ``options``."""
        now = self.now()
        for digest in [d for d, ticket in self._held.items() if ticket.ends <= now]:
            del self._held[digest]
        mine = [d for d, ticket in self._held.items() if _user(ticket.caller) == _user(caller)]
        if len(mine) >= CALLER_TICKETS_MAX:
            del self._held[mine[0]]
        while len(self._held) >= TICKETS_MAX:
            del self._held[next(iter(self._held))]
        token = secrets.token_urlsafe(32)
        digest = _digest(token)
        self._held[digest] = Ticket(caller, uri, digest, now + TICKET_S, options or {}, credential_version)
        return token

    def peek(self, token: str, *, sending: bool = False) -> Ticket:
        """Return the ticket of a token, without using it up.

        Raises ``Denied`` for one that is unknown, used, expired or for the other purpose.
        """
        digest = _digest(token[:TOKEN_CHARS_MAX])
        ticket = self._held.get(digest)
        if (
            ticket is None
            or not hmac.compare_digest(ticket.digest, digest)
            or ticket.ends <= self.now()
            or sending is bool(ticket.uri)
        ):
            self._held.pop(digest, None)
            raise invalid_ticket()
        return ticket

    def drop(self, ticket: Ticket) -> None:
        """Invalidate a ticket that was not used."""
        self._held.pop(ticket.digest, None)

    def take(self, token: str, *, sending: bool = False) -> Ticket:
        """Use a token up. Raises ``Denied`` as ``peek`` does."""
        ticket = self.peek(token, sending=sending)
        del self._held[ticket.digest]
        return ticket


def invalid_ticket() -> Denied:
    """The same error whatever is wrong with a ticket."""
    return Denied(
        "this address has been used, has expired or never was",
        remedy="request a new one; each is valid once, for ten minutes, and ends with its key",
        code="UNAUTHENTICATED",
    )


def _user(caller: Caller) -> tuple[str, str]:
    return caller.account, caller.user


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()
