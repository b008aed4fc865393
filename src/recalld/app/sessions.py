"""Further session operations: settings, immediate extraction, tool outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from recalld.domain.caller import Caller
from recalld.domain.commit import Commit, ConfigureSession
from recalld.domain.errors import Invalid
from recalld.domain.results import Remembered, ToolResult
from recalld.domain.session import Session
from recalld.ports.bundle import Ports
from recalld.usecases.session.extract_memories import extract_now
from recalld.usecases.tree import outputs


class SessionOperations:
    """Sessions of one caller."""

    def __init__(self, ports: Ports, caller: Caller) -> None:
        self._ports = ports
        self._caller = caller

    async def configure(self, session_id: str, changes: Mapping[str, Any]) -> Session:
        """Replace these settings of a session; None removes one. Raises ``NotFound``."""
        tenant = self._ports.ledger.tenant(self._caller)
        if not changes:
            return await tenant.session(session_id)
        receipt = await tenant.commit(Commit((ConfigureSession(session_id, dict(changes)),)))
        assert receipt.session is not None
        return receipt.session

    async def extract(self, session_id: str) -> Sequence[Remembered]:
        """Extract memories from the live messages, which stay live."""
        return await extract_now(session_id, self._caller, self._ports)

    async def tool_results(self, session_id: str, *, tool_name: str = "", limit: int = 50) -> list[dict[str, Any]]:
        """Return the facts of tool outputs stored separately, newest first."""
        _from(1, limit, "limit")
        return await outputs.outputs(session_id, tool_name, limit, self._caller, self._ports)

    async def tool_result(self, session_id: str, output_id: str, *, offset: int = 0, limit: int = 20_000) -> ToolResult:
        """Return a part of a tool output, in code points; ``limit`` -1 = all. Raises ``NotFound``."""
        _from(0, offset, "offset")
        _from(-1, limit, "limit")
        return await outputs.output(session_id, output_id, offset, limit, self._caller, self._ports)

    async def search_tool_result(
        self, session_id: str, output_id: str, wanted: str, *, limit: int = 20, context_chars: int = 300
    ) -> list[tuple[int, str]]:
        """Return where ``wanted`` occurs in a tool output: offsets with surrounding text. Raises ``NotFound``."""
        _from(1, limit, "limit")
        _from(0, context_chars, "context_chars")
        return await outputs.search_output(
            session_id, output_id, wanted, limit, context_chars, self._caller, self._ports
        )


def _from(least: int, value: int, field: str) -> None:
    if value < least:
        raise Invalid(f"{field} {value} is too small", remedy=f"{least} or more", details={"field": field})
