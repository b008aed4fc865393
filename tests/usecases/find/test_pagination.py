"""Scrolling through the index."""

from __future__ import annotations

import pytest

from recalld.domain.caller import Caller
from recalld.domain.errors import Invalid
from tests.harness import Harness


async def paged(harness: Harness, limit: int, uri: str = "") -> list[int]:
    """All pieces' numbers, read page by page."""
    figures, cursor, seen = harness.engine.stats, "", []
    for _ in range(100):
        pieces, cursor = await figures.scroll(uri, cursor=cursor, limit=limit)
        assert len(pieces) <= limit
        seen += [piece.id for piece in pieces]
        if not cursor:
            return seen
    raise AssertionError("pages without end")


@pytest.fixture
async def planted(harness: Harness) -> Harness:
    for n in range(7):
        await harness.write(f"viking://resources/docs/{n}.md", f"# Page {n}\n\nabout amber\n")
    await harness.write("viking://~/memories/events/tea.md", "Ana likes tea")
    await harness.append("s", "we move to Lisbon")
    await harness.settle()
    return harness


async def test_every_piece_is_shown_once_whatever_the_page_size(planted: Harness) -> None:
    whole = await paged(planted, 1000)
    assert len(whole) == len(set(whole)) == await planted.engine.count()
    assert await paged(planted, 1) == await paged(planted, 3) == whole == sorted(whole)


async def test_a_subtree_is_paged_alone(planted: Harness) -> None:
    pieces, cursor = await planted.engine.stats.scroll("viking://resources/docs", limit=1000)
    assert cursor == ""
    assert {p.level for p in pieces} >= {0, 2}
    assert all(str(p.uri).startswith("viking://resources/docs/") for p in pieces)


async def test_scroll_skips_entries_of_other_users(planted: Harness) -> None:
    bob = planted.engine.as_caller(Caller(user="bob")).stats
    pieces, _ = await bob.scroll(limit=1000)
    assert pieces
    assert not [p for p in pieces if p.uri.parts[0] == "user"]


async def test_a_filter_narrows_the_count(planted: Harness) -> None:
    figures = planted.engine.stats
    texts = {"op": "must", "field": "level", "conds": [2]}
    narrowed, everything = (await figures.count(filter=texts))[0], (await figures.count())[0]
    assert 0 < narrowed < everything == await planted.engine.count()


@pytest.mark.parametrize("cursor", ["-1", "x", "1.5", "9" * 40, "٣"])
async def test_a_cursor_that_is_not_ours_is_refused(harness: Harness, cursor: str) -> None:
    with pytest.raises(Invalid) as refused:
        await harness.engine.stats.scroll(cursor=cursor)
    assert refused.value.details["field"] == "cursor"


async def test_a_part_of_a_filter_that_a_count_ignores_is_named(planted: Harness) -> None:
    figures = planted.engine.stats
    condition = {"op": "must", "field": "name", "conds": ["x"]}
    assert await figures.count(filter=condition) == ((await figures.count())[0], ("name",))
