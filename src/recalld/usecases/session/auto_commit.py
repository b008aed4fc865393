"""Auto-commit: one job per session, created by the write that exceeded its policy or when the session went idle."""

from __future__ import annotations

from recalld.domain.commit import Commit
from recalld.domain.errors import NotFound
from recalld.domain.job import Job
from recalld.domain.job_payload import AutoCommitPayload
from recalld.ports.bundle import Ports
from recalld.rules.retention import auto_commit_policy, due, idle

from .append import auto_commit_job
from .commit import archive_messages

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
