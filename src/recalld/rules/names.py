"""Names in the tree, derived from titles and file names: always legal, never duplicate."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Container

from recalld.domain.uri import SEGMENT_BYTES_MAX

NAME_CHARS_MAX = 50
_FOREIGN = re.compile(r"[^\w.\-]+")
_RUNS = re.compile(r"_{2,}")
# Characters that an address cannot contain: controls, invisible and bidirectional marks, lone surrogates, separators, "?".
_ILLEGAL = re.compile("[\x00-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff/\\\\?]")
_DRIVE = re.compile(r"([A-Za-z]):")


def segment(text: str) -> str:
    """Return a name derived from any text: letters, digits, ``-`` and ``.`` of every script stay, runs of other
    characters become one ``_``; at most 50 characters; ``unnamed`` if nothing is left."""
    composed = unicodedata.normalize("NFC", text[: NAME_CHARS_MAX * 8])
    return _RUNS.sub("_", _FOREIGN.sub("_", composed)).strip("_.")[:NAME_CHARS_MAX].strip("_.") or "unnamed"


def legal(name: str) -> str:
    """Return a file name in NFC, changed only where an address cannot contain it; idempotent."""
    name = unicodedata.normalize("NFC", name)
    clean = _DRIVE.sub(r"\1_", _ILLEGAL.sub("_", name), count=1) if _DRIVE.match(name) else _ILLEGAL.sub("_", name)
    clean = clean if clean.strip(".") else clean.replace(".", "_")
    return shorten(clean or "unnamed")


def legal_path(path: str) -> str:
    """Apply ``legal`` to every part of a relative path; empty parts are dropped."""
    return "/".join(legal(part) for part in path.split("/") if part)


def shorten(name: str, bytes_max: int = SEGMENT_BYTES_MAX) -> str:
    """Return names up to ``bytes_max`` (>= 16) UTF-8 bytes unchanged; truncate longer ones and append ``_<8 hex of
    sha256>`` before a short suffix. Different names stay different."""
    raw = name.encode("utf-8", "replace")
    if len(raw) <= bytes_max:
        return name
    mark = "_" + hashlib.sha256(raw).hexdigest()[:8]
    stem, dot, ending = name.rpartition(".")
    extension = f".{ending}" if dot and stem and len(ending.encode("utf-8", "replace")) <= 6 else ""
    stem_bytes_max = bytes_max - len(mark) - len(extension.encode("utf-8", "replace"))
    return raw[:stem_bytes_max].decode("utf-8", "ignore") + mark + extension


def stem(name: str) -> str:
    """Return a file name without its suffix: the directory that a document becomes (``guide.md`` -> ``guide``)."""
    before, dot, _ = name.rpartition(".")
    return before if dot and before.strip(".") else name


def unique(name: str, taken: Container[str], ending: str = "") -> str:
    """Return ``name + ending``, or with ``_1``, ``_2`` ... before ``ending`` if that is taken."""
    candidate = name + ending
    count = 0
    while candidate in taken:
        count += 1
        candidate = f"{name}_{count}{ending}"
    return candidate
