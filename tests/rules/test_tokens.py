"""Index terms."""

from __future__ import annotations

import apsw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recalld.rules.partition_terms import qualified_term
from recalld.rules.tokens import BLOCK_CHARS, former_terms, query_terms, terms

ANY = st.text(max_size=300)
ODD = st.text(
    alphabet=st.sampled_from(
        "aZ9_ '\u0301\u0130ßſςÉ\u0e01\u0e34\u0915\u093f\u0941بًאָ中文字。かガー가각🙂👩‍👩‍👧½²Ⅷﬁ\u200d\U0001e900\U00020000\n-."
    ),
    max_size=60,
)


@given(ANY | ODD)
def test_every_text_has_terms_of_letters_and_digits(text: str) -> None:
    assert all(t and t.isalnum() and "_" not in t for t in terms(text))


@given(ANY | ODD)
def test_the_same_text_gives_the_same_terms(text: str) -> None:
    assert terms(text) == terms(text)


@given(ANY | ODD)
def test_query_terms_equal_index_terms(text: str) -> None:
    assert set(query_terms(text)) <= set(terms(text))


@settings(max_examples=50, deadline=None)
@given(st.lists(ODD, min_size=1, max_size=8))
def test_the_index_keeps_every_term_as_one_token(texts: list[str]) -> None:
    c = apsw.Connection(":memory:")
    c.execute(
        "CREATE VIRTUAL TABLE fts USING fts5(terms, content='', contentless_delete=1, "
        "tokenize=\"unicode61 remove_diacritics 0 tokenchars '_'\")"
    )
    c.execute("CREATE VIRTUAL TABLE vocabulary USING fts5vocab(fts, 'row')")
    wanted = {qualified_term(7, t) for text in texts for t in terms(text)}
    c.execute("INSERT INTO fts (rowid, terms) VALUES (1, ?)", (" ".join(sorted(wanted)),))
    assert {r[0] for r in c.execute("SELECT term FROM vocabulary")} == wanted


@given(st.lists(st.text(alphabet="abcdefgh", min_size=3, max_size=9), min_size=3, max_size=30), st.data())
def test_a_stretch_of_words_has_a_stretch_of_the_terms(words: list[str], data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(words) - 1))
    end = data.draw(st.integers(start, len(words)))
    whole, part = terms(" ".join(words)), terms(" ".join(words[start:end]))
    assert any(whole[i : i + len(part)] == part for i in range(len(whole) - len(part) + 1))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The cats' tails", ("cat", "tail")),
        ("Caroline’s café in Zürich", ("carolin", "cafe", "zurich")),
        ("北京烤鸭", ("北京", "京烤", "烤鸭", "鸭")),
        ("getUserById", ("getuserbyid", "get", "user", "id")),
        ("max_retry_count", ("maxretrycount", "max", "retri", "count")),
        ("HTTPServer v2", ("httpserver", "http", "server", "v2")),
        ("2023-05-08", ("2023", "5", "8")),
        ("Где живёт Анна?", ("где", "живет", "ан")),
        ("don't", ()),
    ],
)
def test_terms_of(text: str, expected: tuple[str, ...]) -> None:
    assert terms(text) == expected


def test_a_lone_character_finds_every_place_it_stands_in() -> None:
    for text in ("我养了小猫", "猫喜欢鱼", "三只猫在睡觉"):
        assert any(t.startswith("猫") for t in terms(text))
    assert query_terms("猫") == ("猫",)


def test_marks_that_make_other_words_are_kept_apart() -> None:
    assert terms("कि") != terms("की")
    assert terms("كِتَاب") == terms("كتاب")


def test_a_word_across_a_block_border_is_not_cut() -> None:
    text = "x" * (BLOCK_CHARS - 12) + " crossing borders"
    assert "border" in terms(text)


def test_a_text_without_spaces_still_has_terms_of_bounded_length() -> None:
    assert max(map(len, terms("a" * 100_000))) <= 64


@pytest.mark.parametrize(
    ("written", "query"),
    [
        ("Umowę podpisał Łukasz.", "Lukasz"),
        ("Søren var til stede.", "Soren"),
        ("Ông Đặng đã ký.", "Dang"),
        ("Toplantı Kadıköy semtinde.", "kadikoy"),
        ("KADIKÖY", "Kadıköy"),
        ("İstanbul", "istanbul"),
        ("Þórður", "Thordur"),
        ("Straße", "STRASSE"),
        ("smørrebrød", "smorrebrod"),
        ("œuvre", "oeuvre"),
        ("Ὀδυσσεύς", "ΟΔΥΣΣΕΥΣ"),
        ("λόγος", "λογοσ"),
        ("أحمد", "احمد"),
        ("مـحـمـد", "محمد"),
        ("على", "علي"),
        ("کتاب", "كتاب"),
        ("مكتبة", "مكتبه"),
        ("الغرفة ١٢٣", "123"),
        ("اتاق ۱۲۳", "123"),
        ("कमरा १२३", "123"),
        ("שלום", "שלומ"),
        ("Ёлка", "елка"),
        ("ﾃｽﾄ", "テスト"),
        ("ｶﾞﾗｽ", "ガラス"),
        ("Ｆｕｌｌ１２３", "full123"),
        ("ﬁnd", "find"),
        ("Cafe\u0301", "Café"),
        ("Fixed by commit 9f3c2ab7d01e55aa0c1b2d3e4f5061728394a5b6 here.", "9f3c2ab"),
        ("Fixed by commit 9f3c2ab7d01e55aa0c1b2d3e4f5061728394a5b6 here.", "9F3C2AB7D01E"),
        ("id 550e8400-e29b-41d4-a716-446655440000", "550e8400"),
        ("id 550e8400-e29b-41d4-a716-446655440000", "550e8400e29b41d4a716446655440000"),
        ("id 550e8400-e29b-41d4-a716-446655440000", "446655440000"),
        ("Call +49 171 234 5678.", "01712345678"),
        ("Call 0171-2345678.", "+49 171 234 5678"),
        ("Call (0171) 234 56 78.", "0171/2345678"),
        ("Call 01712345678.", "+49 171 2345678"),
        ("Call 555-0100.", "5550100"),
        ("Released v1.2.3 today", "1.2.3"),
        ("Host 192.168.10.200", "192.168.10.200"),
    ],
)
def test_spelling_variants_share_a_term(written: str, query: str) -> None:
    assert set(query_terms(query)) & set(terms(written))


@pytest.mark.parametrize(
    ("one", "other"), [("йога", "иога"), ("が", "か"), ("گل", "كل"), ("한", "하"), ("9f3c2ab7", "9f3c2ac7")]
)
def test_letters_and_hashes_that_differ_stay_apart(one: str, other: str) -> None:
    assert not set(query_terms(one)) & set(terms(other))


@given(st.text(alphabet="0123456789 +-()./v", max_size=200))
def test_numbers_of_any_form_make_terms_of_letters_and_digits(text: str) -> None:
    assert all(term.isalnum() for term in terms(text))
    assert len(terms(text)) <= 3 * len(text) + 1


@pytest.mark.parametrize(("query", "former"), [("Łukasz", "łukasz"), ("مكتبة", "مكتبة"), ("λόγος", "λόγοσ")])
def test_former_terms_cover_chunks_indexed_before_folding(query: str, former: str) -> None:
    assert former_terms(query) == (former,)
    assert former not in query_terms(query)


@pytest.mark.parametrize("query", ["plain words", "café déjà", "核桃", "договор", "שלומ"])
def test_most_queries_have_no_former_terms(query: str) -> None:
    assert former_terms(query) == ()
