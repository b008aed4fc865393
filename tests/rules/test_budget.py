"""Texts within a model's limits."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from recalld.rules.budget import batches, cut
from recalld.rules.openviking_json import tokens

words = st.text(st.sampled_from("ab 你好😀"), max_size=300)


@given(words, st.integers(1, 100))
def test_a_cut_text_fits_and_loses_nothing_it_need_not(text: str, most: int) -> None:
    shortened = cut(text, most)
    assert text.startswith(shortened)
    assert tokens(shortened) <= most
    assert shortened == text or tokens(text[: len(shortened) + 1]) > most


def test_a_text_of_any_length_is_cut_at_once() -> None:
    assert cut("x" * 10_000_000, 8) == "x" * 32


@given(st.lists(words, max_size=30), st.integers(1, 5), st.integers(1, 200))
def test_batches_are_the_texts_in_order_and_none_is_too_large(texts: list[str], count: int, most: int) -> None:
    parts = list(batches(texts, count_max=count, tokens_max=most))
    assert [i for start, end in parts for i in range(start, end)] == list(range(len(texts)))
    for start, end in parts:
        assert 1 <= end - start <= count
        assert end - start == 1 or sum(tokens(t) for t in texts[start:end]) <= most
