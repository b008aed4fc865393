"""Detects the legacy encoding of a text: byte statistics first, then the plausibility of the decoded text."""

from __future__ import annotations

import importlib
import math
import re
import unicodedata
from functools import cache
from typing import Any

SAMPLE_BYTES = 32_768
"""Bytes examined. Detection is linear: about 10 ms for this many."""

# Codec and frequency relative to Windows-1251. Subsets are decoded as their supersets.
_PRIORS = {
    "cp1252": 1.2,
    "cp1251": 1.0,
    "cp1250": 1.0,
    "cp1253": 1.0,
    "cp1255": 1.0,
    "cp1256": 1.0,
    "cp932": 1.0,
    "euc_jp": 1.0,
    "cp949": 1.0,
    "big5hkscs": 1.0,
    "gb18030": 1.0,
    "koi8-r": 0.9,
    "koi8-u": 0.9,
    "cp1254": 0.9,
    "cp874": 0.9,
    "iso8859-7": 0.9,
    "iso8859-2": 0.85,
    "cp866": 0.8,
    "cp1257": 0.7,
    "iso8859-6": 0.7,
    "iso8859-9": 0.7,
    "cp1258": 0.6,
    "iso8859-8": 0.6,
    "iso8859-15": 0.6,
    "iso8859-5": 0.5,
    "mac-roman": 0.45,
    "cp850": 0.45,
    "cp852": 0.4,
    "iso8859-13": 0.4,
    "cp437": 0.35,
    "cp862": 0.2,
}
# The detector's names for them.
_CODECS = {
    "iso-8859-1": "cp1252",
    "windows-1250": "cp1250",
    "windows-1251": "cp1251",
    "windows-1252": "cp1252",
    "windows-1253": "cp1253",
    "windows-1254": "cp1254",
    "windows-1255": "cp1255",
    "windows-1256": "cp1256",
    "windows-1257": "cp1257",
    "windows-1258": "cp1258",
    "ibm866": "cp866",
    "macroman": "mac-roman",
    "iso-8859-2": "iso8859-2",
    "iso-8859-5": "iso8859-5",
    "iso-8859-6": "iso8859-6",
    "iso-8859-7": "iso8859-7",
    "iso-8859-8": "iso8859-8",
    "iso-8859-9": "iso8859-9",
    "iso-8859-13": "iso8859-13",
    "tis-620": "cp874",
    "shift_jis": "cp932",
    "euc-jp": "euc_jp",
    "euc-kr": "cp949",
    "big5": "big5hkscs",
}
# Characters of Windows-1252 that stand alone between ASCII: quotes, dashes, bullets, currency, reference marks.
_TYPOGRAPHY = re.compile(
    rb"(?<![\x80-\xff])[\x80\x82\x84-\x89\x8b\x91-\x97\x99\x9b\xa0\xa3\xa7\xa9\xab\xae\xb0\xb1\xb4\xb7\xbb-\xbe](?![\x80-\xff])"
)
_HIGH = re.compile(rb"[\x80-\xff]")
_WORD = re.compile(r"[^\W\d_]+")
_GLUED = re.compile(r"(?<=\w)[^\w\s'’\-–—.,;:!?/()\[\]\"“”„«»‘…。、，：；？！（）「」・·_@&+*=<>|~€%](?=\w)")
_AFTER_LETTER = re.compile(r"(?<=[^\W\d_])[±¶µ¦¤¨´¸ˇ˘˛]")
_ODD_SIGNS = frozenset("¤¦¬¨¯¸¹³²¼½¾¿ªº÷×¡¢¥µ¶§")
_SCRIPTS = ((0x24F, "latin"), (0x3FF, "greek"), (0x52F, "cyrillic"), (0x5FF, "hebrew"), (0x6FF, "arabic"))
# First bytes of common characters; the rest of each table is rare.
_COMMON = {
    "gb18030": (0xB0, 0xD7),
    "big5hkscs": (0xA4, 0xC6),
    "cp932": (0x88, 0x97),
    "euc_jp": (0xB0, 0xCF),
    "cp949": (0xB0, 0xC8),
}


def legacy_codec(data: bytes) -> str:
    """Return the codec of bytes that are not UTF-8, one that decodes the whole sample; "" if none is likely."""
    sample = sample_of(data)
    if _is_typography(sample):
        return "cp1252"
    best, found = 0.0, ""
    no_c1 = _C1.search(sample) is None
    for codec, confidence in _candidates(sample):
        text = _read(sample, codec)
        if text is None:
            continue
        # Texts of both look alike; Windows-1250 puts half its accents below 0xA0, ISO 8859-2 none.
        prior = _PRIORS["cp1250"] * 1.05 if codec == "iso8859-2" and no_c1 else _PRIORS[codec]
        score = (confidence + 0.002) * prior * math.exp(-4.0 * oddness(text) - 2.0 * rareness(text, codec))
        if score > best:
            best, found = score, codec
    return found


