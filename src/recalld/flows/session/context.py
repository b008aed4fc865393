"""A session's past as fits a token budget."""

from __future__ import annotations

from recalld.domain.caller import Caller
from recalld.domain.errors import Invalid
from recalld.domain.report import SessionContext
from recalld.domain.session import Archive, Message
from recalld.ports.doors import Doors
from recalld.ports.ledger import Tenant
from recalld.rules.retention import fit
from recalld.rules.wire import message_json, tokens


async def context(session_id: str, token_budget: int, caller: Caller, doors: Doors) -> SessionContext:
    """The newest finished archive's overview if it fits beside the live messages, and the raw messages since then."""
    if token_budget < 0:
        raise Invalid(f"token_budget {token_budget} is negative", remedy="0 or more", details={"field": "token_budget"})
    tenant = doors.ledger.tenant(caller)
    session = await tenant.session(session_id)
    archives = await tenant.archives(session_id)
    finished, pending = _split(archives)
    raw = await _raw(tenant, session_id, pending)
    kept = fit(raw, token_budget)
    active = sum(m.tokens for m in kept)
    overview = finished.overview if finished is not None else ""
    overview_tokens = tokens(overview) if overview else 0
    if overview_tokens > token_budget - active:
        overview, overview_tokens = "", 0
    return SessionContext(
        overview,
        tuple(message_json(m) for m in kept),
        active + overview_tokens,
        session.commit_count,
        sum(1 for a in archives if a.state == "failed"),
        active,
        overview_tokens,
    )


def _split(archives: list[Archive]) -> tuple[Archive | None, list[Archive]]:
    """The newest done archive, and the ones after it whose messages must be shown raw."""
    pending: list[Archive] = []
    for archive in reversed(archives):
        if archive.state == "done":
            return archive, pending[::-1]
        pending.append(archive)
    return None, pending[::-1]


async def _raw(tenant: Tenant, session_id: str, pending: list[Archive]) -> list[Message]:
    raw: list[Message] = []
    for archive in pending:
        raw += await tenant.messages(session_id, archive=archive.number)
    return raw + await tenant.messages(session_id, archive=0)
