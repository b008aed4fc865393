"""The request context of an operation, the same for every surface."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Protocol


class Request(Protocol):
    """One request of a surface that limits concurrency."""

    @property
    def queued_s(self) -> float:
        """Seconds of the request's deadline that passed before its work began."""

    def release_slot(self) -> None:
        """From here on the request only waits for background work: release its slot and apply the wait timeout."""


class _Alone:
    """No surface and no limits: an embedded engine or a command."""

    queued_s = 0.0

    def release_slot(self) -> None:
        pass


_ALONE = _Alone()
_current: ContextVar[Request] = ContextVar("recalld.request", default=_ALONE)


def current() -> Request:
    """Return the request of the current task."""
    return _current.get()


class working_for:
    """Operations called in the block belong to ``request``."""

    def __init__(self, request: Request) -> None:
        self._request = request

    def __enter__(self) -> None:
        self._token = _current.set(self._request)

    def __exit__(self, *_: object) -> None:
        _current.reset(self._token)
