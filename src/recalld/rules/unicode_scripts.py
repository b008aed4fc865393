"""Scripts written without spaces, combining marks, and the spelling of letters in index terms."""

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
_GREEK = ("\u0370", "\u03ff")


# Letters that people spell plainly and Unicode does not decompose.
_PLAIN = {
    **dict(zip("łøđħŧıɨĸŋſƀƃɓɖɗƒɠƙɫɲƴƶʐ", "lodhtiiknsbbbddfgklnyzz", strict=True)),
    "ð": "d",
    "þ": "th",
    "ß": "ss",
    "æ": "ae",
    "œ": "oe",
    "ə": "e",
    "ё": "е",
    # Greek sigma and Hebrew letters at a word's end.
    "ς": "σ",
    **dict(zip("\u05da\u05dd\u05df\u05e3\u05e5", "\u05db\u05de\u05e0\u05e4\u05e6", strict=True)),
    # Arabic with and without hamza, and the same letters as Persian and Urdu write them; tatweel is no letter.
    **dict.fromkeys("\u0622\u0623\u0625\u0671\u0672\u0673", "\u0627"),
    **dict.fromkeys("\u0626\u0649\u06cc\u06d0\u06d2", "\u064a"),
    **dict.fromkeys("\u06a9\u06aa", "\u0643"),
    **dict.fromkeys("\u0629\u06be\u06c0\u06c1\u06d5", "\u0647"),
    "\u0624": "\u0648",
    "\u0640": "",
}


@lru_cache(maxsize=8_192)
def letters_of(character: str) -> str:
    """Return a character as spelled in index terms: letters and digits that every full-text index accepts.

    Latin and Greek letters lose accents and strokes, Arabic and Hebrew letters their points and forms, digits of any
    script become 0 to 9. Vowel signs that distinguish words (Indic, Thai) and letters unknown to the index become ``x``
    + hex. Anything else is "".
    """
    if character.isascii():
        return character if character.isalnum() else ""
    if character in _PLAIN:
        return _PLAIN[character]
    if unicodedata.category(character) == "Nd":
        return str(unicodedata.decimal(character))
    former = former_letters_of(character)
    if former in _PLAIN:
        return _PLAIN[former]
    base = unicodedata.normalize("NFD", character)[0]
    return base if former and _GREEK[0] <= base <= _GREEK[1] else former


@lru_cache(maxsize=8_192)
def former_letters_of(character: str) -> str:
    """Return a character as spelled in older index terms, from before more than accents were folded."""
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
