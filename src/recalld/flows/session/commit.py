"""Commit a session: archive its live messages in the request, learn from them in a job."""

from __future__ import annotations

from typing import Any

from recalld.domain.caller import Caller
from recalld.domain.commit import ArchiveMessages, Commit, FinishArchive, PutFile, UpdateTask, WriteMode
from recalld.domain.document import Tiers
from recalld.domain.errors import Invalid
from recalld.domain.job import Job, Lane, NewJob, TaskStatus
from recalld.domain.policy import ABSTRACT_CHARS_MAX
from recalld.domain.report import Committed
from recalld.domain.session import Archive, Message, Session
from recalld.domain.uri import Uri
from recalld.flows.tree.shape import shape
from recalld.flows.tree.write import FOLLOWING
from recalld.ports.doors import Doors
from recalld.ports.ledger import Tenant
from recalld.ports.model import Candidate
from recalld.rules.retention import last_archived, last_archived_by_turns
from recalld.rules.trailer import strip

KEEP_RECENT_MAX = 10_000


async def commit(
    session_id: str, keep_recent_count: int, retention: dict[str, Any], caller: Caller, doors: Doors
) -> Committed:
    """Phase one: put messages away and leave a job; a second commit at the same moment finds nothing to do."""
    _check(keep_recent_count, retention)
    tenant = doors.ledger.tenant(caller)
    session = await tenant.session(session_id)
    live = await tenant.messages(session_id, archive=0)
    if not live:
        return Committed(session_id, False, reason="no_messages", active_tokens=0)
    last = _last(live, keep_recent_count, retention)
    if last < 0:
        return Committed(session_id, False, reason="all_within_keep_window", active_tokens=session.pending_tokens)
    task_id = f"task_{doors.clock.token()}"
    job = NewJob(
        "extract", f"extract:{session_id}:{task_id}", {"session_id": session_id}, lane=Lane.INTERACTIVE, task_id=task_id
    )
    receipt = await tenant.commit(Commit((ArchiveMessages(session_id, last, keep_recent_count, task_id, job),)))
    if not receipt.archive:
        return Committed(session_id, False, reason="no_messages", active_tokens=0)
    active = sum(m.tokens for m in live if m.ordinal > last)
    uri = session.uri / "history" / f"archive_{receipt.archive:03d}"
    return Committed(session_id, True, task_id, str(uri), active_tokens=active)


def _last(live: list[Message], keep_recent_count: int, retention: dict[str, Any]) -> int:
    if retention.get("retention_mode") != "turn_budget":
        return last_archived(live, keep_recent_count)
    given = {
        "turns": retention.get("keep_recent_turn_count"),
        "tokens_max": retention.get("retained_message_token_budget"),
        "tail_min": retention.get("min_raw_tail_steps"),
    }
    return last_archived_by_turns(live, **{k: int(v) for k, v in given.items() if v is not None})


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
    turned = [k for k, v in retention.items() if k != "retention_mode" and v is not None]
    if turned and mode is None:
        raise Invalid(
            f"{', '.join(turned)} needs retention_mode",
            remedy="add retention_mode: turn_budget",
            details={"field": turned[0]},
        )


async def extract(job: Job, doors: Doors) -> None:
    """Phase two: the archives' tiers, then memories that quote them. Every write is keyed by archive and candidate, so a
    repeated run writes the same files."""
    tenant = doors.ledger.tenant(job.caller)
    session = await tenant.session(str(job.payload["session_id"]))
    archive = await _archive_of(tenant, session, job.task_id)
    if archive is None or archive.state != "pending":
        await tenant.commit(Commit(done=job.id))
        return
    messages = tuple(await tenant.messages(session.id, archive=archive.number))
    await tenant.commit(Commit((UpdateTask(job.task_id, TaskStatus.RUNNING, stage="summarising"),)))
    tiers = await doors.model.tiers_of_archive(messages)
    candidates = await doors.model.memories(messages)
    puts = [await _memory(c, session, doors, job.caller) for c in candidates]
    counts = _counts(candidates)
    await _settle(job, session, archive, tiers, puts, counts, tenant)


async def _archive_of(tenant: Tenant, session: Session, task_id: str) -> Archive | None:
    return next((a for a in await tenant.archives(session.id) if a.task_id == task_id), None)


def _counts(candidates: tuple[Candidate, ...]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for candidate in candidates:
        counts[candidate.type] = counts.get(candidate.type, 0) + 1
    return counts


async def _memory(candidate: Candidate, session: Session, doors: Doors, caller: Caller) -> PutFile:
    root = Uri(("user", caller.user))
    if candidate.peer_id:
        root = root / "peers" / candidate.peer_id
    uri = root / f"memories/{candidate.path}"
    data = candidate.text.encode()
    shaped = await shape(uri, data, doors)
    quoted = [str(session.uri / "messages" / f"{m}.md") for m in candidate.message_ids]
    return PutFile(
        uri,
        WriteMode.UPSERT,
        shaped.hash,
        len(data),
        shaped.media,
        data=data,
        chunks=shaped.chunks,
        tiers=_own_tiers(candidate.text),
        event_at=candidate.at,
        source={"session": session.id, "messages": quoted, "key": candidate.key},
    )


def _own_tiers(text: str) -> Tiers:
    """A memory's abstract is what it quotes, without the marks of its form."""
    lines = [line.strip() for line in strip(text).splitlines() if line.strip()]
    quoted = [line[1:].rpartition(" — ")[0].strip() or line[1:].strip() for line in lines if line.startswith(">")]
    said = quoted or [line.lstrip("# ") for line in lines]
    return Tiers(" ".join(said)[:ABSTRACT_CHARS_MAX].strip(), "", "extractive")


async def _settle(
    job: Job,
    session: Session,
    archive: Archive,
    tiers: Tiers,
    puts: list[PutFile],
    counts: dict[str, int],
    tenant: Tenant,
) -> None:
    result = {
        "session_id": session.id,
        "archive_uri": str(archive.uri),
        "memories_extracted": counts,
        "session_skills_extracted": 0,
        "session_skill_uris": [],
        "usage_events_extracted": 0,
        "active_count_updated": 0,
        "effective_memory_types": sorted(counts),
        "agent_evolution_enabled": False,
        "agent_memory_skip_reason": "agent evolution is off",
        "token_usage": {"llm": 0, "embedding": 0, "total": 0},
        "memory_uris": [str(p.uri) for p in puts],
    }
    finish = FinishArchive(session.id, archive.number, tiers, counts)
    done = UpdateTask(job.task_id, TaskStatus.COMPLETED, stage="completed", result=result)
    await tenant.commit(Commit((*puts, finish, done), FOLLOWING, done=job.id, cause=str(archive.uri)))
