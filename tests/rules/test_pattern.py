"""User patterns run in linear time or not at all."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recalld.domain.errors import Invalid
from recalld.rules.glob import compile_glob
from recalld.rules.pattern import compile_pattern, literal_of


def test_a_pattern_that_backtracks_without_end_elsewhere_ends_here() -> None:
    assert list(compile_pattern("(a+)+$", False).lines("a" * 5_000 + "b")) == []


@pytest.mark.parametrize("pattern", ["(?=x)", r"(a)\1", "(", "", "x" * 3_000])
def test_expressions_beyond_re2_are_refused(pattern: str) -> None:
    with pytest.raises(Invalid) as refused:
        compile_pattern(pattern, False)
    assert refused.value.details["field"] == "pattern"


def test_lines_are_counted_from_one_and_anchors_mean_lines() -> None:
    text = "foo\nbar\nbaz"
    assert [n for n, _ in compile_pattern("^ba", False).lines(text)] == [2, 3]
    assert [n for n, _ in compile_pattern("BAR$", True).lines(text)] == [2]


@given(st.text("ab.c+*?", min_size=1, max_size=8), st.text("abc", max_size=30))
def test_every_match_holds_the_literal(pattern: str, text: str) -> None:
    try:
        found = re.search(pattern, text)
        literal = literal_of(pattern)
    except re.error:
        return
    if found:
        assert literal in found.group(0)


@pytest.mark.parametrize(
    ("pattern", "path", "fits"),
    [
        ("**/*.md", "a.md", True),
        ("**/*.md", "x/y/a.md", True),
        ("*.md", "x/a.md", False),
        ("x/**", "x/y/z", True),
        ("*.{md,txt}", "a.txt", True),
        ("[!a]*", "abc", False),
        ("a?c", "abc", True),
        ("a.c", "abc", False),
        ("docs/*/a.md", "docs/b/a.md", True),
        ("a[[]1.md", "a[1.md", True),
        ("[[]draft].md", "[draft].md", True),
        ("[]]", "]", True),
        ("[!]]", "]", False),
        ("[]a]x", "ax", True),
        ("[{]x", "{x", True),
        ("a]b}", "a]b}", True),
        ("{a,{b,c}}", "c", True),
        ("[a{]", "{", True),
        ("[{]slug[}].md", "{slug}.md", True),
        ("{a[,]b,c}", "a,b", True),
    ],
)
def test_globs(pattern: str, path: str, fits: bool) -> None:
    assert compile_glob(pattern)(path) is fits


@pytest.mark.parametrize(
    ("pattern", "literal"),
    [
        (r"Note 7[0-9]7\b", "Note 7"),
        ("fo?obar", "obar"),
        (r"x\.md", "x.md"),
        ("ab{2}cde", "cde"),
        ("[]x]yzw", "yzw"),
        (r"\pLabc", "abc"),
        (r"\x41bcd", "bcd"),
        (r"\Qa.bc\E", ""),
        ("a(b|c)def", ""),
        ("one|two", ""),
        ("abc+?d", "abc"),
    ],
)
def test_the_longest_sure_literal_is_known(pattern: str, literal: str) -> None:
    assert literal_of(pattern) == literal


@pytest.mark.parametrize(
    "pattern", ["[", "a[", "docs/[ab", "[]", "[!]", "[^]", "[a]/[b", "{a,b", "a{", "{a,{b}", "x{[}]"]
)
def test_a_glob_that_is_not_closed_is_refused_with_its_remedy(pattern: str) -> None:
    with pytest.raises(Invalid, match="is not closed.*for the character itself"):
        compile_glob(pattern)


def test_a_glob_cannot_explode() -> None:
    with pytest.raises(Invalid):
        compile_glob("{a,b}" * 10)
