"""One commit: what a step decided, as data. The ledger makes it true in one transaction, or not at all.

Operations name nodes by URI where a caller asked (resolved inside the transaction) and by ``node_id`` + ``version``
where a background step had read them before: if the version has moved on, that operation is skipped quietly and
reported in the receipt's ``stale``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from msgspec import field

from .commit_op import CommitOp
from .document import Chunk, Tiers
from .job import NewJob, TaskStatus
from .member_removal import DropMember as DropMember
from .member_removal import DropWork as DropWork
from .member_removal import ForgetEntries as ForgetEntries
from .member_removal import MarkLeaving as MarkLeaving
from .node import Node
from .session import Message, Session
from .snapshot import Snapshot
from .uri import Uri


class WriteMode(StrEnum):
    """CREATE refuses an existing file, REPLACE a missing one, UPSERT neither."""

    CREATE = "create"
    REPLACE = "replace"
    UPSERT = "upsert"


class MakeDir(CommitOp, frozen=True):
    """Make a directory and its missing parents. An existing one is a ``Conflict`` unless ``exist_ok``.
    ``abstract``: its caller's own ("" leaves what is there; an overview stays what it is). ``source``: where its content
    comes from (plain JSON; {} leaves what is there). ``same_origin``: an existing directory is accepted only if its source
    names the same ``origin`` as this one."""

    uri: Uri
    exist_ok: bool = False
    abstract: str = ""
    source: dict[str, Any] = field(default_factory=dict)
    same_origin: bool = False


class PutFile(CommitOp, frozen=True):
    """Write a file and everything that follows from it; missing parents are made.

    ``data`` holds the bytes when they are small (``INLINE_BYTES_MAX``), else ``blob`` names what ``Blobs.put`` made
    durable before. ``chunks`` replace the node's former ones in the same transaction; None leaves indexing to a job.
    ``expect``: the hash the file must still have (``Conflict`` ``ABORTED`` if not; "" = do not care); ``expect_version``: the
    version it must have (``Conflict`` ``WRITE_CONFLICT`` if not; 0: there must be none; None = do not care). Same bytes as
    before change nothing and are reported as unchanged.
    ``appended``: the bytes are those of the content ``expect`` and these behind it; ``data`` is None then and no blob is
    needed, and chunks that stay as they are keep their ids and vectors. ``tail``: ``chunks`` are those of the appended
    bytes alone and come behind the ones that are there. ``source``: where it came from (provenance, plain JSON); a file that
    an import brought keeps what it says of that when it is written without one.
    """

    uri: Uri
    mode: WriteMode
    hash: str
    size: int
    media: str
    data: bytes | None = None
    chunks: tuple[Chunk, ...] | None = None
    tiers: Tiers | None = None
    tags: tuple[str, ...] | None = None
    expect: str = ""
    expect_version: int | None = None
    event_at: float | None = None
    speaker: str = ""
    source: dict[str, Any] = field(default_factory=dict)
    appended: bytes | None = None
    tail: bool = False


class Remove(CommitOp, frozen=True):
    """Tombstone a subtree: gone at once for every reader, purged later in slices. Missing is no error.

    ``expect``: the hash a file must still have (``Conflict`` ``ABORTED`` if not; "" = do not care). ``unchanged_since``: a log
    position after which nothing in the subtree may have changed (likewise; 0 = do not care). ``erase``: it cannot be restored."""

    uri: Uri
    recursive: bool = False
    expect: str = ""
    unchanged_since: int = 0
    erase: bool = False


class Undelete(CommitOp, frozen=True):
    """Bring back a removed subtree as it was: nodes, contents, tags, messages. ``node_id``: its top, ``uri``: where it lay.

    Its index rows are made by a job. ``NotFound`` if it is no longer kept; ``Conflict`` if its directory is gone or its
    address is taken."""

    uri: Uri
    node_id: int


class Move(CommitOp, frozen=True):
    """Rename or re-parent a subtree in one entry; missing parents of ``to`` are made."""

    source: Uri
    to: Uri


class Anchor(CommitOp, frozen=True):
    """Refuse the whole commit unless this living node is still at this address (``Conflict`` ``FAILED_PRECONDITION``,
    ``details.conflict_type`` moved): work below a directory follows what becomes of it."""

    node_id: int
    uri: Uri


class Copy(CommitOp, frozen=True):
    """Copy a subtree (new nodes, same blobs, chunks and vectors)."""

    source: Uri
    to: Uri
    recursive: bool = False


class SetTags(CommitOp, frozen=True):
    """Set a node's tags (the full new set); ``append``: add them to those it has, a later value of a key winning. Those it
    has already are reported as unchanged; more than ``TAGS_MAX`` are ``Invalid``. ``optional``: a missing node is left out."""

    uri: Uri
    tags: tuple[str, ...]
    append: bool = False
    optional: bool = False


class SetAttributes(CommitOp, frozen=True):
    """Give an entry these tags and this origin (None: they stay). ``expect_tags``: what it must still have, else ``ABORTED``."""

    uri: Uri
    tags: tuple[str, ...] | None = None
    source: dict[str, Any] | None = None
    expect_tags: tuple[str, ...] | None = None


class SetTiers(CommitOp, frozen=True):
    """Store L0/L1 for a node as read at ``version``; ``chunks`` (levels 0 and 1) replace that node's tier chunks.

    For a directory clears its stale mark if its children have not changed since ``seen_seq``. When the abstract
    changed, the parent directory is marked stale. ``checked``: only if the node's tiers still are ``own`` (None = it has
    none); else the operation is skipped as stale, like one whose version has moved on. ``where_different``: its chunks are left
    alone where it has these already.
    """

    node_id: int
    version: int
    tiers: Tiers
    chunks: tuple[Chunk, ...] = ()
    seen_seq: int = 0
    checked: bool = False
    own: Tiers | None = None
    where_different: bool = False


class SetChunks(CommitOp, frozen=True):
    """Index a file or message as read at ``version``: large files, whose writer did not wait, and what was restored.
    ``quiet``: its directory's tiers came with it and know it already, so they are not made again. ``where_different``: chunks
    that it has already stay, with their vectors."""

    node_id: int
    version: int
    chunks: tuple[Chunk, ...]
    tiers: Tiers | None = None
    quiet: bool = False
    where_different: bool = False


@dataclass(frozen=True, slots=True)
class Embedded:
    """One chunk's vector: float16 little-endian bytes, unit length. ``refused``: why it is all zeros ("" = not)."""

    chunk_id: int
    data: bytes
    refused: str = ""


