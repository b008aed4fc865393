"""Who asks, told from a request's headers."""

from __future__ import annotations

from functools import lru_cache

from starlette.datastructures import Headers

from recalld.domain.caller import Caller, Role, identifier

_DEFAULT = "default"


def dev_caller(headers: Headers, *, with_peer: bool) -> Caller:
    """The caller in dev mode: nobody proves anything, headers name account, user and peer.

    The role is root so that an *explicit* address of another user works; scope, ``~`` and searches without a target are
    the named user's. ``with_peer`` False: the peer header is not even looked at (session routes). Raises ``Invalid``.
    """
    peer = headers.get("x-openviking-actor-peer", "").strip() if with_peer else ""
    account = headers.get("x-openviking-account", "").strip() or _DEFAULT
    user = headers.get("x-openviking-user", "").strip() or _DEFAULT
    return _checked(account, user, peer)


@lru_cache(maxsize=1024)
def _checked(account: str, user: str, peer: str) -> Caller:
    identifier(account, "account")
    identifier(user, "user")
    if peer:
        identifier(peer, "actor peer")
    return Caller(account, user, Role.ROOT, peer)
