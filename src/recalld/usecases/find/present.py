"""What an answer shows of its hits: the passages that answer, and which hits are left out."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from recalld.domain.caller import Caller
from recalld.domain.errors import Busy, Corrupt, Upstream
from recalld.domain.query import Answer, Hit, Query, Selection
from recalld.ports.bundle import Ports
from recalld.ports.ledger import ChunkText
from recalld.rules.encoding import decode
from recalld.rules.hit_selection import FOLD_HITS, Shingles, above_gap, are_similar, shingles, without_sidecars
from recalld.rules.media import media_type
from recalld.rules.noise import is_noise
from recalld.rules.passages import fit_weights, passage_of
from recalld.rules.tokens import query_terms

from .explain import selected

TEXTS = "texts"
TEXT_BYTES_MAX = 4_194_304
"""Bytes of large files read for one answer. Hits in files beyond it show their abstract."""
ABSTRACT_CHARS_MIN = 40
"""Shorter abstracts are shown whatever they are."""
SELECT_TIME_MIN_S = 0.1
PASSAGE_HITS_MAX = 100
"""Hits whose texts are read; later ones show their abstract."""


def widened(query: Query, selection: Selection) -> Query:
    """Return the query to search with: folding needs a few hits more."""
    return replace(query, extra=FOLD_HITS) if selection.fold else query


async def present(
    answer: Answer, query: Query, selection: Selection, caller: Caller, ports: Ports, *, deadline_s: float
) -> Answer:
    """Return the answer to a widened query as selected, with at most ``query.limit`` hits in the same order.

    If the texts cannot be read within ``deadline_s`` the hits have no passages, none is folded, and ``degraded`` names
    ``texts``.
    """
    if selection == Selection():
        return answer
    hits, degraded = answer.hits, answer.degraded
    if selection.fold:
        hits = tuple(without_sidecars(hits))
    if selection.fold or selection.passages:
        try:
            async with asyncio.timeout(max(deadline_s, SELECT_TIME_MIN_S)):
                chunk_ids = [hit.chunk for hit in hits[:PASSAGE_HITS_MAX]]
                texts = await ports.ledger.tenant(caller).chunk_texts(chunk_ids, bytes_max=TEXT_BYTES_MAX)
                weights = fit_weights(answer.terms, query_terms(query.text))
                hits = await ports.compute.run(_select, hits, texts, weights, selection, query.limit)
        except (Busy, Corrupt, Upstream, TimeoutError):
            degraded = tuple(sorted({*degraded, TEXTS}))
    hits = hits[: query.limit]
    strong = above_gap([hit.score for hit in hits]) if selection.gap else len(hits)
    return replace(selected(answer, hits, strong), degraded=degraded, weaker=len(hits) - strong)


@dataclass(slots=True)
class _Chosen:
    """A hit to show, with what later ones are compared with."""

    hit: Hit
    hash: str
    shingles: Shingles
    folded: list[Hit] = field(default_factory=list)

    def is_same(self, hit: Hit, hash_: str, other: Shingles) -> bool:
        if hit.uri == self.hit.uri or (hash_ and hash_ == self.hash):
            return True
        return are_similar(self.shingles, other)

    def result(self) -> Hit:
        others = tuple(dict.fromkeys(one.uri for one in self.folded if one.uri != self.hit.uri))
        return replace(self.hit, folded=others)


def _select(
    hits: Sequence[Hit], texts: Mapping[int, ChunkText], weights: Mapping[str, float], selection: Selection, limit: int
) -> tuple[Hit, ...]:
    """Return the hits with their passages, without noise, and folded."""
    decoded: dict[str, str] = {}
    chosen: list[_Chosen] = []
    for hit in hits:
        found = texts.get(hit.chunk)
        before, text = text_of(found, decoded) if found is not None else ("", "")
        noisy = is_noise(text)
        if selection.fold:
            if noisy and not _is_named(hit, weights):
                continue
            seen = shingles(text)
            hash_ = found.hash if found is not None and hit.level == 2 else ""
            same = next((one for one in chosen if one.is_same(hit, hash_, seen)), None)
            if same is not None:
                same.folded.append(hit)
                continue
        else:
            hash_, seen = "", Shingles()
        if len(chosen) == limit:
            continue  # only what is folded into a shown hit still counts
        if selection.passages:
            hit = _with_passage(hit, found, before, "" if noisy else text, weights)
            twin = next((one for one in chosen if selection.fold and _is_twin(one.hit, hit)), None)
            if twin is not None:
                twin.folded.append(hit)
                continue
        chosen.append(_Chosen(hit, hash_, seen))
    return tuple(one.result() for one in chosen)


def text_of(found: ChunkText, decoded: dict[str, str]) -> tuple[str, str]:
    """Return what the file contains before a chunk, and the chunk. ``decoded``: texts of files, by hash."""
    if not found.data:
        return "", found.text
    if found.hash not in decoded:
        decoded[found.hash] = decode(found.data).text
    whole = decoded[found.hash]
    return whole[: found.start], whole[found.start : found.end]


def _with_passage(hit: Hit, found: ChunkText | None, before: str, text: str, weights: Mapping[str, float]) -> Hit:
    abstract = "" if is_noise(hit.abstract, chars_min=ABSTRACT_CHARS_MIN) else hit.abstract
    if found is None or not text:
        return replace(hit, abstract=abstract)
    passage = passage_of(
        text,
        weights,
        before=before,
        headings=found.headings,
        lines=bool(found.data),
        markdown=media_type(hit.uri.name) == "text/markdown",
    )
    return replace(hit, abstract=abstract, passage=passage)


def _is_twin(one: Hit, other: Hit) -> bool:
    return one.passage is not None and other.passage is not None and one.passage.text == other.passage.text


def _is_named(hit: Hit, weights: Mapping[str, float]) -> bool:
    """True if the question names the file."""
    return bool(weights.keys() & set(query_terms(hit.uri.name)))
