"""Headings are where Markdown says they are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from recalld.rules import markdown as scan

BLOCKS = st.lists(
    st.sampled_from(
        [
            "# One\n",
            "## Two\n\n",
            "Title\n===\n",
            "Sub\n---\n",
            "words here\n\n",
            "```\n# no heading\n```\n\n",
            "~~~py\n## none\n\n~~~\n\n",
            "- item\n\n",
            "> quoted\n\n",
            "| a | b |\n|---|---|\n| 1 | 2 |\n\n",
            "    # indented code\n\n",
            "\n",
            "#tag no heading\n\n",
            "***\n\n",
            "### Three ###\n",
            "1. first\n\n",
            "```` md\n```\n# none\n```\n````\n\n",
        ]
    ),
    max_size=12,
)


def reference(text: str) -> list[tuple[int, int]]:
    tokens = MarkdownIt().parse(text)
    return [(t.map[0], int(t.tag[1])) for t in tokens if t.type == "heading_open" and t.map and t.level == 0]


@given(BLOCKS)
def test_headings_are_those_of_a_full_markdown_parser(blocks: list[str]) -> None:
    text = "\n".join(blocks)
    found = [(text.count("\n", 0, h.start), h.depth) for h in scan.headings(text)]
    assert found == reference(text)


@given(st.text(st.sampled_from("#=-`~ \nab|>*"), max_size=300))
def test_sections_joined_are_the_text(text: str) -> None:
    assert "".join(section.text for section in scan.sections(text)) == text


@given(st.text(st.sampled_from("#=-`~ \r\nab|>*"), max_size=300))
def test_lines_joined_are_the_text(text: str) -> None:
    assert "".join(line.text for line in scan.lines(text)) == text


def test_front_matter_is_not_a_heading() -> None:
    text = "---\ntitle: x\n---\n# Real\n"
    assert scan.front_matter_end(text) == len("---\ntitle: x\n---\n")
    assert [h.title for h in scan.headings(text)] == ["Real"]


def test_a_rule_at_the_top_is_no_front_matter() -> None:
    assert scan.front_matter_end("---\n\nwords without end\n") == 0


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_front_matter_ends_at_its_line_whatever_ends_lines(newline: str) -> None:
    text = newline.join(["---", "title: Tea", "---", "", "# Leaves", ""])
    assert text[scan.front_matter_end(text) :].lstrip() == f"# Leaves{newline}"
