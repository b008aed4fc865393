"""What a tool has at hand, and the refusal of what it cannot do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recalld.domain.errors import Invalid, RecalldError

if TYPE_CHECKING:  # the port answers before the engine and its libraries are loaded
    from recalld.app.engine import Engine, Workspace


@dataclass(frozen=True, slots=True)
class Desk:
    """One call: the engine, the verbs as its caller, and how an upload's id becomes a file and the name it was sent by.

    ``opened`` None: the agent is on this machine, so paths are read from its disk and there are no uploads.
    ``ticket``: makes an address from which a file can be fetched once without a key (None: there is no server).
    ``upload_ticket``: makes an address where a file can be sent once without a key, to be imported as it says.
    ``slot``: holds a slot of a request class while a tool runs (on stdio there are no other requests).
    """

    engine: Engine
    workspace: Workspace
    opened: Callable[[str], Awaitable[tuple[Path, str]]] | None = None
    ticket: Callable[[str], str] | None = None
    upload_ticket: Callable[[Mapping[str, Any]], str] | None = None
    slot: Callable[[str, bool], AbstractAsyncContextManager[None]] = lambda _, __: nullcontext()


def later(what: str, remedy: str) -> RecalldError:
    """The answer of a tool whose part of the engine does not exist yet."""
    return Invalid(f"{what} comes with a later release", remedy=remedy, code="UNIMPLEMENTED")
