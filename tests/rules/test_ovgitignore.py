from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recalld.domain.errors import Invalid
from recalld.rules.ovgitignore import check_ignore, ignoring


@pytest.mark.parametrize(
    ("pattern", "path", "out"),
    [
        ("*.tmp", "resources/a/b.tmp", True),
        ("*.tmp", "resources/a/b.tmp.md", False),
        ("*.tmp", "resources/x.tmp/inside.md", True),
        ("/resources/a", "resources/a/b.md", True),
        ("/resources/a", "agent/resources/a", False),
        ("resources/*/x.md", "resources/a/x.md", True),
        ("resources/*/x.md", "resources/a/b/x.md", False),
        ("**/logs/*.md", "user/ana/logs/a.md", True),
        ("build/", "resources/build/out.md", True),
        ("build/", "resources/build", False),
        ("?.md", "resources/a.md", True),
        ("[ab].md", "resources/b.md", True),
        ("# resources", "resources/a.md", False),
        ("  ", "resources/a.md", False),
        ("/", "resources/a.md", False),
    ],
)
def test_patterns_mean_what_they_mean_in_a_gitignore(pattern: str, path: str, out: bool) -> None:
    assert ignoring(f"# first\n{pattern}\n")(path) is out


@pytest.mark.parametrize("text", ["!a", "a\\*", "[z-a]", "a\n" * 501, "é" * 40_000])
def test_unsupported_patterns_are_refused(text: str) -> None:
    with pytest.raises(Invalid):
        check_ignore(text)


@given(st.text(max_size=200), st.text(max_size=50))
def test_any_text_is_refused_or_decides(text: str, path: str) -> None:
    try:
        check_ignore(text)
    except Invalid:
        return
    assert ignoring(text)(path) in {True, False}
