"""Only line feeds and carriage returns end a line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recalld.rules.lines import line_range, split_lines


@pytest.mark.parametrize("mark", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e"])
def test_separators_within_a_text_end_no_line(mark: str) -> None:
    assert split_lines(f"a{mark}b\nc") == [f"a{mark}b", "c"]


def test_all_three_line_ends_are_kept_on_demand() -> None:
    assert split_lines("a\r\nb\rc\nd", keep_ends=True) == ["a\r\n", "b\r", "c\n", "d"]


@given(st.text(st.sampled_from("ab\r\n\u2028\x0c"), max_size=30))
def test_lines_with_their_ends_make_the_text_again(text: str) -> None:
    assert "".join(split_lines(text, keep_ends=True)) == text
    assert [line.rstrip("\r\n") for line in split_lines(text, keep_ends=True)] == split_lines(text)


def test_a_range_of_lines_is_what_read_answers() -> None:
    assert line_range("a\u2028\nb\nc\n", 0, 1) == "a\u2028\n"
    assert line_range("a\nb\nc\n", 1, -1) == "b\nc\n"
