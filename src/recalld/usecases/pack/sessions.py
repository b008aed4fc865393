"""Imports a pack's sessions: messages with their ids, archives in order with their tiers."""

from __future__ import annotations

import hashlib
from typing import Any

from recalld.domain.caller import Caller
from recalld.domain.commit import (
    ArchiveMessages,
    Commit,
    ConfigureSession,
    FinishArchive,
    Op,
    OpenSession,
    PutFile,
    UpdateTask,
    WriteMode,
)
from recalld.domain.document import Tiers
from recalld.domain.job import ExtractPayload, TaskStatus
from recalld.domain.session import BATCH_MESSAGES_MAX
from recalld.domain.uri import Uri
from recalld.ports.bundle import Ports
from recalld.ports.ledger import Sessions, Tenant
from recalld.rules.memory_policy import DIFF_FILE
from recalld.rules.pack_mapping import SessionFiles, session_config, tiers_of
from recalld.usecases.session.append import append
from recalld.usecases.tree.prepare import PreparedFile, put_file

from .verify import Verified, messages_of

BATCH_CHARS_MAX = 4 * 1024 * 1024
ERROR_CHARS_MAX = 500


async def import_session(session_files: SessionFiles, pack: Verified, caller: Caller, ports: Ports) -> int:
    """Import one session of the caller; return how many messages were new. Messages and archives that exist are skipped,
    so a second run continues where the first one ended."""
    tenant, sid = ports.ledger.tenant(caller), session_files.uri.name
    await tenant.commit(Commit((OpenSession(sid, exist_ok=True),)))
    session = await tenant.session(sid)
    begun = session.total_message_count == 0
    added = 0
    for number, files in sorted(session_files.archives.items()):
        if "messages.jsonl" not in files or (number <= session.commit_count and not begun):
            continue
        raw = await ports.compute.run(messages_of, pack, files["messages.jsonl"], caller, ports.clock.now())
        if not await _all_of(raw, sid, tenant):
            added += await _append(sid, raw, f"archive {number}", caller, ports)
            continue
        added += await _append(sid, raw, f"archive {number}", caller, ports)
        await _archive(sid, files, pack, tenant, ports)
    if session_files.live:
        raw = await ports.compute.run(messages_of, pack, session_files.live, caller, ports.clock.now())
        added += await _append(sid, raw, "live", caller, ports)
    if session_files.meta:
        # Last, so that the session does not commit automatically during its import.
        config = session_config(await ports.compute.run(pack.read, session_files.meta))
        await tenant.commit(Commit((ConfigureSession(sid, config),)))
    return added


async def _all_of(raw: list[dict[str, Any]], sid: str, sessions: Sessions) -> bool:
    """True if the live messages belong to this archive; otherwise archiving would include other messages."""
    ids = {str(one.get("id")) for one in raw}
    return all(m.id in ids for m in await sessions.messages(sid, archive=0))


async def _append(sid: str, raw: list[dict[str, Any]], part: str, caller: Caller, ports: Ports) -> int:
    added = count = 0
    while count < len(raw):
        some = _batch(raw, count)
        # The key names messages without an id, so that a repeated import adds nothing.
        added += (await append(sid, some, f"pack {sid} {part} {count}", caller, ports)).added
        count += len(some)
    return added


def _batch(raw: list[dict[str, Any]], start: int) -> list[dict[str, Any]]:
    held: list[dict[str, Any]] = []
    size = 0
    for one in raw[start : start + BATCH_MESSAGES_MAX]:
        size += len(str(one))
        if held and size > BATCH_CHARS_MAX:
            break
        held.append(one)
    return held


async def _archive(sid: str, files: dict[str, str], pack: Verified, tenant: Tenant, ports: Ports) -> None:
    """Archive the live messages as finished: extracted memories come with the pack and are not extracted again."""
    session, live = await tenant.session(sid), await tenant.messages(sid, archive=0, limit=1, newest=True)
    if not live:
        return
    texts = [
        (await ports.compute.run(pack.read, files[name])).decode("utf-8", "replace") if name in files else ""
        for name in (".abstract.md", ".overview.md", ".failed.json")
    ]
    task_id, number = f"task_{ports.clock.token()}", session.commit_count + 1
    job = ExtractPayload(sid).job(f"extract:{sid}:{task_id}", task_id=task_id)
    error = texts[2].strip()[:ERROR_CHARS_MAX]
    finish = FinishArchive(sid, number, tiers_of(texts[0], texts[1]) if any(texts[:2]) else Tiers(""), error=error)
    # The job finds the archive finished and ends at once.
    result = {"session_id": sid, "archive_uri": str(session.uri / f"history/archive_{number:03d}"), "imported": True}
    ops: list[Op] = [
        ArchiveMessages(sid, live[-1].ordinal, 0, task_id, job, "import_pack"),
        finish,
        UpdateTask(task_id, TaskStatus.COMPLETED, stage="completed", result=result),
    ]
    if DIFF_FILE in files:
        ops.append(await _diff(session.uri, number, await ports.compute.run(pack.read, files[DIFF_FILE]), ports))
    await tenant.commit(Commit(tuple(ops)))


async def _diff(session: Uri, number: int, data: bytes, ports: Ports) -> PutFile:
    """Return the operation that stores an archive's memory diff unchanged."""
    uri = session / f"history/archive_{number:03d}" / DIFF_FILE
    prepared = PreparedFile(hashlib.sha256(data).hexdigest(), "application/json", None, (), parsed=True)
    return await put_file(uri, data, prepared, ports, mode=WriteMode.UPSERT)
