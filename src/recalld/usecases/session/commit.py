"""Commits a session's messages to an archive, at request or by its policy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from recalld.domain.caller import Caller
from recalld.domain.commit import ArchiveMessages, Commit, ConfigureSession
from recalld.domain.errors import Busy, Conflict, Invalid, NotFound
from recalld.domain.job import AutoCommitPayload, ExtractPayload, Job, Lane
from recalld.domain.results import Committed
from recalld.domain.session import Session
from recalld.ports.bundle import Ports
from recalld.ports.ledger import Tenant
from recalld.rules.memory_policy import EXTRACTED_TO
from recalld.rules.retention import BY_COUNT, Retention, auto_commit_policy, due, idle

from .append import auto_commit_job
from .context import newest

KEEP_RECENT_MAX = 10_000
TRIES_MAX = 100


async def commit(
    session_id: str,
    keep_recent_count: int,
    retention: Retention,
    event_tags: Sequence[str] | None,
    caller: Caller,
    ports: Ports,
) -> Committed:
    """Archive messages and enqueue the job; a concurrent second commit finds nothing to do. ``event_tags``: tags of the
    events extracted (None: the session's own)."""
    if not 0 <= keep_recent_count <= KEEP_RECENT_MAX:
        raise Invalid(
            f"keep_recent_count {keep_recent_count}",
            remedy=f"0 to {KEEP_RECENT_MAX}",
            details={"field": "keep_recent_count"},
        )
    tenant = ports.ledger.tenant(caller)
    session = await tenant.session(session_id)
    return await archive_messages(session, tenant, ports, keep_recent_count, retention, event_tags=event_tags)


async def archive_messages(
    session: Session,
    tenant: Tenant,
    ports: Ports,
    keep_recent_count: int,
    retention: Retention = BY_COUNT,
    *,
    event_tags: Sequence[str] | None = None,
    remember: Mapping[str, Any] | None = None,
    done: int = 0,
) -> Committed:
    """One commit for all of it. ``remember``: further settings the session keeps; ``done``: the job this completes.
    Raises ``Busy`` if concurrent extractions keep winning."""
    settings = {**retention.settings(), **(remember or {})}
    for _ in range(TRIES_MAX):
        try:
            return await _archive_messages(
                session, tenant, ports, keep_recent_count, retention, event_tags, settings, done
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
    retention: Retention,
    event_tags: Sequence[str] | None,
    settings: dict[str, Any],
    done: int,
) -> Committed:
    live = await tenant.read_transaction(
        lambda reader: newest(reader, session.id, 0, lambda found: retention.decided_by(found, keep_recent_count))
    )
    if not live:
        return Committed(session.id, False, reason="no_messages", active_tokens=0)
    last = retention.last_archived(live, keep_recent_count)
    if last < 0:
        return Committed(session.id, False, reason="all_within_keep_window", active_tokens=session.pending_tokens)
    task_id = f"task_{ports.clock.token()}"
    # Only now is it certain which archived messages were not extracted from yet; later ones may be by then.
    extracted_to = session.config.get(EXTRACTED_TO)
    payload = ExtractPayload(session.id, None if event_tags is None else tuple(event_tags), extracted_to)
    job = payload.job(f"extract:{session.id}:{task_id}", lane=Lane.INTERACTIVE, task_id=task_id)
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
        session.id, True, task_id, str(uri), active_tokens=active, budget_exceeded=retention.exceeded_by(active)
    )


SCANNED_MAX = 16


async def auto_commit(job: Job[AutoCommitPayload], ports: Ports) -> None:
    """Archive a session's messages if its policy still requires it; what follows is the same task as for any commit."""
    tenant = ports.ledger.tenant(job.caller)
    try:
        session = await tenant.session(job.payload.session_id)
    except NotFound:
        await tenant.commit(Commit(done=job.id))
        return
    now = ports.clock.now()
    if due(session, now) or idle(session, now):
        keep = auto_commit_policy(session)["keep_recent_count"]
        did = await archive_messages(session, tenant, ports, keep, done=job.id, remember={"last_auto_commit_at": now})
        if did.archived:
            return
    await tenant.commit(Commit(done=job.id))


async def enqueue_idle(ports: Ports) -> int:
    """Enqueue jobs for up to ``SCANNED_MAX`` sessions idle longer than their policy allows; return how many."""
    found = await ports.backlog.idle_sessions(now=ports.clock.now(), limit=SCANNED_MAX)
    for caller, session_id in found:
        await ports.ledger.tenant(caller).commit(Commit(jobs=(auto_commit_job(session_id),)))
    return len(found)