class PutVectors(CommitOp, frozen=True):
    """Store vectors of the model with this ``fingerprint``; chunks that have gone meanwhile are skipped."""

    fingerprint: str
    rows: tuple[Embedded, ...]


class OpenSession(CommitOp, frozen=True):
    """Make a session; an existing id is a ``Conflict`` ``ALREADY_EXISTS`` unless ``exist_ok``."""

    session_id: str
    config: dict[str, Any] = field(default_factory=dict)
    exist_ok: bool = False


@dataclass(frozen=True, slots=True)
class NewMessage:
    """A message to append with its chunks. ``message.id`` already stored in this session: counted as seen, not added.
    ``attached``: files of the session that come with it, made only if it is added."""

    message: Message
    chunks: tuple[Chunk, ...]
    abstract: str
    attached: tuple[PutFile, ...] = ()


class Append(CommitOp, frozen=True):
    """Append messages in this order, making the session with ``config`` if it is missing. ``due``: the job that follows
    if this made the session one to commit by itself (``rules/retention.due``)."""

    session_id: str
    messages: tuple[NewMessage, ...]
    config: dict[str, Any] = field(default_factory=dict)
    due: NewJob | None = None


class ArchiveMessages(CommitOp, frozen=True):
    """Phase one of a commit: put live messages up to ``last_ordinal`` away into the next archive (none live: skipped)."""

    session_id: str
    last_ordinal: int
    keep_recent_count: int
    task_id: str
    job: NewJob
    task_type: str = "session_commit"


