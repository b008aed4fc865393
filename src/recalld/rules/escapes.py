"""Resolves escapes of data formats to characters: exports often escape every letter beyond ASCII."""

from __future__ import annotations

import re

from .media import suffix_of

_JSON = re.compile(
    r'\\(?:u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|(["\\/bfnrt]))'
)
_UNICODE = re.compile(
    r"\\(?:u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|\\)"
)
_SHORT = {"b": " ", "f": " ", "n": "\n", "r": "\n", "t": "\t"}
_ESCAPED = frozenset(
    {".json", ".jsonc", ".geojson", ".ipynb", ".jsonl", ".ndjson", ".yaml", ".yml", ".toml", ".properties"}
)


def may_hold_escapes(name: str) -> bool:
    """True for files of formats that escape characters by their code."""
    return suffix_of(name) in _ESCAPED


def json_unescaped(text: str) -> str:
    """Return JSON source with the escapes of its strings resolved; structure and keys stay. Linear and total."""
    return _JSON.sub(_json_character, text) if "\\" in text else text


def unicode_unescaped(text: str) -> str:
    r"""Return the text with ``\\u00e9`` and ``\\U0001f600`` resolved and no other escape; the number of lines stays."""
    return _UNICODE.sub(_character, text) if "\\u" in text or "\\U" in text else text


def _json_character(found: re.Match[str]) -> str:
    if found[4]:
        return _SHORT.get(found[4], found[4])
    return _of_codes(found[1], found[2], found[3])


def _character(found: re.Match[str]) -> str:
    if found[4]:
        code = int(found[4], 16)
        return _shown(code) if code <= 0x10FFFF else found[0]
    return _of_codes(found[1], found[2], found[3]) if found[1] or found[3] else found[0]


def _of_codes(high: str | None, low: str | None, plain: str | None) -> str:
    if high and low:
        return chr(0x10000 + ((int(high, 16) - 0xD800) << 10) + int(low, 16) - 0xDC00)
    return _shown(int(plain or "0", 16))


def _shown(code: int) -> str:
    if 0xD800 <= code <= 0xDFFF:
        return "\ufffd"
    return " " if code < 0x20 else chr(code)
