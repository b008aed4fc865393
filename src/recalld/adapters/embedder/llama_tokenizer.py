"""Byte pair encoding as in a Llama 2 ``tokenizer.json``: no pre-tokenizer, and bytes for characters outside the vocabulary.

The same ids as the library tokenizers (decision 0013; ``scripts/tokenizer_ids.py``).
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from heapq import heapify, heappop, heappush
from itertools import chain
from pathlib import Path

SPACE = "\u2581"
WORDS_CACHED = 8_192
LETTERS = r"A-Za-z\u00c0-\u1fff\u2c00-\U0010ffff"
# No token has a letter of these beside another character, a digit beside anything, or a space after anything but a space.
# Words end there, so that each is merged once and then comes from the cache.
WORD = re.compile(rf"▁*[{LETTERS}]+|[0-9]|▁*[^0-9{LETTERS}▁]+|▁+")
SPACES_LAST = 1 << 20


class LlamaTokenizer:
    """``vocabulary``: token to id. ``special``: tokens that are matched in the raw text. ``tokens_max``: further ones are cut."""

    def __init__(self, vocabulary: dict[str, int], special: list[str], tokens_max: int) -> None:
        self._ids = vocabulary
        self._special = {token: (vocabulary[token],) for token in special}
        self._tokens_max = tokens_max
        self._split = re.compile("(" + "|".join(map(re.escape, special)) + ")").split
        # Characters that stand beside each other in no token are never merged.
        self._pairs = frozenset(token[k : k + 2] for token in vocabulary for k in range(len(token) - 1))
        self._word = lru_cache(WORDS_CACHED)(self._encode_word)

    @classmethod
    def load(cls, path: Path, tokens_max: int) -> LlamaTokenizer:
        """Read a ``tokenizer.json``. Its merges are not needed: they are all pairs of tokens that make a token, in the order
        of that token's id, of the left one's id, and runs of spaces last."""
        content = json.loads(path.read_bytes())
        return cls(content["model"]["vocab"], [token["content"] for token in content["added_tokens"]], tokens_max)

    def encode(self, text: str) -> list[int]:
        """Return token ids, without one for the beginning of the text."""
        ids: list[int] = []
        for part in self._split(text):
            if part in self._special:
                ids += self._special[part]
            elif part:
                ids += chain.from_iterable(map(self._word, WORD.findall(SPACE + part.replace(" ", SPACE))))
            if len(ids) >= self._tokens_max:
                return ids[: self._tokens_max]
        return ids

    def _encode_word(self, word: str) -> tuple[int, ...]:
        ids: list[int] = []
        start = 0
        for end in range(1, len(word) + 1):
            if word[end - 1 : end + 1] not in self._pairs:
                for token in self._merge(word[start:end]) if end - start > 1 else word[start:end]:
                    ids += self._token_ids(token)
                start = end
        return tuple(ids)

    def _token_ids(self, token: str) -> tuple[int, ...]:
        known = self._ids.get(token)
        if known is not None:
            return (known,)
        return tuple(self._ids[f"<0x{byte:02X}>"] for byte in token.encode("utf-8", "replace"))

    def _merge(self, run: str) -> list[str]:
        """Merge the pair with the lowest rank, the leftmost first, until no pair is a token. O(n log n)."""
        tokens: list[str] = list(run)
        after = [*range(1, len(run)), -1]
        before = list(range(-1, len(run) - 1))
        queue = [pair for at in range(len(run) - 1) if (pair := self._ranked(tokens, at, at + 1))]
        heapify(queue)
        while queue:
            *_, at, merged = heappop(queue)
            other = after[at]
            if not tokens[at] or other < 0 or tokens[at] + tokens[other] != merged:
                continue  # one of the two was merged with another neighbour meanwhile
            tokens[at], tokens[other] = merged, ""
            after[at] = after[other]
            if after[at] >= 0:
                before[after[at]] = at
            for left, right in ((before[at], at), (at, after[at])):
                if left >= 0 and right >= 0 and (pair := self._ranked(tokens, left, right)):
                    heappush(queue, pair)
        return [token for token in tokens if token]

    def _ranked(self, tokens: list[str], left: int, right: int) -> tuple[int, int, int, str] | None:
        merged = tokens[left] + tokens[right]
        rank = self._ids.get(merged)
        if rank is None:
            return None
        return rank + (SPACES_LAST if merged[-1] == SPACE else 0), self._ids[tokens[left]], left, merged