_C1 = re.compile(rb"[\x80-\x9f]")


def sample_of(data: bytes) -> bytes:
    """Return the lines that are not ASCII, up to ``SAMPLE_BYTES``: ASCII lines carry no information."""
    if len(data) <= SAMPLE_BYTES:
        return data
    held: list[bytes] = []
    size = at = 0
    while size < SAMPLE_BYTES:
        high = _HIGH.search(data, at)
        if high is None:
            break
        # No multi-byte encoding uses a line feed as a second byte, so a line can be cut out.
        start = max(data.rfind(b"\n", 0, high.start()) + 1, at, high.start() - SAMPLE_BYTES)
        end = data.find(b"\n", high.start())
        at = min(len(data) if end < 0 else end + 1, start + SAMPLE_BYTES)
        held.append(data[start:at])
        size += at - start
    return b"".join(held)


def oddness(text: str) -> float:
    """Return how implausible a decoded text is: odd characters and mixed words per foreign character, 0 = plausible."""
    foreign = [c for c in text if c > "\x7f"]
    if not foreign:
        return 0.0
    odd = sum(_odd_sign(c) for c in foreign)
    odd += sum(_odd_word(word) for word in _WORD.findall(text) if not word.isascii())
    odd += 0.7 * (len(_GLUED.findall(text)) + len(_AFTER_LETTER.findall(text)))
    return odd / len(foreign)


def _odd_sign(character: str) -> float:
    code, category = ord(character), unicodedata.category(character)
    if category in {"Cc", "Cn", "Co"}:
        return 2.0
    if 0x2500 <= code <= 0x259F or 0x2320 <= code <= 0x2321:
        return 1.0
    if character in _ODD_SIGNS:
        return 0.5
    if 0xFF61 <= code <= 0xFF9F:
        return 0.35
    return 0.7 if category[0] == "L" and _script(character) == "other" else 0.0


def _odd_word(word: str) -> float:
    odd = 0.0
    scripts = [_script(c) for c in word]
    shouted = word.isupper()
    for i in range(1, len(word)):
        before, here = word[i - 1], word[i]
        if (
            scripts[i] != scripts[i - 1]
            and "wide" not in (scripts[i], scripts[i - 1])
            or before.islower()
            and here.isupper()
        ):
            odd += 1.0
        elif not shouted and before.isupper() and here.isupper() and not (before + here).isascii():
            odd += 0.5
    return odd


def _script(character: str) -> str:
    code = ord(character)
    for last, name in _SCRIPTS:
        if code <= last:
            return name
    if 0xE00 <= code <= 0xE7F:
        return "thai"
    return "wide" if code >= 0x2E80 else "other"


def rareness(text: str, codec: str) -> float:
    """Return the share of rare characters among wide ones: bytes of another language hit the whole table uniformly."""
    if codec not in _COMMON:
        return 0.0
    low, high = _COMMON[codec]
    wide = [c for c in text if ord(c) >= 0x2E80]
    common = 0
    for character in wide:
        if "\u3000" <= character <= "\u30ff" or "\uff00" <= character <= "\uff5e":
            common += 1
            continue
        spelled = character.encode(codec, "replace")
        common += len(spelled) == 2 and low <= spelled[0] <= high
    return 1.0 - common / len(wide) if wide else 0.0


def _is_typography(sample: bytes) -> bool:
    alone = len(_TYPOGRAPHY.findall(sample))
    return alone > 0 and alone == len(_HIGH.findall(sample))


def _read(sample: bytes, codec: str) -> str | None:
    try:
        return sample.decode(codec)
    except UnicodeDecodeError as bad:
        # A sample may end within a character.
        if len(sample) < SAMPLE_BYTES or bad.start < len(sample) - 4:
            return None
        return sample[: bad.start].decode(codec, "replace")


def confidences(sample: bytes) -> dict[str, float]:
    """Return the confidence of the byte statistics in each codec they report."""
    return dict(_candidates(sample))


def _candidates(sample: bytes) -> list[tuple[str, float]]:
    found: dict[str, float] = {}
    for guess in _detector().detect_all(sample, ignore_threshold=True):
        name = str(guess["encoding"] or "").lower()
        codec = _CODECS.get(name, name)
        if codec in _PRIORS:
            found[codec] = max(found.get(codec, 0.0), float(guess["confidence"]))
    return list(found.items())


@cache
def _detector() -> Any:
    """chardet, loaded by the first text that is not UTF-8: its models take 40 ms and 40 MB."""
    return importlib.import_module("chardet")
