"""The encoding of the file names in an archive, detected over all names together: a single name is too short."""

from __future__ import annotations

import math
from collections.abc import Sequence

from .legacy import confidences, oddness, rareness

SAMPLE_BYTES = 32_768
# Code pages that archivers use instead of UTF-8 (console or Windows code pages), with their relative frequency. ``gb18030`` is a
# superset of GBK.
_PRIORS = {
    "cp437": 1.0,
    "gb18030": 1.0,
    "cp932": 1.0,
    "cp949": 1.0,
    "cp866": 1.0,
    "big5hkscs": 0.9,
    "cp850": 0.8,
    "cp852": 0.6,
    "cp1251": 0.6,
    "cp1252": 0.5,
    "euc_jp": 0.4,
    "koi8-r": 0.3,
    "cp737": 0.4,
    "cp857": 0.3,
    "cp862": 0.3,
    "cp1250": 0.3,
}
_UNKNOWN = 0.08
"""Score of a codec that the byte statistics do not report, since names are short."""


def names_codec(names: Sequence[bytes]) -> str:
    """Return the codec of raw names without a UTF-8 flag: UTF-8 if all are valid UTF-8, else the most plausible codec
    that decodes all of them, else ``cp437``."""
    foreign = [name for name in names if not name.isascii()]
    if all(_reads(name, "utf-8") for name in foreign):
        return "utf-8"
    sample = (
        b"\n".join(foreign)[:SAMPLE_BYTES].rpartition(b"\n")[0]
        if sum(len(name) + 1 for name in foreign) > SAMPLE_BYTES
        else b"\n".join(foreign)
    )
    known = confidences(sample)
    best, found = 0.0, "cp437"
    for codec, prior in _PRIORS.items():
        if not all(_reads(name, codec) for name in foreign):
            continue
        text = sample.decode(codec, "replace")
        score = (
            prior * (known.get(codec, 0.0) + _UNKNOWN) * math.exp(-4.0 * oddness(text) - 3.0 * rareness(text, codec))
        )
        if score > best:
            best, found = score, codec
    return found


def _reads(name: bytes, codec: str) -> bool:
    try:
        name.decode(codec)
    except UnicodeDecodeError:
        return False
    return True
