"""Calls on their way to the writer: what each may undo of a commit, and how its caller gets the result."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Generic, TypeVar

import apsw

from .connection import STORE_FAILURES
from .readers import Work

T = TypeVar("T")


@dataclass(eq=False, slots=True)
class Call(Generic[T]):
    """One function on its way to the writer, and where its result goes."""

    work: Work[T]
    loop: asyncio.AbstractEventLoop | None
    future: asyncio.Future[T] | None
    limit_s: float | None = None
    frees: bool = False
    result: T | None = None
    failure: BaseException | None = None

    def resolve(self) -> None:
        """Give the caller its result; a caller that has gone does not hear of it."""
        if self.future is None or self.future.done():
            return
        if isinstance(self.failure, StopIteration):  # no future takes one
            self.future.set_exception(RuntimeError(f"the call raised {self.failure!r}"))
        elif self.failure is not None:
            self.future.set_exception(self.failure)
        else:
            self.future.set_result(self.result)  # type: ignore[arg-type]


class Savepoint:
    """What a call may undo without undoing the others: its failure stays with it, a broken store's goes to all."""

    def __init__(self, c: apsw.Connection, call: Call[Any]) -> None:
        self._c = c
        self._call = call

    def __enter__(self) -> None:
        self._c.execute("SAVEPOINT call")

    def __exit__(
        self, kind: type[BaseException] | None, failure: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if isinstance(failure, (*STORE_FAILURES, apsw.InterruptError)):
            return False
        if self._c.get_autocommit():
            # SQLite ends the whole transaction on some failures: there is no savepoint left to go back to.
            raise apsw.AbortError("a call ended the transaction it was part of") from failure
        if failure is not None:
            self._c.execute("ROLLBACK TO call")
            self._call.failure = failure
        self._c.execute("RELEASE call")
        return True


class Trial:
    """A transaction that is undone, and keeps the reason, when a call in it fails; a broken store's failure goes on."""

    def __init__(self, c: apsw.Connection) -> None:
        self._c = c
        self.failure: BaseException | None = None

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, failure: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if failure is None or isinstance(failure, STORE_FAILURES):
            return False
        self.failure = failure
        if not self._c.get_autocommit():
            self._c.execute("ROLLBACK")
        return True


def resolve_by_loop(done: list[Call[Any]]) -> None:
    """One wake-up a loop, however many callers wait there."""
    by_loop: dict[asyncio.AbstractEventLoop, list[Call[Any]]] = {}
    for call in done:
        if call.loop is not None:
            by_loop.setdefault(call.loop, []).append(call)
    for loop, calls in by_loop.items():
        try:
            loop.call_soon_threadsafe(_resolve_all, calls)
        except RuntimeError:
            continue  # the loop has been closed: nobody waits there any more


def _resolve_all(calls: list[Call[Any]]) -> None:
    for call in calls:
        call.resolve()