class FinishArchive(CommitOp, frozen=True):
    """Phase two: the archive's tiers and what was extracted; done once, a second time is skipped."""

    session_id: str
    number: int
    tiers: Tiers
    extracted: dict[str, int] = field(default_factory=dict)
    error: str = ""


class ConfigureSession(CommitOp, frozen=True):
    """Replace a session's ``config`` keys by these (None removes a key). ``extracted``: memories to count by type.
    ``expect``: keys that must still have these values (None = must be missing; ``Conflict`` ``ABORTED`` if not), ``archives``:
    how many archives it must have by then (likewise)."""

    session_id: str
    config: dict[str, Any]
    extracted: dict[str, int] = field(default_factory=dict)
    expect: dict[str, Any] = field(default_factory=dict)
    archives: int | None = None


class NoteRecall(CommitOp, frozen=True):
    """Add to a session's recall log what it was given in a turn: (address, detail) each (``rules/recall_log``)."""

    session_id: str
    turn: int
    recalled: tuple[tuple[str, str], ...]


class MarkUsed(CommitOp, frozen=True):
    """Count contexts and skills a session has used; counts persist."""

    session_id: str
    uris: tuple[Uri, ...] = ()
    skills: int = 0


class NewTask(CommitOp, frozen=True):
    """Make a task a user can watch. ``alone``: a ``Conflict`` while one of its type and resource has not ended."""

    id: str
    type: str
    resource_id: str = ""
    meta: dict[str, Any] = field(default_factory=dict)
    alone: bool = False


class UpdateTask(CommitOp, frozen=True):
    """Move a task on; a task that has ended stays as it is."""

    id: str
    status: TaskStatus
    stage: str = ""
    result: dict[str, Any] | None = None
    error: str = ""


class MarkSnapshot(CommitOp, frozen=True):
    """Name a place in the log. ``Conflict`` (``git_ref_cas``) unless its parent still is the branch's newest snapshot."""

    snapshot: Snapshot


class SetIgnore(CommitOp, frozen=True):
    """Set the account's ``.ovgitignore`` ("" = none)."""

    text: str


class RecordUsage(CommitOp, frozen=True):
    """Add calls to a provider to the account's row of that UTC day (``YYYY-MM-DD``). ``refused``: calls not made, since the
    day's budget was used up. ``error``: what was wrong with the last call ("" = nothing)."""

    day: str
    provider: str
    operation: str
    calls: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    refused: int = 0
    error: str = ""


class KeepMade(CommitOp, frozen=True):
    """Keep what a language model made of an input (``key``: see ``rules/generation_cache_key``), so that it is not called again."""

    key: str
    tiers: Tiers


Op = (
    MakeDir | Anchor | PutFile | Remove | Undelete | Move | Copy | SetTags | SetAttributes | SetTiers | SetChunks | PutVectors
    | OpenSession | Append | ArchiveMessages | FinishArchive | ConfigureSession | NoteRecall | MarkUsed
    | NewTask | UpdateTask | MarkSnapshot | SetIgnore | MarkLeaving | DropMember | DropWork | ForgetEntries | RecordUsage | KeepMade
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Commit:
    """Operations in order and the jobs that follow, all in one transaction.

    ``done``: id of the job this commit completes (0 = none): the job leaves the queue in the same transaction; if its
    lease was lost meanwhile nothing is applied (``Conflict`` ``ABORTED``). ``cause`` goes into every log entry.
    """

    ops: tuple[Op, ...] = ()
    jobs: tuple[NewJob, ...] = ()
    done: int = 0
    cause: str = ""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a commit did: ``seq`` of its last log entry and, per operation that has one, its outcome."""

    seq: int
    created: tuple[Uri, ...] = ()
    updated: tuple[Uri, ...] = ()
    unchanged: tuple[Uri, ...] = ()
    removed: int = 0
    stale: int = 0
    nodes: tuple[Node, ...] = ()
    messages_added: int = 0
    messages_seen: int = 0
    session: Session | None = None
    archive: int = 0
    archived_messages: int = 0


COUNTED_MAX = 10_000  # entries of one removal that the writer counts at most
INLINE_BYTES_MAX = 65_536
