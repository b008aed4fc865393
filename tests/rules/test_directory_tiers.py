"""A directory's tiers say what its entries are about, within their sizes, and count what they leave out."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recalld.domain.policy import ABSTRACT_CHARS_MAX, OVERVIEW_CHARS_MAX
from recalld.rules.directory_tiers import Listed, abstract_of_directory, overview_of_directory

NAMES = st.text(st.sampled_from("abcd_.-你好"), min_size=1, max_size=60)
ENTRIES = st.lists(st.builds(Listed, NAMES, st.booleans(), st.text(max_size=256)), max_size=150)


@given(ENTRIES, st.integers(0, 5_000), NAMES)
def test_a_directorys_tiers_keep_their_sizes(entries: list[Listed], more: int, title: str) -> None:
    total = len(entries) + more
    assert len(overview_of_directory(title, entries, total)) <= OVERVIEW_CHARS_MAX
    assert 0 < len(abstract_of_directory(title, entries, total)) <= ABSTRACT_CHARS_MAX


@given(st.integers(0, 400), st.integers(0, 400))
def test_shown_and_not_shown_make_up_the_total(listed: int, more: int) -> None:
    entries = [Listed(f"file_{i:03d}.md", False, "Some words about this very file.") for i in range(listed)]
    text = overview_of_directory("docs", entries, listed + more)
    hidden = re.search(r"^(\d+) more not shown\.$", text, re.MULTILINE)
    grouped = re.search(r"^- `file\*\.md` \((\d+)\)", text, re.MULTILINE)
    shown = int(grouped[1]) if grouped else text.count("- `file_")
    assert shown + (int(hidden[1]) if hidden else 0) == listed + more


def test_an_overview_gives_title_and_first_sentence_of_each_entry() -> None:
    entries = [
        Listed("api", True, "How to call it. More."),
        Listed("a.md", False, "Reading a file: Open it first. Then read."),
        Listed("b.md", False, ""),
    ]
    text = overview_of_directory("docs", entries, 3)
    assert "- `api/`: How to call it.\n- `a.md`: Reading a file: Open it first.\n" in text
    assert text.endswith("- `b.md`")


def test_many_entries_are_grouped_by_the_beginning_of_their_names() -> None:
    entries = [
        Listed(f"{kind}-{i}.md", False, f"{kind.title()} {i}: Words.") for kind in ("api", "howto") for i in range(60)
    ]
    text = overview_of_directory("docs", entries, 120)
    assert "- `api*.md` (60): Api 0; Api 1; " in text
    assert "- `howto*.md` (60): " in text


def test_the_entry_page_speaks_for_its_directory() -> None:
    entries = [Listed("zebra.md", False, "Stripes."), Listed("README.md", False, "A store for agents. More.")]
    assert abstract_of_directory("birds", entries, 2) == "birds: A store for agents. More."


def test_a_directory_without_entry_page_has_the_titles_of_its_files_not_their_names() -> None:
    entries = [
        Listed("01-install.md", False, "Installing on Linux: Run pip."),
        Listed("cache.rst", False, "How caching works: Every page is kept."),
        Listed("__init__.py", False, "__init__.py (Python)"),
    ]
    assert abstract_of_directory("guide", entries, 3) == "guide: Installing on Linux; How caching works"


def test_translations_are_described_by_the_english_one() -> None:
    entries = [Listed(code, True, f"{code}: words.") for code in ("az", "bn", "de")] + [
        Listed("en", True, "A web framework.")
    ]
    entries += [Listed(code, True, "") for code in ("fr", "ja", "ko")] + [Listed("zh", True, "框架。")]
    assert abstract_of_directory("birds", entries, 8) == "birds: A web framework."


def test_the_first_part_speaks_for_a_split_document() -> None:
    entries = [
        Listed("01_guide.md", False, "Guide: How to store."),
        Listed("02_more.md", False, "Guide › More: Words."),
        Listed("03_end.md", False, "Guide › End: Words."),
    ]
    assert abstract_of_directory("guide", entries, 3) == "Guide: How to store. Topics: More; End."


def test_a_lone_entry_speaks_for_its_directory_all_the_way_up() -> None:
    day = abstract_of_directory("25", [Listed("tea.md", False, "Ana likes tea.")], 1)
    month = abstract_of_directory("11", [Listed("25", True, day)], 1)
    assert (day, month) == ("Ana likes tea.", "Ana likes tea.")


@pytest.mark.parametrize(
    ("abstract", "more"),
    [("Die Datei beschreibt den Speicher und die Suche.", "weitere"), ("本文介绍数据库的使用方法。", "未显示")],
)
def test_our_words_are_in_the_language_of_the_entries(abstract: str, more: str) -> None:
    assert more in overview_of_directory("x", [Listed("a.md", False, abstract)], 9)


def test_an_empty_directory_says_so() -> None:
    assert abstract_of_directory("docs", [], 0) == "docs: empty"


def test_parts_of_a_document_are_listed_without_the_headings_they_share() -> None:
    parts = [
        Listed(
            "01_filter.txt", False, f"Reference › Methods › filter(): {'Returns more of the matching objects ' * 6}."
        ),
        Listed("02_exclude.txt", False, "Reference › Methods › exclude(): Returns the others."),
        Listed("03_q.txt", False, "Reference › Conditions: A condition."),
    ]
    lines = overview_of_directory("querysets", parts, 3).splitlines()[-3:]
    assert lines == [
        "- `01_filter.txt`: Methods › filter()",
        "- `02_exclude.txt`: Methods › exclude(): Returns the others.",
        "- `03_q.txt`: Conditions: A condition.",
    ]
