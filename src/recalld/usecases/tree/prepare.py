"""What a write prepares outside its transaction, and the jobs that follow it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace

from recalld.domain.commit import INLINE_BYTES_MAX, PutFile, WriteMode
from recalld.domain.document import Chunk, Document, Tiers
from recalld.domain.errors import Invalid
from recalld.domain.job import EmbedPayload, Lane, NewJob, ReparsePayload, TiersPayload
from recalld.domain.node import ContextType
from recalld.domain.policy import INLINE_INDEX_CHARS_MAX
from recalld.domain.uri import Uri
from recalld.ports.bundle import Ports
from recalld.rules.address import context_type
from recalld.rules.chunks import chunks_of_file
from recalld.rules.encoding import decode
from recalld.rules.media import HEAD_BYTES, is_binary, media_type
from recalld.rules.memory_footer import strip
from recalld.rules.titles import name_in_folder
from recalld.rules.transcript_header import transcript_header

HEAD_CHARS = 4_096
"""Characters of a long file in which a transcript header may be."""
PARSE_INLINE_BYTES_MAX = 32_768
"""Parsers may hold the GIL for a whole call: larger files are chunked as plain text now and parsed by the worker."""


@dataclass(frozen=True, slots=True)
class PreparedFile:
    """A file ready to be stored. ``chunks`` None: too long to index now. ``parsed``: the worker has nothing to add."""

    hash: str
    media: str
    document: Document | None
    chunks: tuple[Chunk, ...] | None
    parsed: bool


async def prepare(uri: Uri, data: bytes, ports: Ports) -> PreparedFile:
    """Parse and chunk a file that a caller writes."""
    return await ports.compute.run(_prepare, uri, data, ports)


def _prepare(uri: Uri, data: bytes, ports: Ports) -> PreparedFile:
    digest = hashlib.sha256(data).hexdigest()
    media = media_type(uri.name, data[:4096])
    if len(data) > INLINE_INDEX_CHARS_MAX:
        return PreparedFile(digest, media, None, None, parsed=False)
    if len(data) <= PARSE_INLINE_BYTES_MAX or is_binary(data[:HEAD_BYTES]):
        # Binary files are described, not parsed, at any size.
        document, parsed = parse(uri, data, ports), True
    else:
        document, parsed = Document(media, decode(data).text), False
    return PreparedFile(digest, media, document, chunks_of_file(uri, document), parsed)


def parse(uri: Uri, data: bytes, ports: Ports) -> Document:
    """Parse a file; a memory's footer is neither summarised nor indexed."""
    if context_type(uri) is ContextType.MEMORY:
        data = strip(data.decode("utf-8", "replace")).encode()
    return ports.parser.parse(uri.name, data)


async def inline(data: bytes, ports: Ports) -> bytes | None:
    """Return bytes that are small enough for the ledger; longer ones are made durable in the blob store, and None returned."""
    if len(data) <= INLINE_BYTES_MAX:
        return data
    await ports.blobs.put(data)
    return None


async def put_file(
    uri: Uri,
    data: bytes,
    prepared: PreparedFile,
    ports: Ports,
    *,
    mode: WriteMode,
    expect: str = "",
    tags: tuple[str, ...] | None = None,
    stored: bool = False,
) -> PutFile:
    """Return the operation that stores it; bytes too large for the database become durable in the blob store first,
    unless ``stored``."""
    head = transcript_header(prepared.document.text, uri.name) if prepared.document is not None else None
    return PutFile(
        uri,
        mode,
        prepared.hash,
        len(data),
        prepared.media,
        data=None if stored else await inline(data, ports),
        chunks=prepared.chunks,
        tiers=await tiers_of(uri, prepared, ports),
        tags=tags,
        expect=expect,
        event_at=head.at if head is not None else None,
        speaker=head.speaker if head is not None else "",
    )


async def append_file(uri: Uri, old: bytes, more: bytes, ports: Ports) -> PutFile:
    """Return the operation that appends ``more`` to a file whose bytes must still be ``old``."""
    seen, prepared, is_tail = await ports.compute.run(_prepare_append, uri, old, more, ports)
    put = await put_file(uri, more, prepared, ports, mode=WriteMode.REPLACE, expect=seen, stored=True)
    return put.replace(size=len(old) + len(more), appended=more, tail=is_tail)


def _prepare_append(uri: Uri, old: bytes, more: bytes, ports: Ports) -> tuple[str, PreparedFile, bool]:
    """Return the hash of ``old``, the resulting file, and whether its chunks are those of ``more`` alone: a long file
    is chunked as a whole by a job, and until then the appended text follows the indexed one."""
    seen, whole = hashlib.sha256(old).hexdigest(), old + more
    if len(whole) <= PARSE_INLINE_BYTES_MAX or context_type(uri) is ContextType.MEMORY:
        return seen, _prepare(uri, whole, ports), False
    before, added = _plain(old), _plain(more)
    if before is None or added is None:
        return seen, _prepare(uri, whole, ports), False
    media = media_type(uri.name, whole[:4096])
    chunks = tuple(
        replace(c, start=c.start + len(before), end=c.end + len(before))
        for c in chunks_of_file(uri, Document(media, added))
    )
    head = Document(media, before[:HEAD_CHARS])
    return seen, PreparedFile(hashlib.sha256(whole).hexdigest(), media, head, chunks, parsed=False), True


def _plain(data: bytes) -> str | None:
    """Return text whose characters do not change when more follows; None for anything but UTF-8, and for binary
    data."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return None if "\x00" in text else text.removeprefix("\ufeff")


async def tiers_of(uri: Uri, prepared: PreparedFile, ports: Ports) -> Tiers | None:
    """Return L0 and L1 if the document was parsed, else None: the worker will generate them."""
    if prepared.document is None or not prepared.parsed:
        return None
    return await ports.model.tiers_of_document(name_in_folder(uri), prepared.document)


def text_of(data: bytes, uri: Uri) -> str:
    """Return a file's text for readers. Raises ``Invalid`` for anything but text."""
    if b"\x00" in data[:HEAD_BYTES] and is_binary(data[:HEAD_BYTES]):
        raise Invalid(f"{uri} is not text", remedy="download it instead", details={"uri": str(uri)})
    return decode(data).text


EMBED = EmbedPayload().job()
FOLLOW_UP_JOBS = (TiersPayload().job(delay_s=0.2), EMBED)
"""Refresh the tiers above it, embed new chunks. Merged by key."""


def jobs_after(puts: Iterable[PutFile]) -> tuple[NewJob, ...]:
    """Return the follow-up jobs of these writes: a file that is not parsed yet gets a job that parses it."""
    return (*(reparse_job(p.uri) for p in puts if p.chunks is None or p.tiers is None), *FOLLOW_UP_JOBS)


def reparse_job(uri: Uri, lane: Lane = Lane.INTERACTIVE, *, quiet: bool = False) -> NewJob:
    """Return the job that parses a stored file; a pending one is merged. ``quiet``: its directory's tiers are not refreshed."""
    return ReparsePayload(str(uri), quiet).job(f"shape:{uri}", lane=lane)
