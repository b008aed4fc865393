"""One file of a pack as a commit operation, and its follow-up job."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from recalld.domain.commit import PutFile, WriteMode
from recalld.domain.document import Tiers
from recalld.domain.job import Lane, NewJob
from recalld.domain.pack import PackRecord
from recalld.domain.uri import Uri
from recalld.ports.bundle import Ports
from recalld.rules.address import session_of
from recalld.rules.encoding import decode
from recalld.rules.media import HEAD_BYTES, is_binary, media_type
from recalld.rules.pack_format import is_private
from recalld.rules.transcript_header import transcript_header
from recalld.usecases.tree.prepare import PARSE_INLINE_BYTES_MAX, PreparedFile, prepare, put_file, reparse_job

NO_RECORD = PackRecord("", 2)


@dataclass(frozen=True, slots=True)
class PackedFile:
    """A file with its record in the pack. ``at_once``: indexed in the commit that stores it, not by the worker;
    ``quiet``: the pack has its directory's tiers."""

    uri: Uri
    data: bytes
    hash: str
    record: PackRecord | None
    source: dict[str, Any]
    at_once: bool
    quiet: bool


async def put_of(file: PackedFile, ports: Ports) -> PutFile:
    """Return the operation that stores a file."""
    uri, data = file.uri, file.data
    record = file.record or NO_RECORD
    media = media_type(uri.name, data[:HEAD_BYTES])
    if is_unindexed(uri):
        whole = PreparedFile(file.hash, media, None, (), parsed=True)
        put = await put_file(uri, data, whole, ports, mode=WriteMode.UPSERT)
        return put.replace(source=file.source, tiers=Tiers("") if is_private(uri) else None)
    if file.at_once and (len(data) <= PARSE_INLINE_BYTES_MAX or not is_binary(data[:HEAD_BYTES])):
        prepared = await prepare(uri, data, ports)
    else:
        prepared = PreparedFile(file.hash, media, None, None, parsed=False)
    put = await put_file(
        uri,
        data,
        prepared,
        ports,
        mode=WriteMode.UPSERT,
        tags=record.tags if file.record is not None else None,
    )
    at, speaker = (
        (put.event_at, put.speaker)
        if prepared.document is not None
        else await ports.compute.run(_event_of, data, uri.name)
    )
    updated_at = record.updated_at or None
    return put.replace(source=file.source, event_at=updated_at if at is None else at, speaker=speaker)


def is_unindexed(uri: Uri) -> bool:
    """True for a session's tool outputs, which are found through their message, and for private values, which are never
    found."""
    return bool(session_of(uri)) or is_private(uri)


def _event_of(data: bytes, name: str) -> tuple[float | None, str]:
    """Return time and speaker of a file with a transcript header."""
    if len(data) > PARSE_INLINE_BYTES_MAX or is_binary(data[:HEAD_BYTES]):
        return None, ""
    head = transcript_header(decode(data).text, name)
    return (None, "") if head is None else (head.at, head.speaker)


def job_after(put: PutFile, *, quiet: bool) -> NewJob | None:
    """Return the worker's remaining job for a file."""
    if is_unindexed(put.uri) or (put.chunks is not None and put.tiers is not None):
        return None
    return reparse_job(put.uri, Lane.BULK, quiet=quiet)
