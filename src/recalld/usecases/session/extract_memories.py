"""Commit a session, phase two: the archive's tiers, and memories that quote its messages."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from recalld.domain.caller import Caller
from recalld.domain.commit import (
    Commit,
    ConfigureSession,
    FinishArchive,
    PutFile,
    UpdateTask,
    WriteMode,
)
from recalld.domain.document import Tiers
from recalld.domain.errors import NotFound
from recalld.domain.job import AS_IN_SESSION, ExtractPayload, Job, TaskStatus
from recalld.domain.policy import ABSTRACT_CHARS_MAX
from recalld.domain.results import Remembered
from recalld.domain.session import Archive, Message, Session
from recalld.domain.uri import Uri
from recalld.ports.bundle import Ports
from recalld.ports.ledger import Commits, Tree
from recalld.ports.model import Candidate
from recalld.rules.lines import split_lines
from recalld.rules.memory_footer import strip
from recalld.rules.memory_policy import (
    DIFF_FILE,
    EXTRACTED_TO,
    MemoryPolicy,
    event_tags,
    memory_diff,
    memory_type,
    read_memory_policy,
)
from recalld.rules.openviking_json import iso
from recalld.rules.own_text import own_text
from recalld.rules.sentences import fit
from recalld.rules.settings import MEMORY_POLICY
from recalld.rules.spoken_secrets import hidden
from recalld.usecases.retrying import key_of, retrying
from recalld.usecases.tree.prepare import FOLLOW_UP_JOBS, inline, prepare

from .archive_llm import ArchiveGeneration, archive_tiers, candidates
from .context import all_of

NO_TIERS = Tiers("", "", "none")


async def extract(job: Job[ExtractPayload], ports: Ports) -> None:
    """The archive's tiers, then memories that quote it, both as the session's policy allows. Every write is keyed by archive
    and candidate, so a repeated run writes the same files."""
    tenant = ports.ledger.tenant(job.caller)
    session = await tenant.session(job.payload.session_id)
    archive = await tenant.archive(session.id, task_id=job.task_id)
    if archive is None or archive.state != "pending":
        await tenant.commit(Commit(done=job.id))
        return
    messages = await ports.compute.run(_quotable, await all_of(tenant, session.id, archive.number))
    await tenant.commit(Commit((UpdateTask(job.task_id, TaskStatus.RUNNING, stage="summarising"),)))
    policy = await _policy(session, job.caller, ports)
    generation = ArchiveGeneration(ports)
    tiers = await archive_tiers(messages, generation) if policy.working else NO_TIERS
    extracted_to = job.payload.extracted_to
    if extracted_to == AS_IN_SESSION:
        extracted_to = session.config.get(EXTRACTED_TO)
    allowed = _new_messages(messages, extracted_to, policy)
    found = await candidates(allowed, generation) if allowed else ()
    puts, counts = await _memories(found, session, policy, job.payload.event_tags, job.caller, ports)
    diff_file = await _diff_file(archive, puts, job.task_id, tenant, ports)
    await _finish(job, session, archive, tiers, puts, counts, policy, diff_file, generation, tenant)


async def extract_now(session_id: str, caller: Caller, ports: Ports) -> list[Remembered]:
    """Memories of the live messages, which stay live; a later commit does not extract from them again."""
    return await retrying(
        lambda: _extract_now(session_id, caller, ports),
        key_of(caller.account, f"{caller.user}/{session_id}"),
        ports=ports,
    )


async def _extract_now(session_id: str, caller: Caller, ports: Ports) -> list[Remembered]:
    tenant = ports.ledger.tenant(caller)
    session = await tenant.session(session_id)
    live = await ports.compute.run(_quotable, await all_of(tenant, session_id, 0))
    policy = await _policy(session, caller, ports)
    allowed = _new_messages(live, session.config.get(EXTRACTED_TO), policy)
    found = await ports.model.memories(allowed) if allowed else ()
    puts, counts = await _memories(found, session, policy, None, caller, ports)
    if live:
        setting = ConfigureSession(
            session_id,
            {EXTRACTED_TO: live[-1].ordinal},
            counts,
            expect={EXTRACTED_TO: session.config.get(EXTRACTED_TO)},
            archives=session.commit_count,  # messages archived meanwhile are left to that archive's job
        )
        await tenant.commit(Commit((*puts, setting), FOLLOW_UP_JOBS, cause=str(session.uri)))
    return [Remembered(p.uri, memory_type(p.uri), p.tiers.abstract if p.tiers is not None else "") for p in puts]


def _quotable(messages: Sequence[Message]) -> tuple[Message, ...]:
    """Return the quotable text of each message, without recalled blocks, keys and passwords."""
    return hidden(own_text(messages))


async def _policy(session: Session, caller: Caller, ports: Ports) -> MemoryPolicy:
    """The session's own memory policy, else its user's."""
    raw_policy = session.config.get(MEMORY_POLICY)
    if raw_policy is None:
        member = await ports.registry.member(caller.account, caller.user)
        raw_policy = member.settings.get(MEMORY_POLICY) if member is not None else None
    return read_memory_policy(raw_policy)


def _new_messages(messages: Sequence[Message], extracted_to: int | None, policy: MemoryPolicy) -> tuple[Message, ...]:
    """Return the messages to extract from: those after the ordinal ``extracted_to`` (None: all) that the policy allows."""
    after = -1 if extracted_to is None else int(extracted_to)
    return policy.allowed([m for m in messages if m.ordinal > after])


async def _memories(
    proposed: Sequence[Candidate],
    session: Session,
    policy: MemoryPolicy,
    tags: Sequence[str] | None,
    caller: Caller,
    ports: Ports,
) -> tuple[list[PutFile], dict[str, int]]:
    """Return the memories that the policy allows, and how many of each type."""
    found = tuple(c for c in proposed if c.type in policy.types)
    tagged = event_tags(session.config, tags)
    puts = [await _memory(c, session, tagged if c.type == "events" else (), ports, caller) for c in found]
    return puts, _counts(found)


async def _diff_file(archive: Archive, puts: Sequence[PutFile], task_id: str, tree: Tree, ports: Ports) -> PutFile:
    """The archive's ``memory_diff.json``: every memory that is new or changed, with its text."""
    changes = []
    for put in puts:
        try:
            before = (await tree.read(put.uri)).decode("utf-8", "replace")
        except NotFound:
            before = None
        changes.append((put.uri, before, (put.data or b"").decode("utf-8", "replace")))
    diff = memory_diff(archive.uri, task_id, iso(ports.clock.now()), changes)
    data = json.dumps(diff, ensure_ascii=False, indent=2).encode()
    digest = hashlib.sha256(data).hexdigest()
    uri = archive.uri / DIFF_FILE
    return PutFile(uri, WriteMode.UPSERT, digest, len(data), "application/json", await inline(data, ports), chunks=())


