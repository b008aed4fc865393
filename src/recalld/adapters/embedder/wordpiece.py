"""WordPiece as in uncased BERT models: clean, split, lower and strip accents, then the longest known pieces of each word.

The same ids as the library tokenizers (decision 0013; ``scripts/tokenizer_ids.py``).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from itertools import chain

WORDS_CACHED = 8_192
WORD_CHARS_MAX = 100
SPECIAL = ("[UNK]", "[SEP]", "[PAD]", "[CLS]", "[MASK]")
# The library begins extension E at 2B920, not 2B820.
CJK = (
    r"\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002a6df\U0002a700-\U0002b73f\U0002b740-\U0002b81f"
    r"\U0002b920-\U0002ceaf\U0002f800-\U0002fa1f"
)
SPACES = r"\t\n\r \xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
# A CJK character is a word of its own. Punctuation is split off later, so that a word with its comma is one look-up.
WORD = re.compile(f"[{CJK}]|[^{CJK}{SPACES}]+")


class WordPiece:
    """``words``: the vocabulary, in the order of ids; pieces that continue a word begin with ``##``.
    ``tokens_max``: of one text, with [CLS] and [SEP]; further ones are cut."""

    def __init__(self, words: Sequence[str], tokens_max: int) -> None:
        self._ids = {word: k for k, word in enumerate(words)}
        self._special = {token: (self._ids[token],) for token in SPECIAL}
        self._split = re.compile("(" + "|".join(map(re.escape, SPECIAL)) + ")").split
        self._tokens_max = tokens_max
        self._word = lru_cache(WORDS_CACHED)(self._encode_word)

    def encode(self, text: str) -> list[int]:
        """Return [CLS], token ids, [SEP]."""
        ids = [self._ids["[CLS]"]]
        for part in self._split(text):
            ids += self._special.get(part) or chain.from_iterable(map(self._word, WORD.findall(part)))
            if len(ids) >= self._tokens_max:
                break
        return [*ids[: self._tokens_max - 1], self._ids["[SEP]"]]

    def _encode_word(self, word: str) -> tuple[int, ...]:
        pieces: list[int] = []
        for part in _split_punctuation(_normalized(word)):
            pieces += self._pieces(part)
        return tuple(pieces)

    def _pieces(self, word: str) -> list[int]:
        """Greedy longest match, as in BERT's reference implementation."""
        unknown = [*self._special["[UNK]"]]
        if len(word) > WORD_CHARS_MAX:
            return unknown
        pieces: list[int] = []
        start, prefix = 0, ""
        while start < len(word):
            for end in range(len(word), start, -1):
                if (piece := self._ids.get(prefix + word[start:end])) is not None:
                    break
            else:
                return unknown
            pieces.append(piece)
            start, prefix = end, "##"
        return pieces


def _normalized(word: str) -> str:
    """Drop control characters and accents, and lower each character by itself."""
    if word.isascii() and word.isprintable():
        return word.lower()
    clean = "".join(char for char in word if not _is_control(char))
    marked = unicodedata.normalize("NFD", clean)
    return "".join(char.lower() for char in marked if unicodedata.category(char) != "Mn")


def _is_control(char: str) -> bool:
    return char == "\ufffd" or unicodedata.category(char) in {"Cc", "Cf", "Co"}


def _split_punctuation(word: str) -> list[str]:
    """Cut before and after each punctuation character."""
    if word.isalnum():
        return [word]
    parts: list[str] = []
    inside = False
    for char in word:
        if _is_punctuation(char):
            parts.append(char)
            inside = False
        elif inside:
            parts[-1] += char
        else:
            parts.append(char)
            inside = True
    return parts


def _is_punctuation(char: str) -> bool:
    return unicodedata.category(char).startswith("P") or (char.isascii() and char in "$+<=>^`|~")
