"""One commit, applied in the writer's transaction: every operation in order, then the jobs, then what it completes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import apsw

from recalld.domain import commit as ops
from recalld.domain.caller import Caller
from recalld.domain.commit import Commit, Op, Receipt
from recalld.domain.uri import Uri

from . import (
    attributes,
    background_queries,
    job_queue,
    llm_tier_queries,
    members,
    move_copy,
    rows,
    session_archives,
    sessions,
    snapshots,
    trash,
    tree,
)
from .transaction import CommitResult, WriteTx

APPLY: dict[type, Callable[[WriteTx, Any], None]] = {
    ops.MakeDir: tree.make_dir,
    ops.Anchor: tree.anchor,
    ops.PutFile: tree.put_file,
    ops.Remove: tree.remove,
    ops.Undelete: trash.undelete,
    ops.Move: move_copy.move,
    ops.Copy: move_copy.copy,
    ops.SetTags: attributes.set_tags,
    ops.SetAttributes: attributes.set_attributes,
    ops.SetTiers: tree.set_tiers,
    ops.SetChunks: tree.set_chunks,
    ops.PutVectors: background_queries.put_vectors,
    ops.OpenSession: sessions.open_session,
    ops.Append: sessions.append,
    ops.ArchiveMessages: session_archives.archive_messages,
    ops.FinishArchive: session_archives.finish_archive,
    ops.ConfigureSession: sessions.configure,
    ops.NoteRecall: sessions.note_recall,
    ops.MarkUsed: sessions.mark_used,
    ops.NewTask: job_queue.new_task,
    ops.UpdateTask: job_queue.update_task,
    ops.MarkLeaving: members.mark_leaving,
    ops.DropWork: members.drop_work,
    ops.DropMember: members.drop,
    ops.ForgetEntries: members.forget_entries,
    ops.MarkSnapshot: snapshots.mark,
    ops.SetIgnore: snapshots.set_ignore,
    ops.RecordUsage: llm_tier_queries.record_usage,
    ops.KeepMade: llm_tier_queries.cache_tiers,
}


def apply(c: apsw.Connection, caller: Caller, commit: Commit, at: float) -> CommitResult:
    """Do all of it or raise; the caller's savepoint undoes what was begun."""
    for op in commit.ops:
        for uri in addresses(op):
            rows.check_access(caller, uri)
    tx = WriteTx(c, caller, at, commit.cause)
    if commit.done:
        job_queue.finish(tx, commit.done)
    for op in commit.ops:
        APPLY[type(op)](tx, op)
    for job in commit.jobs:
        job_queue.enqueue(tx, job)
    return tx.result


def addresses(op: Op) -> tuple[Uri, ...]:
    """Every address an operation names."""
    match op:
        case ops.MakeDir() | ops.Anchor() | ops.PutFile() | ops.Remove() | ops.Undelete():
            return (op.uri,)
        case ops.SetTags() | ops.SetAttributes():
            return (op.uri,)
        case ops.Move() | ops.Copy():
            return (op.source, op.to)
    return ()


def receipt(result: CommitResult) -> Receipt:
    """What the caller gets."""
    return Receipt(
        result.seq,
        tuple(result.created),
        tuple(result.updated),
        tuple(result.unchanged),
        result.removed,
        result.stale,
        tuple(result.nodes),
        result.messages_added,
        result.messages_seen,
        result.session,
        result.archive,
        result.archived,
    )
