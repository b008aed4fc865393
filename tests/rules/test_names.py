"""Names are legal, recognisable and unique."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recalld.domain.uri import SEGMENT_BYTES_MAX, Uri
from recalld.rules import names

ANY = st.text(st.characters(), max_size=300)


@given(ANY)
def test_a_made_name_can_always_be_addressed(text: str) -> None:
    name = names.segment(text)
    assert 1 <= len(name) <= names.NAME_CHARS_MAX
    assert (Uri(("resources",)) / name).name == name


@given(ANY)
def test_making_a_name_of_a_made_name_changes_nothing(text: str) -> None:
    assert names.segment(names.segment(text)) == names.segment(text)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Hello, World!", "Hello_World"),
        ("a  --  b", "a_--_b"),
        ("__x__", "x"),
        ("数据 库：说明", "数据_库_说明"),
        ("Привет мир", "Привет_мир"),
        ("v1.2-rc", "v1.2-rc"),
        ("???", "unnamed"),
        ("", "unnamed"),
        ("x" * 80, "x" * 50),
    ],
)
def test_names_are_made_as_the_wire_says(text: str, name: str) -> None:
    assert names.segment(text) == name


@given(ANY)
def test_a_legal_name_is_one_segment_that_reads_back(text: str) -> None:
    name = names.legal(text)
    uri = Uri(("resources",)) / name
    assert Uri.parse(str(uri)) == uri
    assert names.legal(name) == name


@pytest.mark.parametrize("name", ["README.md", "私の ファイル.txt", ".gitignore", "a b (1).md", "x#y.md"])
def test_a_name_that_can_be_addressed_stays_as_it_is(name: str) -> None:
    assert names.legal(name) == name


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=400), st.integers(16, 255))
def test_a_shortened_name_fits(name: str, bytes_max: int) -> None:
    assert len(names.shorten(name, bytes_max).encode()) <= bytes_max


def test_two_long_names_stay_different_and_keep_their_ending() -> None:
    one, two = names.shorten("a" * 300 + "1.md"), names.shorten("a" * 300 + "2.md")
    assert one != two
    assert one.endswith(".md")
    assert len(one.encode()) <= SEGMENT_BYTES_MAX


@given(st.sets(st.integers(0, 30)))
def test_a_unique_name_is_not_among_the_taken(numbers: set[int]) -> None:
    taken = {f"a_{n}.md" if n else "a.md" for n in numbers}
    assert names.unique("a", taken, ".md") not in taken


def test_a_taken_name_gets_the_first_free_number() -> None:
    assert names.unique("a", {"a", "a_1"}) == "a_2"


@pytest.mark.parametrize(
    ("name", "bare"), [("guide.md", "guide"), ("a.tar.gz", "a.tar"), ("Makefile", "Makefile"), (".env", ".env")]
)
def test_a_stem_is_the_name_without_its_ending(name: str, bare: str) -> None:
    assert names.stem(name) == bare
