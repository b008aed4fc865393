"""An in-memory lexicon for tests, stricter than the real one: it rejects terms and scopes that no index could hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from recalld.domain.errors import Invalid
from recalld.ports.index import LexicalMatches, SearchScope


class MemoryLexicon:
    """Chunks as lists of terms, per partition; every term selects candidates."""

    def __init__(self) -> None:
        self._chunks: dict[int, dict[int, tuple[str, ...]]] = {}

    def put(self, partition_id: int, chunks: Mapping[int, Sequence[str]]) -> None:
        """Add or replace chunks by id."""
        self._chunks.setdefault(partition_id, {}).update({k: tuple(v) for k, v in chunks.items()})

    async def match(self, scope: SearchScope, terms: tuple[str, ...], phrase: tuple[str, ...]) -> LexicalMatches:
        """See ``ports.index.Lexicon``."""
        distinct = tuple(dict.fromkeys(terms))
        if any(not t or not t.isalnum() for t in distinct):
            raise Invalid("a term holds letters and digits only", remedy="make terms by rules/tokens")
        rows: list[tuple[int, int, int]] = []
        document_frequency = np.zeros(len(distinct), np.float32)
        total = length = 0
        phrases: list[int] = []
        for partition_id, inside in zip(scope.partition_ids, scope.chunks, strict=True):
            if np.any(np.diff(inside) <= 0):
                raise Invalid("a scope lists its chunks in ascending order", remedy="take it from the catalog")
            mine, allowed = self._chunks.get(partition_id, {}), set(inside.tolist())
            total += len(mine)
            length += sum(map(len, mine.values()))
            for chunk, held in mine.items():
                counted = Counter(held)
                counts = [_count(counted, t) for t in distinct]
                hits = [(k, chunk, n) for k, n in enumerate(counts) if n]
                for k, _, _ in hits:
                    document_frequency[k] += 1
                if chunk in allowed:
                    rows += hits
                    if 3 <= len(phrase) <= 32 and _holds(held, phrase):
                        phrases.append(chunk)
        rows.sort()
        return LexicalMatches(
            terms=distinct,
            term=np.array([r[0] for r in rows], np.int32),
            chunk=np.array([r[1] for r in rows], np.int64),
            count=np.array([r[2] for r in rows], np.float32),
            document_frequency=document_frequency,
            selective=document_frequency > 0,
            chunks=total,
            mean_length=length / max(total, 1),
            phrase=np.array(sorted(phrases), np.int64),
        )


def _count(counted: Counter[str], term: str) -> int:
    if len(term) == 1 and term >= "\u0e00":
        return sum(n for held, n in counted.items() if held.startswith(term))
    return counted[term]


def _holds(held: tuple[str, ...], phrase: tuple[str, ...]) -> bool:
    return any(held[i : i + len(phrase)] == phrase for i in range(len(held) - len(phrase) + 1))
