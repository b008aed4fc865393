"""The context of a tool call, and the error of features that are not implemented."""

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
class ToolContext:
    """One call: the engine, the workspace of its caller, and how to open an upload by its id (path and file name).

    ``open_upload`` None: the agent is on this machine, so paths are read from its disk and there are no uploads.
    ``ticket``: makes an address from which a file can be fetched once without a key (None: no server).
    ``upload_ticket``: makes an address where a file can be sent once without a key, to be imported as it says.
    ``slot``: holds a slot of a request class while a tool runs (on stdio there are no other requests).
    """

    engine: Engine
    workspace: Workspace
    open_upload: Callable[[str], Awaitable[tuple[Path, str]]] | None = None
    ticket: Callable[[str], str] | None = None
    upload_ticket: Callable[[Mapping[str, Any]], str] | None = None
    slot: Callable[[str, bool], AbstractAsyncContextManager[None]] = lambda _, __: nullcontext()


def not_implemented(what: str, remedy: str) -> RecalldError:
    """The error of a tool for a feature that is not implemented."""
    return Invalid(f"{what} is not implemented yet", remedy=remedy, code="UNIMPLEMENTED")
