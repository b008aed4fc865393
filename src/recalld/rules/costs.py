"""Estimates the language model cost of an import from file sizes, before it starts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

QUESTION_TOKENS: Final = 300
"""The fixed part of a prompt."""
ANSWER_TOKENS: Final = 400
TEXT_TOKENS_MAX: Final = 6_000
"""A longer text is truncated (``model.input_tokens_max``)."""
BYTES_A_TOKEN: Final = 4
ENTRY_TOKENS: Final = 40
"""A file's line in the prompt of its directory."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """``tokens``: input and output of all ``calls``: one call per file and about one per directory."""

    files: int
    calls: int
    tokens: int


def of_text(size: int) -> int:
    """Return the tokens of one call about a text of this many bytes, output included."""
    return QUESTION_TOKENS + ANSWER_TOKENS + min(max(size, 0) // BYTES_A_TOKEN + 1, TEXT_TOKENS_MAX)


def estimate(files: Iterable[tuple[str, int]]) -> Estimate:
    """Estimate an import from paths and sizes in bytes."""
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
