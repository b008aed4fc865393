"""Splits a node's text into the chunks of the index."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache
from itertools import islice

from recalld.domain.document import Chunk, Document, Section, Tiers
from recalld.domain.policy import CHUNK_OVERLAP_WORDS, CHUNK_WORDS, FILE_CHUNK_WORDS, WHOLE_FILE_WORDS
from recalld.domain.uri import Uri

from .blocks import blanked, is_base64
from .moments import read_moment
from .noise import is_noise
from .standing import standing_traits
from .tokens import terms
from .transcript_header import ROLES, transcript_header
from .unicode_scripts import CJK, UNSPACED

CHUNKS_MAX = 2_000
"""Per node. A longer text gets longer chunks and is never truncated."""
STRETCHES_MAX = 490
"""Groups of sections that are split separately; each may end with a short chunk."""
WINDOWS_MAX = CHUNKS_MAX - STRETCHES_MAX - 10
PATH_SEGMENTS = 3
"""Number of trailing address segments in the prefix of a file."""
PREFIX_TERMS_MAX = 48

_UNIT = re.compile(rf"[{CJK}{UNSPACED}]{{1,2}}|[^\s{CJK}{UNSPACED}]+")
_UNIT_CHARS_MAX = 64
_ENCODED_CHARS_MIN = 1_024
_ENCODED = re.compile(rf"[A-Za-z0-9+/_-]{{{_ENCODED_CHARS_MIN - 64},}}={{0,2}}")
_STOPS = frozenset(".!?。！？…\n")
_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,5}$")
_GENERIC = frozenset({"readme", "index", "skill", "messages", "resources", "memories", "skills", "user", "sessions"})
_MONTHS = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
]


def chunks_of_message(text: str, speaker: str, at: float, created_at: str = "") -> tuple[Chunk, ...]:
    """Return the chunks of a message. ``speaker``: peer or role; ``at``: epoch seconds; ``created_at``: the client's
    own time stamp, whose date takes precedence over ``at``'s. Every chunk begins with speaker and date ("Ana 8 May
    2023"). An empty message has one chunk: the prefix."""
    size = _size(_count(text, 0), CHUNK_WORDS)
    return _cut(text, 0, len(text), _speaker_terms(speaker, _date_words(at, created_at)), size, _is_personal(speaker))


def chunks_of_file(uri: Uri, document: Document) -> tuple[Chunk, ...]:
    """Return the chunks of a file, split along its sections if it has several. Each begins with path words, title and
    heading. A file with a transcript header is split like a message. Offsets refer to ``indexable`` (or ``text``).

    Path data, tables of digits and minified code are in no chunk; a section of nothing else has a chunk of its prefix."""
    text = document.indexable or document.text
    head = transcript_header(text, uri.name)
    if head is not None:
        prefix = _speaker_terms(head.speaker, "" if head.at is None else _date_words(head.at, head.stamp))
        size = _size(_count(text, head.start), CHUNK_WORDS)
        return _cut(text, head.start, len(text), prefix, size, _is_personal(head.speaker))
    place = terms(" ".join((_path_words(uri), document.title)))
    if _is_short(text):
        stretches, size = [(0, len(text), "")], WHOLE_FILE_WORDS
    else:
        stretches = list(_stretches(text, document.sections)) if not document.indexable else [(0, len(text), "")]
        size = _size(_count(text, 0), FILE_CHUNK_WORDS)
    found: list[Chunk] = []
    for start, end, heading in stretches:
        prefix = _prefix((*place, *terms(heading[:200])))
        found += _of_words(_cut(text, start, end, prefix, size), text, prefix)
    if document.indexable:
        # Offsets do not refer to the node's own text, so each chunk carries its text for the embedder.
        found = [replace(c, text=text[c.start : c.end]) for c in found]
    return tuple(found)


def chunks_of_tiers(uri: Uri, tiers: Tiers) -> tuple[Chunk, ...]:
    """Return the chunks of level 0 (abstract) and level 1 (overview, if any) of a file or directory."""
    place = _prefix(terms(_path_words(uri)))
    found = [Chunk(0, len(tiers.abstract), (*place, *terms(tiers.abstract)), 0)] if tiers.abstract else []
    if tiers.overview:
        found.append(Chunk(0, len(tiers.overview), (*place, *terms(tiers.overview)), 1))
    return tuple(found)


def _is_short(text: str) -> bool:
    """Return True for a text that is one chunk."""
    return sum(1 for _ in islice(_units(text, 0, len(text)), WHOLE_FILE_WORDS + 1)) <= WHOLE_FILE_WORDS


def _count(text: str, start: int) -> int:
    """Count the units of a text. A text with few characters is at most one chunk and is not counted."""
    if len(text) - start <= CHUNK_WORDS * WINDOWS_MAX // 2:
        return len(text) - start
    return sum(1 for _ in _units(text, start, len(text)))


