"""Remedies name operations, and each surface puts its own words in their place."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from recalld.rules.wording import worded


def test_an_operation_is_called_what_the_surface_calls_it() -> None:
    words = {"check": "recalld fsck", "repair": "recalld fsck --repair"}
    assert worded("`check` tells what is lost, `repair` rebuilds it", words) == (
        "recalld fsck tells what is lost, recalld fsck --repair rebuilds it"
    )


@given(st.text())
def test_a_text_stays_as_it_is_where_the_surface_has_no_words(text: str) -> None:
    assert worded(text, {}) == text
