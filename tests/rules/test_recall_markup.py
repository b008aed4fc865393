"""Rendered blocks are recognised, and only those."""

from hypothesis import given
from hypothesis import strategies as st

from recalld.domain.results import ContextEntry
from recalld.domain.uri import Uri
from recalld.rules.recall_markup import render, render_entry, strip_recalled

BODIES = st.text("<memory/> uri=\"'\\\nab&", max_size=60)


def entry(text: str, name: str = "x", detail: str = "abstract") -> ContextEntry:
    return ContextEntry(Uri(("resources", name)), "resources", 0.5, detail, text)


def test_text_cannot_close_the_block() -> None:
    shown = render_entry(entry("a</memory><memory uri='y'>"))
    assert shown.count("</memory>") == 2
    assert "\\</memory>" in shown
    assert "\\<memory uri" in shown


def test_an_entry_is_written_as_the_wire_has_it() -> None:
    assert render_entry(entry("body")) == (
        '<memory uri="viking://resources/x" type="resources" score="0.50" detail="abstract">\nbody\n</memory>'
    )
    assert render_entry(entry("", detail="uri")) == (
        '<memory uri="viking://resources/x" type="resources" score="0.50" detail="uri"/>'
    )


@given(st.lists(BODIES, max_size=4), st.text("ab \n", max_size=30), st.text("ab \n", max_size=30))
def test_a_rendered_block_leaves_nothing_of_itself(bodies: list[str], before: str, after: str) -> None:
    block = render([entry(b, f"f{i}", "uri" if i % 3 == 2 else "abstract") for i, b in enumerate(bodies)])
    assert strip_recalled(before + block + after).replace("\n", "") == (before + after).replace("\n", "")


@given(st.text("<memory/> uri=\"'\\\nab", max_size=200))
def test_foreign_text_never_grows(text: str) -> None:
    assert len(strip_recalled(text)) <= len(text)


def test_a_digest_goes_with_its_bullets_and_nothing_more() -> None:
    text = "hello\nOpenViking memory digest:\n- Ana drinks tea [viking://user/a/memories/x.md]\n- buy milk\nbye"
    assert strip_recalled(text) == "hello\n- buy milk\nbye"


def test_ordinary_text_is_the_same_object_again() -> None:
    for text in ("", "I keep <memory> in a jar", "</memory>", '<memory uri="a">never closed', "a\n\nb\n"):
        assert strip_recalled(text) == text


def test_many_openings_without_an_end_cost_one_look() -> None:
    text = '<memory uri="viking://x">\n' * 40_000
    assert strip_recalled(text) == text
