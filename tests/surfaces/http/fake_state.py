"""What the fakes of a workspace share: the state of all callers, and a record of the calls."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, ParamSpec, TypeVar

from recalld.domain.caller import Caller
from recalld.domain.uri import Uri
from recalld.rules.address import resolve

NOW = 1_700_000_000.125
P = ParamSpec("P")
R = TypeVar("R")


class State:
    """What all callers share, and a record of how methods were called."""

    def __init__(self) -> None:
        self.files: dict[Uri, bytes] = {}
        self.folders: set[Uri] = {Uri.parse("viking://resources")}
        self.sessions: dict[str, list[dict[str, Any]]] = {}
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.degraded: tuple[str, ...] = ()
        self.raises: dict[str, Exception] = {}
        self.added: list[tuple[bytes, dict[str, Any]]] = []
        self.add_result: dict[str, Any] = {"status": "success", "context_count": 3}


class Fake:
    """One caller's view of the state."""

    def __init__(self, state: State, caller: Caller) -> None:
        self.state = state
        self.caller = caller

    def _record(self, method: str, **arguments: Any) -> None:
        self.state.calls.append((method, arguments))
        if method in self.state.raises:
            raise self.state.raises[method]

    def _uri(self, text: str) -> Uri:
        return resolve(text, self.caller, NOW)


def recorded(
    method: Callable[Concatenate[Any, P], Coroutine[Any, Any, R]],
) -> Callable[Concatenate[Any, P], Coroutine[Any, Any, R]]:
    """Record the arguments that a call names, and raise what the state says."""
    signature = inspect.signature(method)

    @functools.wraps(method)
    async def call(self: Any, /, *args: P.args, **kwargs: P.kwargs) -> R:
        arguments = dict(signature.bind(self, *args, **kwargs).arguments)
        del arguments["self"]
        self._record(method.__name__, **arguments)
        return await method(self, *args, **kwargs)

    return call
