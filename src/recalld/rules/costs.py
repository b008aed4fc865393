"""What a language model's work on an import will cost, told before it starts from nothing but sizes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

QUESTION_TOKENS: Final = 300
"""The fixed words around what is asked about."""
ANSWER_TOKENS: Final = 400
TEXT_TOKENS_MAX: Final = 6_000
"""Of a longer text only the beginning is sent (``model.input_tokens_max``)."""
BYTES_A_TOKEN: Final = 4
ENTRY_TOKENS: Final = 40
"""A file's line in the list its directory is described from."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """``tokens`` in and out of all ``calls``: one for every file, and about one for every directory."""

    files: int
    calls: int
    tokens: int


def of_text(size: int) -> int:
    """Tokens of asking about a text of so many bytes, answer included."""
    return QUESTION_TOKENS + ANSWER_TOKENS + min(max(size, 0) // BYTES_A_TOKEN + 1, TEXT_TOKENS_MAX)


def estimate(files: Iterable[tuple[str, int]]) -> Estimate:
    """Of files by path and size in bytes."""
    count = tokens = 0
    folders = {""}
    for path, size in files:
        count += 1
        tokens += of_text(size) + ENTRY_TOKENS
        folders.add(path.rpartition("/")[0])
    if not count:
        return Estimate(0, 0, 0)
    directories = len(folders) * (QUESTION_TOKENS + ANSWER_TOKENS)
    return Estimate(count, count + len(folders), tokens + directories)
