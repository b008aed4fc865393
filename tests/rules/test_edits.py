"""Edits in place: all other bytes stay."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recalld.domain.errors import Invalid
from recalld.rules.edits import edited

ENDS = ("\n", "\r\n", "\r")


@pytest.mark.parametrize("end", ENDS)
def test_a_text_of_several_lines_matches_whatever_ends_the_lines(end: str) -> None:
    data = f"# Title{end}first line{end}second line{end}".encode()
    assert edited(data, "first line\nsecond line", "one\ntwo").data == f"# Title{end}one{end}two{end}".encode()


@pytest.mark.parametrize("end", ENDS)
def test_lines_put_in_end_as_the_file_s_do(end: str) -> None:
    data = f"a{end}b{end}c{end}".encode()
    assert edited(data, "b", "b\nmore").data == f"a{end}b{end}more{end}c{end}".encode()


def test_a_windows_agent_s_ends_match_a_unix_file() -> None:
    assert edited(b"a\nb\n", "a\r\nb", "c\r\nd").data == b"c\nd\n"


def test_line_ends_themselves_can_be_changed_where_they_are_named() -> None:
    assert edited(b"a\r\nb\r\n", "\r\n", "\n").data == b"a\nb\n"


def test_each_place_of_a_mixed_file_keeps_its_own_end() -> None:
    assert edited(b"a\r\nb|a\nb", "a\nb", "x\ny").data == b"x\r\ny|x\ny"


def test_times_count_every_place_whatever_its_ends() -> None:
    assert edited(b"a\r\nb|a\nb", "a\nb", "").times == 2


def test_a_missing_text_changes_nothing() -> None:
    assert edited(b"tea\r\n", "coffee", "x") == edited(b"tea\r\n", "cocoa", "y")


def test_a_byte_order_mark_stays() -> None:
    assert edited(b"\xef\xbb\xbftea", "tea", "mate").data == b"\xef\xbb\xbfmate"


def test_utf_16_stays_utf_16() -> None:
    data = "\ufefftea\r\nat dawn".encode("utf-16-le")
    assert edited(data, "tea\nat", "mate\nat").data == "\ufeffmate\r\nat dawn".encode("utf-16-le")


def test_a_damaged_byte_elsewhere_is_not_replaced() -> None:
    data = "größer täglich über schöner ".encode() * 20 + b"\xff tea"
    assert edited(data, "tea", "mate").data == data.replace(b"tea", b"mate")


def test_words_beyond_the_file_s_encoding_make_it_utf_8() -> None:
    data = "caf\xe9 au lait, tr\xe8s bien, d\xe9j\xe0 vu".encode("latin-1")
    changed = edited(data, "lait", "茶").data
    assert "茶" in changed.decode()


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(Invalid, match="not text"):
        edited(bytes(range(256)), "a", "b")


@given(st.text(), st.text(min_size=1), st.text())
def test_of_text_without_carriage_returns_it_is_plain_replacement(text: str, old: str, new: str) -> None:
    if any(c in "\r\x00" for c in text + old + new):
        return
    assert edited(text.encode(), old, new).data == text.replace(old, new).encode()


@given(st.lists(st.sampled_from(["a", "b", "\n", "\r\n", "\r", "é"])))
def test_an_edit_back_gives_the_same_bytes(parts: list[str]) -> None:
    data = ("".join(parts) + "|x|").encode()
    assert edited(edited(data, "|x|", "|y|").data, "|y|", "|x|").data == data