def _counts(candidates: tuple[Candidate, ...]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for candidate in candidates:
        counts[candidate.type] = counts.get(candidate.type, 0) + 1
    return counts


async def _memory(
    candidate: Candidate, session: Session, tags: tuple[str, ...], ports: Ports, caller: Caller
) -> PutFile:
    root = Uri(("user", caller.user))
    if candidate.peer_id:
        root = root / "peers" / candidate.peer_id
    uri = root / f"memories/{candidate.path}"
    data = candidate.text.encode()
    prepared = await prepare(uri, data, ports)
    quoted = [str(session.uri / "messages" / f"{m}.md") for m in candidate.message_ids]
    return PutFile(
        uri,
        WriteMode.UPSERT,
        prepared.hash,
        len(data),
        prepared.media,
        data=data,
        chunks=prepared.chunks,
        tiers=_own_tiers(candidate),
        tags=tags or None,
        event_at=candidate.at,
        source={"session": session.id, "messages": quoted, "key": candidate.key},
    )


def _own_tiers(candidate: Candidate) -> Tiers:
    """Return a memory's abstract: the proposed one, else its quotations without Markdown."""
    if candidate.abstract:
        return Tiers(fit(candidate.abstract, ABSTRACT_CHARS_MAX), "", "model")
    lines = [line.strip() for line in split_lines(strip(candidate.text)) if line.strip()]
    quoted = [line[1:].rpartition(" — ")[0].strip() or line[1:].strip() for line in lines if line.startswith(">")]
    quotes = quoted or [line.lstrip("# ") for line in lines]
    return Tiers(" ".join(quotes)[:ABSTRACT_CHARS_MAX].strip())


async def _finish(
    job: Job[ExtractPayload],
    session: Session,
    archive: Archive,
    tiers: Tiers,
    puts: list[PutFile],
    counts: dict[str, int],
    policy: MemoryPolicy,
    diff_file: PutFile,
    generation: ArchiveGeneration,
    commits: Commits,
) -> None:
    result = {
        "session_id": session.id,
        "archive_uri": str(archive.uri),
        "memories_extracted": counts,
        "effective_memory_types": sorted(policy.types),
        "token_usage": {"llm": generation.tokens, "embedding": 0, "total": generation.tokens},
        "memory_uris": [str(p.uri) for p in puts],
        "memory_diff_uri": str(diff_file.uri),
    }
    if generation.missing:
        result["degraded"] = list(dict.fromkeys(generation.missing))
    finish = FinishArchive(session.id, archive.number, tiers, counts)
    done = UpdateTask(job.task_id, TaskStatus.COMPLETED, stage="completed", result=result)
    await commits.commit(
        Commit((*puts, diff_file, finish, done, *generation.usage), FOLLOW_UP_JOBS, done=job.id, cause=str(archive.uri))
    )
