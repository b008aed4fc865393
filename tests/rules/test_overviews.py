"""L1 lists contents by name within its size, and counts what it omits."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from recalld.domain.document import Document, Section
from recalld.domain.policy import ABSTRACT_CHARS_MAX, OVERVIEW_CHARS_MAX
from recalld.rules import markdown
from recalld.rules.overviews import Listed, abstract_of_directory, of_directory, of_document

NAMES = st.text(st.sampled_from("abcd_.-你好"), min_size=1, max_size=60)
ENTRIES = st.lists(st.builds(Listed, NAMES, st.booleans(), st.text(max_size=256)), max_size=150)


@given(ENTRIES, st.integers(0, 5_000), NAMES)
def test_a_directorys_tiers_keep_their_sizes(entries: list[Listed], more: int, title: str) -> None:
    total = len(entries) + more
    assert len(of_directory(title, entries, total)) <= OVERVIEW_CHARS_MAX
    assert 0 < len(abstract_of_directory(title, entries, total)) <= ABSTRACT_CHARS_MAX


@given(st.integers(0, 400), st.integers(0, 400))
def test_shown_and_not_shown_make_up_the_total(listed: int, more: int) -> None:
    entries = [Listed(f"file_{i:03d}.md", False, "Some words about this very file.") for i in range(listed)]
    text = of_directory("docs", entries, listed + more)
    hidden = re.search(r"^(\d+) more not shown\.$", text, re.MULTILINE)
    assert text.count("- `file_") + (int(hidden[1]) if hidden else 0) == listed + more


def test_a_directory_lists_its_entries_with_their_first_sentence() -> None:
    entries = [Listed("api", True, "How to call it. More."), Listed("a.md", False, "")]
    text = of_directory("docs", entries, 2)
    assert "- `api/`: How to call it.\n" in text
    assert text.endswith("- `a.md`")


def test_the_entry_page_speaks_for_its_directory() -> None:
    entries = [Listed("zebra.md", False, "Stripes."), Listed("README.md", False, "A store for agents. More.")]
    assert abstract_of_directory("docs", entries, 2) == "docs: A store for agents. Holds zebra.md, README.md."


def test_a_lone_entry_speaks_for_its_directory_all_the_way_up() -> None:
    day = abstract_of_directory("25", [Listed("tea.md", False, "Ana likes tea.")], 1)
    month = abstract_of_directory("11", [Listed("25", True, day)], 1)
    assert (day, month) == ("Ana likes tea. Holds tea.md.", "Ana likes tea. Holds 25/.")


def test_an_empty_directory_says_so() -> None:
    assert abstract_of_directory("docs", [], 0) == "docs: empty"


@given(st.text(st.sampled_from("#ab c.\n`|-"), max_size=3_000))
def test_a_documents_overview_keeps_its_size(text: str) -> None:
    document = Document("text/markdown", text * 4, sections=markdown.sections(text * 4))
    assert len(of_document("x.md", document, "abstract")) <= OVERVIEW_CHARS_MAX


def test_a_documents_overview_is_its_headings_as_a_tree() -> None:
    text = "# Guide\n\nIntro.\n\n## Install\n\nRun pip first. Then go.\n\n### Linux\n\nUse apt.\n"
    overview = of_document(
        "x.md", Document("text/markdown", text, title="Guide", sections=markdown.sections(text)), "A."
    )
    assert "- Install: Run pip first.\n  - Linux: Use apt." in overview


def test_a_definition_is_described_by_its_comment() -> None:
    sections = (
        Section("def f(a)", 1, 'def f(a):\n    """Adds a. More."""\n'),
        Section("g()", 2, "// Takes b.\nfunction g() {}\n"),
    )
    overview = of_document("a.py", Document("text/x-python", "", sections=sections), "A.")
    assert "- `def f(a)`: Adds a.\n  - `g()`: Takes b." in overview
