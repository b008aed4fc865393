"""Long documents are split at sensible places, without loss."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from recalld.domain.document import Document
from recalld.domain.policy import SECTION_TOKENS_MAX
from recalld.domain.uri import Uri
from recalld.rules import markdown
from recalld.rules.openviking_json import tokens
from recalld.rules.sections import blocks, html_blocks, layout

PARAGRAPH = "All the words of a paragraph that says something about a matter of some weight. " * 8 + "\n\n"
CHINESE = "这是一个关于数据库和记忆的段落，说明了为什么上下文很重要。" * 12 + "\n\n"
FENCE = "```python\n" + "x = 1  # a line of code\n\n" * 30 + "```\n\n"
TABLE = "| a | b |\n|---|---|\n" + "| one | two |\n" * 40 + "\n"
PIECES = st.lists(
    st.sampled_from(
        ["# Top\n\n", "## Middle\n\n", "### Deep\n\n", PARAGRAPH, CHINESE, FENCE, TABLE, "word " * 900 + "\n\n", "\n"]
    ),
    max_size=40,
)


def md(text: str, title: str = "Guide") -> Document:
    return Document("text/markdown", text, title=title, sections=markdown.sections(text))


@given(PIECES)
def test_the_parts_joined_are_the_document(pieces: list[str]) -> None:
    document = md("".join(pieces))
    assert "".join(part.text for part in layout("guide.md", document)) == document.text


@given(PIECES)
def test_a_part_is_too_long_only_for_the_sake_of_a_block(pieces: list[str]) -> None:
    for part in layout("guide.md", md("".join(pieces))):
        assert tokens(part.text) <= SECTION_TOKENS_MAX or any(whole for _, whole in blocks(part.text))


@given(PIECES)
def test_no_part_begins_or_ends_inside_a_fence_or_a_table(pieces: list[str]) -> None:
    text = "".join(pieces)
    cuts, at = set(), 0
    for part in layout("guide.md", md(text)):
        at += len(part.text)
        cuts.add(at)
    for block in (FENCE.strip(), TABLE.strip()):
        start = text.find(block)
        while start >= 0:
            assert not any(start < cut < start + len(block) for cut in cuts)
            start = text.find(block, start + 1)


@given(PIECES)
def test_part_names_are_legal_unique_and_in_order(pieces: list[str]) -> None:
    found = [part.name for part in layout("guide.md", md("".join(pieces)))]
    assert found == sorted(set(found))
    assert all((Uri(("resources",)) / name).name == name for name in found)


@given(st.text(max_size=600))
def test_blocks_joined_are_the_text(text: str) -> None:
    assert "".join(block for block, _ in blocks(text)) == text


@given(st.text(st.sampled_from("<>/pdivscrtable \nab"), max_size=300))
def test_html_blocks_joined_are_the_text(text: str) -> None:
    assert "".join(block for block, _ in html_blocks(text)) == text


def test_a_short_document_stays_one_file() -> None:
    parts = layout("x.md", md("# Hi\n\nShort.\n"))
    assert [(p.name, p.text) for p in parts] == [("x.md", "# Hi\n\nShort.\n")]


def test_sections_are_named_after_their_headings_and_know_their_place() -> None:
    text = "# Guide\n\n" + PARAGRAPH * 7 + "## Set up!\n\n" + PARAGRAPH * 7 + "### On Linux\n\n" + PARAGRAPH * 7
    parts = layout("guide.md", md(text))
    assert [p.name for p in parts] == ["01_guide.md", "02_set_up.md", "03_on_linux.md"]
    assert parts[2].heading_path == ("Guide", "Set up!", "On Linux")


def test_code_and_data_stay_one_file_whatever_their_size() -> None:
    for kind in ("text/x-python", "application/json", "text/csv"):
        assert len(layout("big", Document(kind, PARAGRAPH * 400))) == 1


def test_one_endless_line_is_cut_at_words() -> None:
    parts = layout("x.txt", Document("text/plain", "word " * 40_000))
    assert len(parts) > 20
    assert all(part.text.endswith(" ") for part in parts)


def test_a_fence_that_never_closes_does_not_keep_the_rest_whole() -> None:
    assert len(layout("x.md", md("```\n" + PARAGRAPH * 60))) > 3


def test_a_text_beyond_measure_is_cut_without_looking_at_its_structure() -> None:
    text = "# a\n" * 300_000
    parts = layout("x.md", md(text))
    assert "".join(part.text for part in parts) == text
    assert all(part.text.endswith("\n") and tokens(part.text) <= SECTION_TOKENS_MAX for part in parts)
