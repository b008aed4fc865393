from __future__ import annotations

import difflib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recalld.domain.errors import Invalid
from recalld.rules import unified_diff as rule
from recalld.rules.unified_diff import unified_diff

lines = st.lists(st.sampled_from(["a", "b", "c", "", "x\x0cy", "z\r"]), max_size=40)
texts = st.tuples(lines, st.booleans()).map(lambda t: ("\n".join(t[0]) + ("\n" if t[1] else "")).encode())


def patched(before: bytes, diff: str) -> bytes:
    """What a unified diff makes of a text: the reader's half, from the format alone."""
    old, out, at = before.decode().split("\n"), [], 0
    rows = diff.split("\n")[2:-1]
    no_end = False
    for n, row in enumerate(rows):
        if row.startswith("@@"):
            start, _, length = row.split()[1][1:].partition(",")
            first = int(start) - (0 if length == "0" else 1)
            out += old[at:first]
            at = first
        elif row.startswith("\\"):
            no_end = rows[n - 1][0] in "+ "
        elif row[0] in " -":
            assert old[at] == row[1:]
            at += 1
            out += [row[1:]] if row[0] == " " else []
        else:
            out.append(row[1:])
    rest = old[at:]
    if rest and rest != [""]:
        return "\n".join(out + rest).encode()
    return ("\n".join(out) + ("" if no_end or not out else "\n")).encode()


@given(texts, texts)
def test_a_diff_makes_the_one_of_the_other(before: bytes, after: bytes) -> None:
    diff = unified_diff(before, after, "p")
    assert (diff == "") == (before == after)
    if diff:
        assert patched(before, diff) == after


@given(texts, texts)
def test_so_does_one_that_was_too_long_to_search(before: bytes, after: bytes) -> None:
    limit = rule.COMPARED_MAX
    rule.COMPARED_MAX = 0
    try:
        diff = unified_diff(before, after, "p")
    finally:
        rule.COMPARED_MAX = limit
    if diff:
        assert patched(before, diff) == after


@given(lines, lines)
def test_hunks_are_as_short_as_difflibs(a: list[str], b: list[str]) -> None:
    before, after = ("".join(f"{line}\n" for line in some) for some in (a, b))
    ours = unified_diff(before.encode(), after.encode(), "p")
    theirs = difflib.unified_diff([f"{x}\n" for x in a], [f"{x}\n" for x in b])
    changed = [line for line in theirs if line[0] in "+-" and line[:3] not in {"+++", "---"}]
    changed_lines = [line for line in ours.split("\n")[2:] if line[:1] in {"+", "-"}]
    assert len(changed_lines) <= len(changed) + 10


def test_a_file_that_is_not_there_is_dev_null() -> None:
    assert unified_diff(None, b"a\n", "p") == "--- /dev/null\n+++ b/p\n@@ -0,0 +1 @@\n+a\n"
    assert unified_diff(b"a\n", None, "p") == "--- a/p\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\n"
    assert unified_diff(None, None, "p") == ""


@pytest.mark.parametrize(
    ("name", "most", "data"),
    [("FILE_BYTES_MAX", 3, b"long\n"), ("LINES_MAX", 2, b"a\nb\nc\n"), ("DIFF_CHARS_MAX", 3, b"abcdef\n")],
)
def test_beyond_a_limit_it_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, most: int, data: bytes) -> None:
    monkeypatch.setattr(rule, name, most)
    with pytest.raises(Invalid) as refused:
        unified_diff(b"", data, "p")
    assert refused.value.code == "RESOURCE_EXHAUSTED"


def test_long_unrelated_texts_are_one_replacement() -> None:
    before = "".join(f"old {n}\n" for n in range(50_000)).encode()
    after = "".join(f"new {n}\n" for n in range(50_000)).encode()
    assert unified_diff(before, after, "p").count("\n") == 100_003
