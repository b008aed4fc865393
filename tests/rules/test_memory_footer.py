"""The footer of a memory file."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from recalld.rules import memory_footer

BODY = st.text(st.characters(exclude_categories=["Cs"]), max_size=200).filter(lambda text: "MEMORY_FIELDS" not in text)
FIELDS = st.dictionaries(
    st.text(max_size=10), st.one_of(st.integers(), st.text(max_size=30), st.lists(st.text(max_size=5)))
)


@given(BODY, FIELDS)
def test_an_attached_footer_can_be_read_and_stripped(body: str, fields: dict[str, object]) -> None:
    whole = memory_footer.attach(body, fields)
    assert memory_footer.read(whole) == fields
    assert memory_footer.strip(whole) == body


@given(BODY, FIELDS, FIELDS)
def test_attaching_again_replaces(body: str, first: dict[str, object], second: dict[str, object]) -> None:
    assert memory_footer.attach(memory_footer.attach(body, first), second) == memory_footer.attach(body, second)


@given(BODY)
def test_a_text_without_trailer_is_left_alone(body: str) -> None:
    assert memory_footer.strip(body) == body
    assert memory_footer.read(body) == {}


def test_a_value_cannot_end_the_comment() -> None:
    whole = memory_footer.attach("x", {"name": "a --> b"})
    assert whole.count("-->") == 1
    assert memory_footer.read(whole) == {"name": "a --> b"}


def test_the_trailer_has_the_wires_form() -> None:
    assert memory_footer.attach("body", {"version": 1}) == 'body\n\n<!-- MEMORY_FIELDS\n{"version": 1}\n-->'


def test_a_trailer_that_is_no_json_is_read_as_nothing() -> None:
    assert memory_footer.read("x\n\n<!-- MEMORY_FIELDS\n" + "[" * 20_000 + "\n-->") == {}
