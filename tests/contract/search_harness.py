"""Search indexes for the contract suite, filled by a builder and used through the port alone."""

from __future__ import annotations

from typing import Any

import numpy as np

from recalld.adapters.sqlite.search.index import SqliteSearchIndex
from recalld.domain.caller import Caller
from recalld.domain.query import Query
from recalld.domain.uri import Uri
from recalld.ports.index import CandidateTable, SearchIndex, SearchView
from recalld.rules.tokens import query_terms
from tests.index_builder import IndexBuilder

ANA, BOB = Caller(user="ana"), Caller(user="bob")
WIDTH = 16
IMPLEMENTATIONS = {"sqlite, in full": {}, "sqlite, by candidates": {"full_rows_max": 0}}


def uri(text: str) -> Uri:
    return Uri.parse(f"viking://{text}")


def unit(n: int, seed: int = 0) -> np.ndarray:
    """Random vectors of unit length, one a row."""
    rows = np.random.default_rng(seed).standard_normal((n, WIDTH)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


class SearchHarness:
    """An index, and a builder that writes to it."""

    def __init__(self, **options: Any) -> None:
        self.builder = IndexBuilder()
        self.index: SearchIndex = SqliteSearchIndex(self.builder, self.builder.pool, **options)  # type: ignore[arg-type]

    async def open(self, caller: Caller = ANA, **filters: Any) -> SearchView:
        """A search with these filters."""
        return await self.index.open(caller, Query("q", **filters))

    async def found(self, caller: Caller = ANA, **filters: Any) -> set[str]:
        """The addresses a query can find."""
        view, nodes, after = await self.open(caller, **filters), set[int](), ""
        while True:
            page = await view.page(after, 4)
            nodes.update(page.rows.node.tolist())
            if not (after := page.after):
                return {str(each.uri).removeprefix("viking://") for each in await view.hydrate(sorted(nodes))}

    async def matches(self, text: str, caller: Caller = ANA, *, around: int = 0, **filters: Any) -> CandidateTable:
        """The candidates for the words of a text."""
        view, terms = await self.open(caller, **filters), query_terms(text)
        return await view.candidates(await view.lexical(terms, terms), None, around=around)

    async def near(
        self, vector: np.ndarray, caller: Caller = ANA, *, model: str = "m", limit: int = 5, **filters: Any
    ) -> CandidateTable:
        """The candidates for a vector."""
        view = await self.open(caller, **filters)
        await view.load_vectors([model])
        return await view.candidates(None, await view.dense({model: vector}, limit=limit), around=0)

    def append(self, user: str, *texts: str, session: str = "s1") -> list[int]:
        """Append messages to a session, as many chunks; returns the ids of these."""
        start = len(self.builder.texts)
        self.builder.add_turns(user, session, [(f"m{start + i}", "user", t, float(i)) for i, t in enumerate(texts)])
        return list(self.builder.texts)[start:]

    def embed(self, rows: np.ndarray, user: str = "ana", model: str = "m") -> list[int]:
        """Append a message for each vector; returns the ids of their chunks."""
        ids = self.append(user, *["word"] * len(rows))
        self.builder.vectors(model, WIDTH, dict(zip(ids, rows, strict=True)))
        return ids


def postings(table: CandidateTable, term: int = 0) -> dict[int, float]:
    """How often a term occurs, by chunk id."""
    of = table.term == term
    return dict(zip(table.rows.ids[table.row[of]].tolist(), table.count[of].tolist(), strict=True))


def cosines(table: CandidateTable, model: str = "m") -> dict[int, float]:
    """Cosines by chunk id, without chunks that have no vector."""
    if model not in table.cosines:
        return {}
    scores = table.cosines[model].scores
    assert table.cosines[model].vector_count == np.count_nonzero(~np.isnan(scores))
    return {int(id_): float(s) for id_, s in zip(table.rows.ids, scores, strict=True) if not np.isnan(s)}
