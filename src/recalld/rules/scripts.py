"""Which scripts are written without spaces, and which marks belong to a letter."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

CJK = "\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uac00-\ud7af\U00020000-\U0003ffff"
"""Han, kana and Hangul, as the inside of a character class."""
UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"
"""Thai, Lao, Myanmar and Khmer."""
MARKS = (
    "\u0300-\u036f\u0483-\u0487\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06ed\u0711\u0730-\u074a"
    "\u0900-\u0dff\u0f00-\u0fff\u20d0-\u20f0"
)
"""Marks that stand inside words, and the Indic and Tibetan blocks whose vowel signs are marks."""
_POINTS = (("\u0300", "\u036f"), ("\u0483", "\u0487"), ("\u0591", "\u06ed"), ("\u0711", "\u074a"), ("\u20d0", "\u20f0"))
_LATIN_END = "\u0250"


@lru_cache(maxsize=8_192)
def letters_of(character: str) -> str:
    """A character as index terms spell it: letters and digits that every full-text index keeps as such.

    Latin letters lose their accents, Arabic and Hebrew their points; vowel signs that make other words (Indic, Thai) and
    letters younger than the index's own table become ``x`` + hex. Anything else is "".
    """
    if character.isascii():
        return character if character.isalnum() else ""
    category = unicodedata.category(character)
    if category[0] == "M":
        pointed = any(first <= character <= last for first, last in _POINTS)
        return "" if pointed else f"x{ord(character):x}"
    if category[0] not in "LN":
        return ""
    base = unicodedata.normalize("NFD", character)[0]
    if base < _LATIN_END:
        return base.lower() if base.isalnum() else ""
    if unicodedata.ucd_3_2_0.category(character)[0] not in "LN":
        return f"x{ord(character):x}"
    return character
