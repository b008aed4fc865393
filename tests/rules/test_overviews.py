"""L1 lists contents by name within its size, and counts what it omits."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from recalld.domain.document import Document, Section
from recalld.domain.policy import OVERVIEW_CHARS_MAX
from recalld.rules import markdown
from recalld.rules.overviews import of_document


@given(st.text(st.sampled_from("#ab c.\n`|-"), max_size=3_000))
def test_a_documents_overview_keeps_its_size(text: str) -> None:
    document = Document("text/markdown", text * 4, sections=markdown.sections(text * 4))
    assert len(of_document("x.md", document, "abstract")) <= OVERVIEW_CHARS_MAX


def test_a_documents_overview_is_its_headings_as_a_tree() -> None:
    text = "# Guide\n\nIntro.\n\n## Install\n\nRun pip first. Then go.\n\n### Linux\n\nUse apt.\n"
    overview = of_document(
        "x.md", Document("text/markdown", text, title="Guide", sections=markdown.sections(text)), "A."
    )
    assert "- Install: Run pip first. Then go.\n  - Linux: Use apt." in overview


def test_a_definition_is_described_by_its_comment() -> None:
    sections = (
        Section("def f(a)", 1, 'def f(a):\n    """Adds a. More."""\n'),
        Section("g()", 2, "// Takes b.\nfunction g() {}\n"),
    )
    overview = of_document("a.py", Document("text/x-python", "", sections=sections), "A.")
    assert "- `def f(a)`: Adds a.\n  - `g()`: Takes b." in overview
