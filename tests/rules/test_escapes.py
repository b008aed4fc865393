"""Escapes are resolved to characters."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from recalld.rules.escapes import json_unescaped, unicode_unescaped


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=60))
def test_json_written_in_ascii_says_what_it_says(text: str) -> None:
    assert json_unescaped(json.dumps(text)) == f'"{text}"'


@given(st.text(max_size=80))
def test_any_text_may_be_read(text: str) -> None:
    json_unescaped(text).encode("utf-8", "surrogatepass")
    assert unicode_unescaped(text).count("\n") == text.count("\n")


def test_an_escaped_backslash_begins_no_escape() -> None:
    assert unicode_unescaped(r"C:\\users and \u00e9") == "C:\\\\users and é"
    assert json_unescaped(r"C:\\users \ud83d\ude00 \ud83d") == "C:\\users 😀 \ufffd"


def test_an_escape_never_makes_a_line() -> None:
    assert unicode_unescaped(r"a\u000ab") == "a b"
