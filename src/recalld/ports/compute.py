"""Where a computation may run without stopping the loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, Protocol, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Compute(Protocol):
    """A bounded place for synchronous work (parsing, tokenising, scanning)."""

    async def run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run it elsewhere and return its result. Raises ``Busy`` when too much waits."""
