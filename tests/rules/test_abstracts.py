"""L0 is short, clean, and in the author's own words."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recalld.domain.document import Document
from recalld.domain.policy import ABSTRACT_CHARS_MAX
from recalld.rules.abstracts import abstract
from recalld.rules.salience import best, score, terms
from tests.fakes.parsers import built_in

TEXT = st.text(st.sampled_from("ab cde.!?。！\n#`|-你好数据1 "), max_size=900)


@given(TEXT, st.text(max_size=80), TEXT)
def test_an_abstract_is_one_line_of_at_most_256_characters(text: str, title: str, summary: str) -> None:
    result = abstract("x.md", Document("text/markdown", text, title=title, summary=summary))
    assert 0 < len(result) <= ABSTRACT_CHARS_MAX
    assert "\n" not in result


def test_the_authors_summary_comes_first() -> None:
    document = Document(
        "text/markdown", "# T\n\nOther words stand here in the text.", title="Tool", summary="What it is for."
    )
    assert abstract("x.md", document) == "Tool: What it is for."


def test_the_first_paragraph_that_names_its_subject_speaks_for_the_text() -> None:
    text = (
        "# Ledger\n\nClick here to subscribe.\n\n> [!note] Beta\n\nThe ledger stores every change of the tree in one log. "
        "It is durable. It never blocks readers, whatever they ask for and however long it takes them to read it all.\n\n"
        "## More\n\nBananas are yellow.\n"
    )
    result = abstract("x.md", Document("text/markdown", text, title="Ledger"))
    assert result.startswith("The ledger stores every change of the tree in one log. It is durable. It never blocks")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "run.md",
            "# Run\n\n```console\n$ pip install it\nCollecting it\n```\n\n    x = 1\n\n| a | b |\n|---|---|\n| 1 | 2 |\n",
        ),
        ("run.txt", "fastapi>=0.1\nuvicorn[standard]==0.2\ngit+https://${TOKEN}@github.com/x/y.git@9.5\n"),
        ("run.cfg", "[server]\nport = 1933\nhost = 127.0.0.1\n"),
    ],
)
def test_output_tables_and_configuration_are_no_abstract(name: str, text: str) -> None:
    document = built_in().parse(name, text.encode())
    assert not re.search(r"[=|$>]|Collecting|TOKEN", abstract(name, document))


def test_chinese_gives_a_chinese_abstract() -> None:
    text = "# 记忆\n\n上下文数据库保存智能体的记忆、资源和技能。检索总是能够回答。记忆由会话产生。"
    result = abstract("x.md", Document("text/markdown", text, title="记忆"))
    assert "上下文数据库" in result
    assert result.endswith("。")


@pytest.mark.parametrize(
    ("name", "source", "found"),
    [
        ("a.py", "class Cart: ...\n\ndef total(): ...\n", "a.py (Python): Cart, total"),
        ("a.py", '"""Carts and what is in them.\n\nMore."""\nclass Cart: ...\n', "a.py: Carts and what is in them."),
        (
            "page.py",
            'class Cart:\n    """A cart of one customer.\n\n    :param x: no\n    """\n',
            "page.py: Cart: A cart of one customer.",
        ),
        ("__init__.py", '"""Ports of the store."""\n', "__init__.py: Ports of the store."),
        ("test_a.py", "def test_a_cart_is_empty(): ...\n", "test_a.py (Python): a cart is empty"),
        (
            "a.rb",
            "# frozen_string_literal: true\n\n# Reads a cart from a file.\nclass Cart\nend\n",
            "a.rb: Reads a cart from a file.",
        ),
    ],
)
def test_code_is_described_by_its_docstring_or_its_definitions(name: str, source: str, found: str) -> None:
    assert abstract(name, built_in().parse(name, source.encode())) == found


def test_no_sentence_gives_no_best_one() -> None:
    assert best([]) == ""


@given(st.lists(TEXT, max_size=8), TEXT)
def test_every_sentence_gets_a_score_that_is_not_negative(found: list[str], title: str) -> None:
    scores = score(found, title)
    assert len(scores) == len(found)
    assert all(value >= 0 for value in scores)


def test_terms_are_words_and_pairs_of_characters() -> None:
    assert terms("The Ledger 保存记忆") == ["ledger", "保存", "存记", "记忆"]
