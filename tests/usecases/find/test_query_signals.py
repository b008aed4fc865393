"""Searches with quoted phrases, exclusions and times, through a real index."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.usecases.find.test_find import SearchHarness, uri


@pytest.fixture(params=["small", "large"])
def harness(request: pytest.FixtureRequest) -> SearchHarness:
    """A scope that is scored in full, and one scored by candidates."""
    built = SearchHarness(options={"full_rows_max": 3} if request.param == "large" else {})
    for name, text in [
        ("cream", "pasta recipes with cream and more cream pasta recipes"),
        ("tomato", "pasta recipes with tomato"),
        ("order", "lake house on the green hill, with one green boat"),
        ("phrase", "the boat house stands far away from the town and from everything else that one could want to see"),
        *[(f"other{n}", f"nothing about number {n}") for n in range(6)],
    ]:
        built.builder.file(uri(f"resources/{name}.md"), text)
    return built


async def test_what_contains_a_quoted_phrase_comes_first(harness: SearchHarness) -> None:
    assert (await harness.uris("green boat house hill"))[0] == "resources/order.md"
    assert (await harness.uris('green "boat house" hill'))[:2] == ["resources/phrase.md", "resources/order.md"]


async def test_what_is_excluded_comes_later_and_is_still_found(harness: SearchHarness) -> None:
    assert (await harness.uris("pasta recipes cream"))[:2] == ["resources/cream.md", "resources/tomato.md"]
    found = await harness.uris("pasta recipes -cream", score_min=0.0)
    assert found[:2] == ["resources/tomato.md", "resources/cream.md"]


async def test_an_excluded_term_carries_no_information(harness: SearchHarness) -> None:
    assert (await harness.ask("pasta recipes -cream")).terms["cream"] == 0.0


async def test_what_is_of_the_time_that_the_query_names_comes_first(harness: SearchHarness) -> None:
    harness.now = datetime(2026, 11, 25, tzinfo=UTC).timestamp()
    may, june = (datetime(2026, month, 10, tzinfo=UTC).timestamp() for month in (5, 6))
    harness.builder.add_turns(
        "ana", "s1", [("june", "Ana", "we went camping", june), ("may", "Ana", "we went camping", may)]
    )
    answer = await harness.ask("when did we go camping last May")
    assert [hit.uri.name for hit in answer.hits][:2] == ["may.md", "june.md"]
    assert "last May: 2026-04-30 to 2026-06-01" in answer.stages[0].note
