"""Commit a session, phase one: archive its live messages in the request and enqueue the extraction job."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from recalld.domain.caller import Caller
from recalld.domain.commit import ArchiveMessages, Commit, ConfigureSession
from recalld.domain.errors import Busy, Conflict, Invalid
from recalld.domain.job import Lane, NewJob
from recalld.domain.results import Committed
from recalld.domain.session import Message, Session
from recalld.ports.bundle import Ports
from recalld.ports.ledger import Tenant
from recalld.rules.memory_policy import EXTRACTED_TO
from recalld.rules.retention import TURN_BUDGET_TOKENS, last_archived, last_archived_by_turns, retained_turns

from .newest import newest

KEEP_RECENT_MAX = 10_000
RETENTION = ("retention_mode", "keep_recent_turn_count", "retained_message_token_budget", "min_raw_tail_steps")
"""Retention by whole turns; the session stores the values of its last commit."""
TRIES_MAX = 100


async def commit(
    session_id: str, keep_recent_count: int, retention: dict[str, Any], caller: Caller, ports: Ports
) -> Committed:
    """Archive messages and enqueue the job; a concurrent second commit finds nothing to do. ``retention``: the fields
    of ``RETENTION``, and ``event_tags`` (None: the session's own)."""
    _check(keep_recent_count, retention)
    tenant = ports.ledger.tenant(caller)
    session = await tenant.session(session_id)
    return await archive_messages(session, tenant, ports, keep_recent_count=keep_recent_count, retention=retention)


async def archive_messages(
    session: Session,
    tenant: Tenant,
    ports: Ports,
    *,
    keep_recent_count: int,
    retention: Mapping[str, Any] | None = None,
    remember: Mapping[str, Any] | None = None,
    done: int = 0,
) -> Committed:
    """One commit for all of it. ``remember``: further settings the session keeps; ``done``: the job this completes.
    Raises ``Busy`` if concurrent extractions keep winning."""
    for _ in range(TRIES_MAX):
        try:
            return await _archive_messages(
                session, tenant, ports, keep_recent_count, retention or {}, remember or {}, done
            )
        except Conflict as changed:
            if changed.details.get("resource") != session.id:
                raise
            session = await tenant.session(session.id)
    raise Busy(f"the session {session.id} is being processed by several requests at once", retry_after_s=1.0)


async def _archive_messages(
    session: Session,
    tenant: Tenant,
    ports: Ports,
    keep_recent_count: int,
    retention: Mapping[str, Any],
    remember: Mapping[str, Any],
    done: int,
) -> Committed:
    live = await tenant.read_transaction(
        lambda reader: newest(reader, session.id, 0, lambda m: _decided(m, keep_recent_count, retention))
    )
    if not live:
        return Committed(session.id, False, reason="no_messages", active_tokens=0)
    last = _last(live, keep_recent_count, retention)
    if last < 0:
        return Committed(session.id, False, reason="all_within_keep_window", active_tokens=session.pending_tokens)
    task_id = f"task_{ports.clock.token()}"
    # Only now is it certain which archived messages were not extracted from yet; later ones may be by then.
    extracted_to = session.config.get(EXTRACTED_TO)
    payload = {"session_id": session.id, "event_tags": retention.get("event_tags"), EXTRACTED_TO: extracted_to}
    job = NewJob("extract", f"extract:{session.id}:{task_id}", payload, lane=Lane.INTERACTIVE, task_id=task_id)
    settings = {**{name: retention.get(name) for name in RETENTION}, **remember}
    ops = (
        ArchiveMessages(session.id, last, keep_recent_count, task_id, job),
        ConfigureSession(session.id, settings, expect={EXTRACTED_TO: extracted_to}),
    )
    receipt = await tenant.commit(Commit(ops, done=done))
    if not receipt.archive:
        return Committed(session.id, False, reason="no_messages", active_tokens=0)
    active = sum(m.tokens for m in live if m.ordinal > last)
    uri = session.uri / "history" / f"archive_{receipt.archive:03d}"
    return Committed(
        session.id, True, task_id, str(uri), active_tokens=active, budget_exceeded=_exceeded(active, retention)
    )


def _exceeded(active: int, retention: Mapping[str, Any]) -> bool:
    """True when the messages that stay in any case are more than the budget."""
    if retention.get("retention_mode") != "turn_budget":
        return False
    return active > int(retention.get("retained_message_token_budget") or TURN_BUDGET_TOKENS)


def _decided(newest_ones: Sequence[Message], keep_recent_count: int, retention: Mapping[str, Any]) -> bool:
    """True when what stays live is among these, whatever came before them."""
    if retention.get("retention_mode") != "turn_budget":
        return len(newest_ones) > keep_recent_count
    _, sure = retained_turns(newest_ones, **_turns(retention))
    return sure and _last(newest_ones, keep_recent_count, retention) >= 0


def _last(live: Sequence[Message], keep_recent_count: int, retention: Mapping[str, Any]) -> int:
    if retention.get("retention_mode") != "turn_budget":
        return last_archived(live, keep_recent_count)
    return last_archived_by_turns(live, **_turns(retention))


def _turns(retention: Mapping[str, Any]) -> dict[str, int]:
    options = {
        "turns": retention.get("keep_recent_turn_count"),
        "tokens_max": retention.get("retained_message_token_budget"),
        "tail_min": retention.get("min_raw_tail_steps"),
    }
    return {k: int(v) for k, v in options.items() if v is not None}


def _check(keep_recent_count: int, retention: dict[str, Any]) -> None:
    if not 0 <= keep_recent_count <= KEEP_RECENT_MAX:
        raise Invalid(
            f"keep_recent_count {keep_recent_count}",
            remedy=f"0 to {KEEP_RECENT_MAX}",
            details={"field": "keep_recent_count"},
        )
    mode = retention.get("retention_mode")
    if mode not in {None, "turn_budget"}:
        raise Invalid(
            f"retention_mode {mode!r} is unknown",
            remedy="use turn_budget or leave it out",
            details={"field": "retention_mode"},
        )
    turned = [k for k in RETENTION[1:] if retention.get(k) is not None]
    if turned and mode is None:
        raise Invalid(
            f"{', '.join(turned)} needs retention_mode",
            remedy="add retention_mode: turn_budget",
            details={"field": turned[0]},
        )
