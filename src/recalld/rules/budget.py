"""Texts within a model's limits, by the estimate of ``openviking_json.tokens``: the providers' tokenizers are unknown
here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .openviking_json import tokens


def cut(text: str, tokens_max: int) -> str:
    """Return the longest prefix of about ``tokens_max`` tokens; characters stay whole."""
    text = text[: 4 * tokens_max + 4]  # no character counts less than a quarter
    if tokens(text) <= tokens_max:
        return text
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if tokens(text[:middle]) <= tokens_max:
            low = middle
        else:
            high = middle - 1
    return text[:low]


def batches(texts: Sequence[str], *, count_max: int, tokens_max: int) -> Iterator[tuple[int, int]]:
    """Yield ranges (start, end) of ``texts`` that fit one call; a text too long for any call is a batch of its own."""
    start = held = 0
    for at, text in enumerate(texts):
        size = tokens(text)
        if at > start and (at - start == count_max or held + size > tokens_max):
            yield start, at
            start, held = at, 0
        held += size
    if start < len(texts):
        yield start, len(texts)
