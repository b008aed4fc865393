"""The index page by page."""

from __future__ import annotations

import pytest

from recalld.app.figures import FigureVerbs
from recalld.domain.caller import Caller
from recalld.domain.errors import Invalid
from tests.house_fixture import House


async def paged(house: House, limit: int, uri: str = "") -> list[int]:
    """All pieces' numbers, read page by page."""
    figures, cursor, seen = house.r.verbs(FigureVerbs), "", []
    for _ in range(100):
        pieces, cursor = await figures.pieces(uri, cursor=cursor, limit=limit)
        assert len(pieces) <= limit
        seen += [piece.id for piece in pieces]
        if not cursor:
            return seen
    raise AssertionError("pages without end")


@pytest.fixture
async def planted(house: House) -> House:
    for n in range(7):
        await house.write(f"viking://resources/docs/{n}.md", f"# Page {n}\n\nabout amber\n")
    await house.write("viking://~/memories/events/tea.md", "Ana likes tea")
    await house.say("s", "we move to Lisbon")
    await house.settle()
    return house


async def test_every_piece_is_shown_once_whatever_the_page_size(planted: House) -> None:
    whole = await paged(planted, 1000)
    assert len(whole) == len(set(whole)) == await planted.r.count()
    assert await paged(planted, 1) == await paged(planted, 3) == whole == sorted(whole)


async def test_a_subtree_is_paged_alone(planted: House) -> None:
    pieces, cursor = await planted.r.verbs(FigureVerbs).pieces("viking://resources/docs", limit=1000)
    assert cursor == ""
    assert {p.level for p in pieces} >= {0, 2}
    assert all(str(p.uri).startswith("viking://resources/docs/") for p in pieces)


async def test_nobody_pages_through_what_others_own(planted: House) -> None:
    bob = planted.r.as_caller(Caller(user="bob")).verbs(FigureVerbs)
    pieces, _ = await bob.pieces(limit=1000)
    assert pieces
    assert not [p for p in pieces if p.uri.parts[0] == "user"]


async def test_a_filter_narrows_the_count(planted: House) -> None:
    figures = planted.r.verbs(FigureVerbs)
    texts = {"op": "must", "field": "level", "conds": [2]}
    assert 0 < await figures.count(filter=texts) < await figures.count() == await planted.r.count()


@pytest.mark.parametrize("cursor", ["-1", "x", "1.5", "9" * 40, "٣"])
async def test_a_cursor_that_is_not_ours_is_refused(house: House, cursor: str) -> None:
    with pytest.raises(Invalid) as refused:
        await house.r.verbs(FigureVerbs).pieces(cursor=cursor)
    assert refused.value.details["field"] == "cursor"


async def test_a_part_of_a_filter_that_a_count_ignores_is_named(planted: House) -> None:
    figures = planted.r.verbs(FigureVerbs)
    given = {"op": "must", "field": "name", "conds": ["x"]}
    assert figures.ignored(given) == ("name",)
    assert await figures.count(filter=given) == await figures.count()
