"""Another caller's commit between any two awaits of an operation.

Operations await only their ports. ``interleaved`` gives an operation ports that count: before call ``n`` the intruder runs to
completion, through its own ports (and with its own turns, like a worker or an operation that takes none). Position 0 is
"the intruder first"; one position more than there are calls is "the operation first".
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

from recalld.ports.bundle import Ports
from recalld.ports.turns import Turns

T = TypeVar("T")
WATCHED = (
    "ledger",
    "jobs",
    "backlog",
    "cleanup",
    "stats",
    "registry",
    "history",
    "blobs",
    "catalog",
    "lexicon",
    "vectors",
    "compute",
)
HANDLES = frozenset({"tenant", "past"})
"""Methods that return a further port."""
CALLS_MAX = 400


@dataclass(slots=True)
class Gate:
    """Counts calls; opens once for the intruder."""

    at: int
    intruder: Callable[[], Awaitable[Any]]
    calls: int = 0
    opened: bool = False

    async def passed(self) -> None:
        """One more call begins."""
        if self.calls == self.at and not self.opened:
            self.opened = True
            await self.intruder()
        self.calls += 1


class Counted:
    """A port whose calls pass the gate."""

    def __init__(self, port: Any, gate: Gate) -> None:
        self._port = port
        self._gate = gate

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._port, name)
        if name in HANDLES:
            return lambda *args, **more: Counted(found(*args, **more), self._gate)
        if inspect.isasyncgenfunction(found):
            return lambda *args, **more: self._each(found(*args, **more))
        if not inspect.iscoroutinefunction(found):
            return found

        async def call(*args: Any, **more: Any) -> Any:
            await self._gate.passed()
            return await found(*args, **more)

        return call

    async def _each(self, items: AsyncIterator[Any]) -> AsyncIterator[Any]:
        async for one in items:
            await self._gate.passed()
            yield one


def gated(ports: Ports, gate: Gate) -> Ports:
    """The same ports for the verb under test."""
    known = {field.name for field in fields(Ports)}
    counted: dict[str, Any] = {name: Counted(getattr(ports, name), gate) for name in WATCHED if name in known}
    return replace(ports, turns=Turns(), **counted)


async def interleaved(
    verb: Callable[[Ports], Awaitable[T]], intruder: Callable[[], Awaitable[Any]], ports: Ports, at: int
) -> tuple[T, bool]:
    """The verb's result with the intruder before its call ``at``; False: it ended before that, and nobody intruded."""
    gate = Gate(at, intruder)
    result = await verb(gated(ports, gate))
    assert gate.calls < CALLS_MAX, "the verb does not end"
    return result, gate.opened
