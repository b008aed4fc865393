"""The contract of a search index: evidence by words."""

from __future__ import annotations

import pytest

from recalld.rules.tokens import phrase_terms, query_terms
from tests.contract.search_harness import ANA, IMPLEMENTATIONS, SearchHarness, postings, uri


@pytest.fixture(params=IMPLEMENTATIONS)
def harness(request: pytest.FixtureRequest) -> SearchHarness:
    return SearchHarness(**IMPLEMENTATIONS[request.param])


async def test_postings_say_where_and_how_often(harness: SearchHarness) -> None:
    first, _, third = harness.append("ana", "red apple red", "green pear", "red pear")
    assert postings(await harness.matches("red")) == {first: 2.0, third: 1.0}


async def test_the_statistics_are_those_of_the_scope(harness: SearchHarness) -> None:
    harness.append("ana", "red apple red", "green pear", "red pear")
    harness.append("ana", "red car", session="s2")
    found = await (await harness.open(targets=(uri("user/ana/sessions/s1"),))).lexical(("red", "nowhere"), ())
    assert (found.terms, found.document_frequency.tolist(), found.chunks) == (("red", "nowhere"), [2.0, 0.0], 3)


async def test_text_of_another_partition_is_never_found(harness: SearchHarness) -> None:
    mine = harness.append("ana", "red apple")
    harness.append("bob", "red car", "red wine")
    assert list(postings(await harness.matches("red"))) == mine
    assert (await (await harness.open()).lexical(("red",), ())).document_frequency.tolist() == [1.0]


async def test_only_chunks_in_scope_are_found(harness: SearchHarness) -> None:
    _, second, _ = (harness.append("ana", "red one", session=session)[0] for session in ("s1", "s2", "s3"))
    found = await harness.matches("red", targets=(uri("user/ana/sessions/s2"),))
    assert list(postings(found)) == found.rows.ids.tolist() == [second]


async def test_what_was_just_written_is_found(harness: SearchHarness) -> None:
    ids = harness.append("ana", "red one")
    await harness.matches("red")
    ids += harness.append("ana", "red two")
    assert list(postings(await harness.matches("red"))) == ids


async def test_a_view_finds_what_was_there_when_it_was_opened(harness: SearchHarness) -> None:
    ids = harness.append("ana", "red one")
    view = await harness.open()
    harness.append("ana", "red two")
    table = await view.candidates(await view.lexical(("red",), ()), None, around=0)
    assert list(postings(table)) == table.rows.ids.tolist() == ids
    assert (view.size, (await harness.open()).seq > view.seq) == (1, True)


async def test_a_phrase_is_found_where_its_words_stand_in_a_row(harness: SearchHarness) -> None:
    ids = harness.append("ana", "green boats sail home", "boats green sail home", "sail home green boats")
    table = await harness.matches("green boats sail")
    assert table.rows.ids[table.phrase].tolist() == ids[:1]


async def test_several_partitions_are_searched_as_one(harness: SearchHarness) -> None:
    ids = harness.append("ana", "red apple")
    harness.builder.file(uri("resources/a.md"), "red car")
    table = await harness.matches("red")
    assert len(postings(table)) == 2
    assert ids[0] in postings(table)
    assert (await (await harness.open()).lexical(("red",), ())).document_frequency.tolist() == [2.0]


async def test_a_lone_character_is_found_wherever_it_stands(harness: SearchHarness) -> None:
    ids = harness.append("ana", "我养了小猫", "猫喜欢鱼", "三只狗在睡觉")
    assert list(postings(await harness.matches("猫"))) == ids[:2]


@pytest.mark.parametrize("text", ["", "the of and", "\x00\x01", '" OR NEAR(', "zzz " * 200, "🙂"])
async def test_odd_questions_are_answered(harness: SearchHarness, text: str) -> None:
    harness.append("ana", "red apple")
    assert postings(await harness.matches(text)) == {}


async def test_common_terms_find_when_there_is_nothing_rarer(harness: SearchHarness) -> None:
    harness.append("ana", *(f"red w{i} red red" for i in range(600)))
    found = await (await harness.open()).lexical(("red",), ())
    assert (found.selective.tolist(), found.document_frequency.tolist()) == ([True], [600.0])
    assert len(postings(await harness.matches("red"))) == 600


