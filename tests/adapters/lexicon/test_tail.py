"""A lexicon that remembers answers like one that has just been opened, whatever was written and removed meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import apsw
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recalld.adapters.lexicon import fts5, tail
from recalld.adapters.lexicon.fts5 import Fts5Lexicon
from recalld.domain.uri import Uri
from recalld.ports.index import LexicalMatches, Reach
from recalld.rules.tokens import query_terms
from tests.shelf import Living, Shelf

WORDS = ("red", "green", "apple", "猫", "小猫", "鱼")
TEXT = st.lists(st.sampled_from(WORDS), min_size=1, max_size=5).map(" ".join)
STEP = st.one_of(
    st.tuples(st.just("say"), TEXT),
    st.tuples(st.sampled_from(["a.txt", "b.txt"]), TEXT),
    st.tuples(st.just("ask"), TEXT),
)


def _plain(found: LexicalMatches) -> object:
    rows = sorted(zip(found.term.tolist(), found.chunk.tolist(), found.count.tolist(), strict=True))
    return rows, found.found_in.tolist(), found.found_by.tolist(), found.chunks, found.terms_mean, found.phrase.tolist()


async def _run(steps: list[tuple[str, str]]) -> None:
    shelf = Shelf()
    kept = Fts5Lexicon(shelf)
    owners = shelf.owner(""), shelf.owner("ana")
    for number, (what, text) in enumerate(steps):
        if what == "say":
            shelf.talk("ana", "s", [(f"m{number}", "user", text, 0.0)])
        elif what != "ask":
            shelf.file(Uri(("resources", what)), text)
        ids = [
            np.array([row[0] for row in shelf.c.execute("SELECT id FROM chunk WHERE owner = ? ORDER BY id", (owner,))])
            for owner in owners
        ]
        chunks = tuple(each.astype(np.int64) for each in ids)
        reach = Reach(owners, chunks, tuple(map(Living, chunks)), 0)
        asked = query_terms(text)
        terms = tuple(dict.fromkeys(asked))
        assert _plain(await kept.match(reach, terms, asked)) == _plain(
            await Fts5Lexicon(shelf).match(reach, terms, asked)
        )
    shelf.pool.close()


@settings(max_examples=60, deadline=None)
@given(st.lists(STEP, min_size=1, max_size=14), st.integers(0, 4))
def test_what_is_kept_answers_like_what_is_fetched(steps: list[tuple[str, str]], rows_max: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tail, "ROWS_MAX", rows_max)
        asyncio.run(_run(steps))


async def test_a_message_does_not_cost_the_postings_that_were_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    shelf = Shelf()
    lexicon = Fts5Lexicon(shelf)
    owner = shelf.owner("ana")
    shelf.talk("ana", "s", [("m0", "user", "red apple", 0.0)])
    fetch, fetched = fts5._fetch, []

    def counted(c: apsw.Connection, asked: Sequence[tuple[int, str, int]]) -> list[fts5._Posting]:
        fetched.extend(asked)
        return fetch(c, asked)

    monkeypatch.setattr(fts5, "_fetch", counted)
    for number in range(1, 6):
        shelf.talk("ana", "s", [(f"m{number}", "user", "red pear", 0.0)])
        chunks = np.array([row[0] for row in shelf.c.execute("SELECT id FROM chunk ORDER BY id")], np.int64)
        found = await lexicon.match(Reach((owner,), (chunks,), (Living(chunks),), 0), ("red",), ("red",))
        assert found.chunk.tolist() == chunks.tolist()
    assert len(fetched) == 1
    shelf.pool.close()