def _size(units: int, words: int) -> int:
    """Return the units per chunk, so that a text has at most ``CHUNKS_MAX`` chunks.

    A window advances by at least 0.55 of its size: a quarter is overlap, and it may end a fifth early, at a sentence.
    Sizes double, so that an append to a long text seldom moves earlier chunk borders.
    """
    while units > 0.55 * WINDOWS_MAX * words:
        words *= 2
    return words


def _is_personal(speaker: str) -> bool:
    """Return True for the user and for people: standing instructions and preferences are theirs."""
    return speaker == "user" or speaker not in ROLES


def _cut(
    text: str, start: int, end: int, prefix: tuple[str, ...], size: int, personal: bool = False
) -> tuple[Chunk, ...]:
    """Windows of about ``size`` units (a word, or two characters of a script without spaces) with overlap. ``personal``:
    chunks have traits."""
    overlap = size * CHUNK_OVERLAP_WORDS // CHUNK_WORDS
    units = list(_units(text, start, end))
    if not units:
        return (Chunk(start, end, prefix),) if prefix else ()
    found: list[Chunk] = []
    first = 0
    while True:
        last = len(units) if len(units) - first <= size else _sentence_end(text, units, first, first + size)
        begin, stop = units[first][0], units[last - 1][1]
        piece = text[begin:stop]
        asks, traits = piece.rstrip().endswith(("?", "？")), standing_traits(piece) if personal else 0
        found.append(Chunk(begin, stop, (*prefix, *terms(blanked(piece))), asks=asks, traits=traits))
        if last == len(units):
            return tuple(found)
        first = max(last - overlap, first + 1)


def _of_words(chunks: tuple[Chunk, ...], text: str, prefix: tuple[str, ...]) -> tuple[Chunk, ...]:
    """Return the chunks without those of noise, but at least one of the prefix."""
    found = tuple(chunk for chunk in chunks if not is_noise(blanked(text[chunk.start : chunk.end])))
    return found or (tuple(Chunk(one.start, one.start, prefix) for one in chunks[:1]) if prefix else ())


def _units(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    for match in _UNIT.finditer(text, start, end):
        begin, stop = match.span()
        if stop - begin >= _ENCODED_CHARS_MIN:
            # Encoded bytes are not words: only their head is indexed.
            yield from _units_around(text, begin, stop)
            continue
        while stop - begin > _UNIT_CHARS_MAX:
            yield begin, begin + _UNIT_CHARS_MAX
            begin += _UNIT_CHARS_MAX
        yield begin, stop


def _units_around(text: str, begin: int, stop: int) -> Iterator[tuple[int, int]]:
    at = begin
    for run in _ENCODED.finditer(text, begin, stop):
        if is_base64(run[0]):
            yield from _pieces(at, min(run.start() + _UNIT_CHARS_MAX, run.end()))
            at = run.end()
    yield from _pieces(at, stop)


def _pieces(begin: int, stop: int) -> Iterator[tuple[int, int]]:
    while begin < stop:
        yield begin, min(begin + _UNIT_CHARS_MAX, stop)
        begin += _UNIT_CHARS_MAX


def _sentence_end(text: str, units: list[tuple[int, int]], first: int, last: int) -> int:
    """Return the last unit in the window's final fifth that ends a sentence or line, else the window's end."""
    for k in range(last, last - (last - first) // 5, -1):
        if text[units[k - 1][1] - 1] in _STOPS or "\n" in text[units[k - 1][1] : units[k][0]]:
            return k
    return last


def _stretches(text: str, sections: tuple[Section, ...]) -> Iterator[tuple[int, int, str]]:
    """Yield sections as (start, end, heading), at most ``STRETCHES_MAX`` + 1; short neighbours are merged."""
    least = CHUNK_WORDS * 4
    while least * STRETCHES_MAX < len(text):
        least *= 2  # in steps, as chunks' sizes
    if len(sections) < 2:
        yield 0, len(text), sections[0].heading if sections else ""
        return
    start = end = 0
    headings: list[str] = []
    for section in sections:
        end = min(end + len(section.text), len(text))
        headings.append(section.heading)
        if end - start >= least:
            yield start, end, " ".join(headings)
            start, headings = end, []
    if start < len(text):
        yield start, len(text), " ".join(headings)


@lru_cache(maxsize=1_024)
def _speaker_terms(speaker: str, date: str) -> tuple[str, ...]:
    return terms(f"{'' if speaker in ROLES else speaker} {date}")


def _date_words(at: float, created_at: str) -> str:
    day = read_moment(created_at) if created_at else None
    if day is None:
        try:
            day = datetime.fromtimestamp(at, UTC)
        except (ValueError, OverflowError, OSError):
            return ""
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"


def _path_words(uri: Uri) -> str:
    parts = list(uri.parts[1:] if uri.parts[:1] != ("user",) else uri.parts[2:])[-PATH_SEGMENTS:]
    if parts:
        parts[-1] = _SUFFIX.sub("", parts[-1])
    return " ".join(p.replace("-", " ") for p in parts if p.casefold() not in _GENERIC)


def _prefix(found: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(found))[:PREFIX_TERMS_MAX]
