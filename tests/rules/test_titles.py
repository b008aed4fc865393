"""A title is what a document calls itself, else its file name in words."""

from __future__ import annotations

import pytest

from recalld.domain.document import Document, Section
from recalld.domain.uri import Uri
from recalld.rules.titles import name_in_folder, title_of, title_of_part, titled, words_of
from tests.fakes.parsers import built_in


@pytest.mark.parametrize(
    ("name", "text", "title"),
    [
        ("a.md", "---\ntitle: Front\n---\n# Head\n", "Front"),
        ("a.md", '+++\ntitle = "Front"\n+++\n# Head\n', "Front"),
        ("a.md", "---\ntitle: Button\nsubtitle: 按钮\n---\n", "Button 按钮"),
        ("a.md", "# Head {/*id*/}\n\n# Other\n", "Head"),
        ("Custom domains.md", "Words.\n\n## Set up using CloudFlare\n", "Custom domains"),
        ("ページ.md", "## 前提条件\n\n## 新しいサイトを作成する\n", "ページ"),
        ("04_part.md", "### Scope\n\nWords.\n\n#### Deeper\n", "Scope"),
        ("02-set_up.md", "Words.\n", "set up"),
        ("a.rst", ".. _x:\n\nHead\n====\n\nPart\n----\n", "Head"),
        ("a.rst", "One\n===\n\nTwo\n===\n", "a"),
        ("a.adoc", "= Head\nAna <a@b.c>\n\n== Part\n", "Head"),
        ("a.org", "#+TITLE: Head\n\n* Part\n", "Head"),
        ("a.txt", "Head words\n==========\n\nWords.\n", "Head words"),
        ("a.txt", "port = 1933\n\nhost = x\n", "a"),
        ("__init__.py", "x = 1\n", "__init__.py"),
    ],
)
def test_the_title_is_front_matter_then_the_first_heading_then_the_file_name(name: str, text: str, title: str) -> None:
    assert title_of(name, built_in().parse(name, text.encode())) == title


def test_a_file_named_like_every_other_is_titled_by_its_folder() -> None:
    document = Document("text/markdown", "Words.")
    assert title_of("date-picker/docs.md", document) == "date picker"
    assert title_of("date-picker/usage.md", document) == "usage"
    assert title_of_part("date-picker/docs.md", document, ("API",)) == "date picker › API"
    assert name_in_folder(Uri.parse("viking://resources/README.md")) == "README.md"
    assert name_in_folder(Uri.parse("viking://resources/form/docs.md")) == "form/docs.md"


def test_a_part_of_a_document_is_titled_by_the_headings_above_it() -> None:
    sections = (Section("Guide", 1, ""), Section("Set up", 2, ""))
    whole = Document("text/markdown", "", title="Guide", sections=sections)
    assert title_of_part("guide.md", whole, ("Guide", "Set up")) == "Guide › Set up"
    assert title_of_part("guide.md", Document("text/markdown", ""), ("Set up",)) == "guide › Set up"


def test_sibling_headings_stay_siblings() -> None:
    sections = (Section("Prerequisites", 1, ""), Section("New site", 1, ""))
    whole = Document("text/markdown", "", title="Prerequisites", sections=sections)
    assert title_of_part("pages.md", whole, ("New site",)) == "pages › New site"


def test_a_title_in_the_words_is_not_repeated() -> None:
    assert titled("Vector index", "The vector index finds neighbours.") == "The vector index finds neighbours."
    assert titled("README", "It finds neighbours.") == "It finds neighbours."


def test_a_file_name_in_words_keeps_the_names_of_code() -> None:
    assert [words_of(n) for n in ("02_set-up.md", "__init__.py", "guide", "2024-05-01.md")] == [
        "set up",
        "__init__",
        "guide",
        "2024 05 01",
    ]