async def test_common_terms_only_rescore_what_rarer_ones_found(harness: SearchHarness) -> None:
    ids = harness.append("ana", *(f"red w{i} red red" for i in range(600)))
    assert (await (await harness.open()).lexical(("red", "w7"), ())).selective.tolist() == [False, True]
    assert list(postings(await harness.matches("red w7"))) == [ids[7]]


async def test_terms_select_a_bounded_number_of_candidates() -> None:
    harness = SearchHarness(full_rows_max=0)
    ids = harness.append("ana", *(["red"] * 1_400), "red zymurgy")
    table = await harness.matches("red zymurgy")
    assert len(table.rows.ids) == 1_000
    assert ids[-1] in postings(table, 1)


async def test_removed_text_is_not_found(harness: SearchHarness) -> None:
    harness.builder.file(uri("resources/a.txt"), "red apple")
    harness.builder.file(uri("resources/a.txt"), "green pear")
    assert postings(await harness.matches("apple")) == {}
    assert len(postings(await harness.matches("pear"))) == 1


async def test_candidates_come_with_their_neighbours_inside_the_scope() -> None:
    harness = SearchHarness(full_rows_max=0)
    ids = harness.append("ana", *(f"turn w{i}" for i in range(12)))
    table = await harness.matches("w5", ANA, around=2)
    assert table.rows.ids.tolist() == ids[3:8]
    assert list(postings(table)) == [ids[5]]
    assert (await harness.matches("nowhere", around=2)).rows.ids.tolist() == []


async def quoted(harness: SearchHarness, text: str, *phrases: str) -> list[list[int]]:
    """The chunks that contain each quoted phrase of a query."""
    view = await harness.open()
    found = await view.lexical(query_terms(text), (), tuple(map(phrase_terms, phrases)))
    table = await view.candidates(found, None, around=0)
    return [table.rows.ids[rows].tolist() for rows in table.quoted]


async def test_each_quoted_phrase_is_found_where_its_words_stand_in_a_row(harness: SearchHarness) -> None:
    ids = harness.append("ana", "green boats sail home", "boats green sail home", "red wine and green boats", "red")
    assert await quoted(harness, "green boats red wine", "green boats", "red wine") == [[ids[0], ids[2]], [ids[2]]]


async def test_a_quoted_word_and_a_lone_character_are_phrases(harness: SearchHarness) -> None:
    ids = harness.append("ana", "green boats", "数据库", "red")
    assert await quoted(harness, "boats 数 nowhere", "boats", "数", "nowhere") == [[ids[0]], [ids[1]], []]


async def test_a_quoted_phrase_of_common_words_brings_candidates(harness: SearchHarness) -> None:
    for _ in range(3):
        harness.append("ana", *["green word"] * 10, *["boats word"] * 10)
    ids = harness.append("ana", "the green boats")
    assert await quoted(harness, "green boats word", "green boats") == [ids]


async def test_a_quoted_phrase_of_another_partition_is_never_found(harness: SearchHarness) -> None:
    harness.append("bob", "green boats")
    harness.append("ana", "green cars", "red boats")
    assert await quoted(harness, "green boats", "green boats") == [[]]


@pytest.mark.parametrize("text", ["melanei", "melan", "melaani", "melaxi"])
async def test_a_misspelt_word_finds_the_word_with_half_its_weight(harness: SearchHarness, text: str) -> None:
    ids = harness.append("ana", "melani melani", "caroline")
    assert postings(await harness.matches(text)) == {ids[0]: 1.0}


@pytest.mark.parametrize("text", ["carolinx nowhere", "melna", "mxlani", "mel"])
async def test_other_words_find_none(harness: SearchHarness, text: str) -> None:
    harness.append("ana", "melani nothing", "caroline carolinx")
    found = postings(await harness.matches(text))
    assert len(found) == (text == "carolinx nowhere")


async def test_words_of_another_partition_correct_nothing(harness: SearchHarness) -> None:
    harness.append("bob", "melani")
    harness.append("ana", "caroline")
    assert postings(await harness.matches("melanei")) == {}
