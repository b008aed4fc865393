"""Texts within a model's limits, by the estimate of ``wire.tokens``: no tokenizer of a provider's is known here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .openviking_json import tokens


def cut(text: str, tokens_max: int) -> str:
    """The longest beginning of ``text`` of about ``tokens_max`` tokens; characters of any script stay whole."""
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
    """Stretches (start, end) of ``texts`` that one call can take; a text too long for any call goes alone."""
    start = held = 0
    for at, text in enumerate(texts):
        size = tokens(text)
        if at > start and (at - start == count_max or held + size > tokens_max):
            yield start, at
            start, held = at, 0
        held += size
    if start < len(texts):
        yield start, len(texts)
