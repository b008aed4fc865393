"""What a verb may know of the request it runs for, whichever surface it came through."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol


class Request(Protocol):
    """One request of a surface that limits what runs at once."""

    @property
    def queued_s(self) -> float:
        """Seconds of the request's deadline that passed before its work began."""
        ...

    def leave(self) -> None:
        """From here on it only waits for background work: give its place back, and let the deadline of waiting hold."""
        ...


class _Alone:
    """No surface, no limits: an embedded engine, a command."""

    queued_s = 0.0

    def leave(self) -> None:
        pass


_ALONE = _Alone()
_current: ContextVar[Request] = ContextVar("recalld.request", default=_ALONE)


def current() -> Request:
    """The request this task works for."""
    return _current.get()


@contextmanager
def working_for(request: Request) -> Iterator[None]:
    """Verbs called in the block work for ``request``."""
    token = _current.set(request)
    try:
        yield
    finally:
        _current.reset(token)
