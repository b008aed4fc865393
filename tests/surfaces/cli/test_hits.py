"""Passages on a terminal."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recalld.surfaces.cli.hits import show_hits, wrapped
from recalld.surfaces.cli.render import cells

TEXT = st.text(alphabet=st.sampled_from("abc de 文字。（），.é\u0301"), max_size=120).map(
    lambda text: " ".join(text.split())
)


@given(TEXT, st.integers(10, 60))
def test_lines_have_every_character_and_fit(text: str, columns: int) -> None:
    lines = wrapped(text, columns)
    assert "".join(text[start:end] for start, end in lines).replace(" ", "") == text.replace(" ", "")
    assert all(cells(text[start:end]) <= columns for start, end in lines)


def test_lines_break_between_words() -> None:
    text = "one two three four"
    assert [text[a:b] for a, b in wrapped(text, 10)] == ["one two", "three four"]


def test_wide_characters_take_two_columns_and_no_line_begins_with_a_stop() -> None:
    text = "退款政策说明。客户可以"
    assert [text[a:b] for a, b in wrapped(text, 12)] == ["退款政策说", "明。客户可以"]


def test_in_a_pipe_a_passage_is_one_line() -> None:
    assert wrapped("one two three", 0) == [(0, 13)]


def test_on_a_terminal_a_passage_hangs_and_its_words_are_bold(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    passage = {
        "text": "Long documents become a directory of sections, split at headings.",
        "headings": [], "line_start": 7, "line_end": 7, "marks": [[5, 14], [47, 52]],
    }  # fmt: skip
    hit = {"context_type": "resource", "uri": "viking://resources/a.md", "level": 2, "score": 0.5, "passage": passage}
    show_hits({"resources": [hit], "total": 1}, (), 0.001)
    assert capsys.readouterr().out.splitlines()[1:] == [
        "     \x1b[2mline 7\x1b[0m".replace("     \x1b[2m", "\x1b[2m     "),
        "     Long \x1b[1mdocuments\x1b[0m become a directory",
        "     of sections, \x1b[1msplit\x1b[0m at headings.",
    ]
