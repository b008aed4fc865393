"""The overview tier of a memory."""

from hypothesis import given
from hypothesis import strategies as st

from recalld.rules.memory_overview import memory_overview


def test_a_leading_summary_is_the_overview() -> None:
    assert memory_overview("# Party\n\n## Summary\nAna held a party.\n\n## Details\nOolong.") == "Ana held a party."


def test_without_one_the_headings_and_the_first_paragraph_are() -> None:
    assert memory_overview("# Party\n\nAna held it.\n\n## Guests\nBob.") == "- Party\n  - Guests\nAna held it."


def test_a_plain_text_is_its_first_paragraph() -> None:
    assert memory_overview("Ana held it.\n\nBob came.") == "Ana held it."
    assert len(memory_overview("word " * 500)) <= 400


@given(st.text("# Summary:\nab", max_size=200))
def test_every_text_has_one_unless_it_says_nothing(text: str) -> None:
    assert memory_overview(text) or not text.strip("# \n\t")
