"""L0 is short, clean, and in the author's own words."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from recalld.domain.document import Document
from recalld.domain.policy import ABSTRACT_CHARS_MAX
from recalld.rules.abstracts import abstract, best, score, terms, titled

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


def test_a_title_in_the_text_is_not_repeated() -> None:
    assert titled("Vector index", "The vector index finds neighbours.") == "The vector index finds neighbours."


def test_the_sentence_most_of_the_text_is_about_is_chosen() -> None:
    text = (
        "Click here to subscribe now please.\n\nThe ledger stores every change of the tree in one log. "
        "A change in the ledger log is durable before the writer answers. Readers of the tree follow the ledger log. "
        "Bananas are yellow fruits in shops."
    )
    result = abstract("x.md", Document("text/markdown", text))
    assert "ledger" in result
    assert "Bananas" not in result


def test_chinese_gives_a_chinese_abstract() -> None:
    text = "# 记忆\n\n上下文数据库保存智能体的记忆、资源和技能。检索总是能够回答。记忆由会话产生。"
    result = abstract("x.md", Document("text/markdown", text, title="记忆"))
    assert "上下文数据库" in result
    assert result.endswith("。")


def test_code_without_comments_is_described_by_its_definitions() -> None:
    result = abstract("a.py", Document("text/x-python", "class Cart: ...", symbols=("Cart", "Cart.add")))
    assert result == "a.py: python with Cart, Cart.add"


def test_no_sentence_gives_no_best_one() -> None:
    assert best([]) == ""


@given(st.lists(TEXT, max_size=8), TEXT)
def test_every_sentence_gets_a_score_that_is_not_negative(found: list[str], title: str) -> None:
    scores = score(found, title)
    assert len(scores) == len(found)
    assert all(value >= 0 for value in scores)


def test_terms_are_words_and_pairs_of_characters() -> None:
    assert terms("The Ledger 保存记忆") == ["ledger", "保存", "存记", "记忆"]
