"""Names in the tree: made from titles and file names, always legal, never twice."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Container

from recalld.domain.uri import SEGMENT_BYTES_MAX

NAME_CHARS_MAX = 50
_FOREIGN = re.compile(r"[^\w.\-]+")
_RUNS = re.compile(r"_{2,}")
# What an address cannot carry: controls, invisible and bidirectional marks, lone surrogates, separators, "?".
_ILLEGAL = re.compile("[\x00-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff/\\\\?]")
_DRIVE = re.compile(r"([A-Za-z]):")


def segment(text: str) -> str:
    """A name made from any words: letters, digits, ``-`` and ``.`` of every script stay, runs of anything else become
    one ``_``; at most 50 characters; ``unnamed`` if nothing is left."""
    composed = unicodedata.normalize("NFC", text[: NAME_CHARS_MAX * 8])
    clean = _RUNS.sub("_", _FOREIGN.sub("_", composed)).strip("_.")
    return clean[:NAME_CHARS_MAX].strip("_.") or "unnamed"


def legal(name: str) -> str:
    """A file's own name, composed (NFC) and changed only where an address could not carry it; idempotent."""
    name = unicodedata.normalize("NFC", name)
    clean = _DRIVE.sub(r"\1_", _ILLEGAL.sub("_", name), count=1) if _DRIVE.match(name) else _ILLEGAL.sub("_", name)
    clean = clean if clean.strip(".") else clean.replace(".", "_")
    return shorten(clean or "unnamed")


def legal_path(path: str) -> str:
    """``legal`` for every part of a relative path; empty parts vanish."""
    return "/".join(legal(part) for part in path.split("/") if part)


def shorten(name: str, bytes_max: int = SEGMENT_BYTES_MAX) -> str:
    """Names up to ``bytes_max`` (>= 16) UTF-8 bytes stay; longer ones are cut and marked ``_<8 hex of sha256>``, the
    ending kept when it is short. Two different long names stay different."""
    raw = name.encode("utf-8", "replace")
    if len(raw) <= bytes_max:
        return name
    mark = "_" + hashlib.sha256(raw).hexdigest()[:8]
    stem, dot, ending = name.rpartition(".")
    extension = f".{ending}" if dot and stem and len(ending.encode("utf-8", "replace")) <= 6 else ""
    stem_bytes_max = bytes_max - len(mark) - len(extension.encode("utf-8", "replace"))
    return raw[:stem_bytes_max].decode("utf-8", "ignore") + mark + extension


def stem(name: str) -> str:
    """A file name without its ending: the directory a document becomes (``guide.md`` -> ``guide``)."""
    before, dot, _ = name.rpartition(".")
    return before if dot and before.strip(".") else name


def unique(name: str, taken: Container[str], ending: str = "") -> str:
    """``name + ending``, or with ``_1``, ``_2`` ... before ``ending`` when that is taken."""
    candidate = name + ending
    count = 0
    while candidate in taken:
        count += 1
        candidate = f"{name}_{count}{ending}"
    return candidate
