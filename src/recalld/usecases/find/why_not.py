"""Finds the gate of a search at which an entry falls: a search below the entry alone, then the search itself."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from recalld.domain.caller import Caller
from recalld.domain.errors import Denied, NotFound
from recalld.domain.node import Node
from recalld.domain.query import Query
from recalld.domain.uri import Uri
from recalld.domain.why_not import EntryFacts, Ranks, WhyNot
from recalld.ports.bundle import Ports
from recalld.ports.index import CandidateRows
from recalld.rules.address import SIDECARS
from recalld.rules.calibration import scores
from recalld.rules.rank import best_per_entry
from recalld.rules.rank_features import Floats
from recalld.rules.ranking_params import CUT
from recalld.rules.search_request import LIMIT_MAX
from recalld.rules.why_not import judge
from recalld.usecases.tree.read import read_with_alias, stat

from .explain import Ranking
from .find import find, rank_candidates

RESERVE_S = 0.05
LEVELS = (0, 1, 2)
_Mask = NDArray[np.bool_]


async def why_not(query: Query, uri: Uri, caller: Caller, ports: Ports, *, deadline_s: float) -> WhyNot:
    """Return the gates that ``uri`` passes in a ``find`` of ``query``, up to the first closed one.

    A missing entry and one that the caller may not see are described in the words of ``stat``. Without vectors or full text
    (late or failed), the gates are those of the search without them. Raises as ``find`` does.
    """
    cut = CUT if query.score_min is None else query.score_min
    facts = EntryFacts(uri, limit=query.limit, cut=cut)
    try:
        # Also for addresses of OpenViking: what is found is what is searched.
        shown = await read_with_alias(uri, lambda at: stat(at, caller, ports), caller, ports)
        node = await ports.ledger.tenant(caller).stat(shown.uri.parent) if shown.uri.name in SIDECARS else shown
    except (NotFound, Denied) as refused:
        return judge(replace(facts, hidden=str(refused)))
    entry = _Entry(node, SIDECARS.get(shown.uri.name))
    return judge(await _compared(query, entry, replace(facts, uri=shown.uri), caller, ports, deadline_s))


class _Entry:
    """A node, or with ``level`` one tier of a directory."""

    def __init__(self, node: Node, level: int | None) -> None:
        self.node = node
        self._level = level

    def rows(self, rows: CandidateRows) -> _Mask:
        """Return which rows are its chunks."""
        own = rows.node == self.node.id
        if self._level is not None:
            own = own & (rows.kind == 2) & (rows.level == self._level)
        return np.asarray(own, np.bool_)

    @property
    def uris(self) -> set[Uri]:
        """The addresses under which a hit shows it."""
        if not self.node.is_dir:
            return {self.node.uri}
        return {self.node.uri / name for name, level in SIDECARS.items() if self._level in (None, level)}


async def _compared(
    query: Query, entry: _Entry, facts: EntryFacts, caller: Caller, ports: Ports, deadline_s: float
) -> EntryFacts:
    end = asyncio.get_running_loop().time() + deadline_s
    # All levels, no filters: what is stored of the entry and below it.
    alone = Query(query.text, targets=(entry.node.uri,), levels=LEVELS)
    own = await _ranking(alone, caller, ports, end)
    if own is None or not entry.rows(own.rows).any():
        return replace(facts, unindexed=await _unindexed(entry, caller, ports))
    facts = _with_evidence(facts, own, entry.rows(own.rows))
    if excluded := await _excluded(query, entry, caller, ports):
        return replace(facts, excluded=excluded)
    whole = await _ranking(query, caller, ports, end)
    if whole is None or not (mask := entry.rows(whole.rows)).any():
        return facts
    ranks = _ranks(whole, mask)
    facts = _with_evidence(replace(facts, ranks=ranks), whole, mask)
    if ranks.score <= facts.cut and ranks.fused > query.limit:
        return facts
    wide = replace(query, limit=max(query.limit, min(ranks.entries, LIMIT_MAX)))
    return replace(facts, place=await _place(query, wide, entry, caller, ports, end))


async def _place(query: Query, wide: Query, entry: _Entry, caller: Caller, ports: Ports, end: float) -> int:
    """Return the place among the query's hits, else among those of a wider limit, 0 if it is none of them."""
    for each in (query, wide):
        answer = await find(each, caller, ports, deadline_s=_left_s(end))
        uris = entry.uris
        place = next((k for k, hit in enumerate(answer.hits, 1) if hit.uri in uris), 0)
        if place:
            # Reserved places depend on the limit: what is no hit of the query lies behind its limit.
            return place if each is query else max(place, query.limit + 1)
    return 0


async def _ranking(query: Query, caller: Caller, ports: Ports, end: float) -> Ranking | None:
    search_end = asyncio.get_running_loop().time() + _left_s(end) / 2
    return await rank_candidates(query, caller, ports, lambda *_: None, search_end=search_end, rank_end=search_end)


def _left_s(end: float) -> float:
    return max(end - asyncio.get_running_loop().time(), RESERVE_S)


async def _unindexed(entry: _Entry, caller: Caller, ports: Ports) -> str:
    node = entry.node
    if node.is_dir:
        return "it has no abstract in the index yet, or none can be made"
    missing = (await ports.ledger.tenant(caller).consistency(node.uri, first=0)).missing
    return "a job has yet to index it" if missing else "it has no text to index"


async def _excluded(query: Query, entry: _Entry, caller: Caller, ports: Ports) -> tuple[tuple[str, str], ...]:
    """Return the parameters that leave the entry out, each taken alone."""
    found = list[tuple[str, str]]()
    uri = entry.node.uri
    searched = query.targets or (Uri(("user", caller.user)), Uri(("resources",)))
    if not any(uri.under(target) for target in searched):
        found.append(("targets", f"it is not below {' or '.join(map(str, searched))}"))
    plain = Query("", targets=(uri,), levels=LEVELS)
    levels = query.levels or (2,)
    filters = {
        "types": (replace(plain, types=query.types), f"only {', '.join(query.types)} is searched"),
        "levels": (replace(plain, levels=levels), f"only level {', '.join(map(str, levels))} is searched"),
        "tags": (replace(plain, tags=query.tags), f"it lacks one of the tags {', '.join(query.tags)}"),
        "times": (replace(plain, ranges=query.times), "it was not changed in that time"),
    }
    for name, (alone, reason) in filters.items():
        if alone != plain and not await _lets_through(alone, entry, caller, ports):
            found.append((name, reason))
    return tuple(found)


async def _lets_through(query: Query, entry: _Entry, caller: Caller, ports: Ports) -> bool:
    view = await ports.index.open(caller, query)
    if not view.size or not entry.node.is_dir:
        return view.size > 0
    table = await view.candidates(None, None, around=0)
    return bool(entry.rows(table.rows).any())


def _with_evidence(facts: EntryFacts, found: Ranking, mask: _Mask) -> EntryFacts:
    """Return the facts with those of the entry's chunks: the terms that match and the best cosines."""
    at = np.flatnonzero(mask)
    terms = found.evidence.term[np.isin(found.evidence.row, at)].tolist()
    cosines = {
        one.model: float(np.nanmax(one.cosine[at])) if np.isfinite(one.cosine[at]).any() else None
        for one in found.evidence.similarities
    }
    matched = tuple(sorted({found.terms[k] for k in terms if k < len(found.terms)}))
    return replace(facts, matched=matched, terms=len(found.terms), cosines=cosines)


def _ranks(found: Ranking, mask: _Mask) -> Ranks:
    entry, ranked = found.rows.entry, found.ranked
    best = np.flatnonzero(mask)[np.argmax(ranked.total[mask])]
    order = best_per_entry(entry, ranked.total, len(entry))
    score = float(scores(ranked, order)[entry[order] == entry[best]][0])
    _, member = np.unique(entry, return_inverse=True)
    meaning = {
        one.model: _place_of(np.nan_to_num(one.cosine, nan=-1.0).astype(np.float64), member, mask)
        for one in found.evidence.similarities
    }
    return Ranks(
        _place_of(ranked.lexical, member, mask),
        meaning,
        _place_of(ranked.total, member, mask),
        int(member.max(initial=-1)) + 1,
        score,
    )


def _place_of(values: Floats, member: NDArray[np.int64], mask: _Mask) -> int:
    """Return the place of the masked rows among entries, each by its best value. ``member``: number of each row's entry."""
    best = np.full(int(member.max(initial=-1)) + 1, -np.inf)
    np.maximum.at(best, member, values)
    return 1 + int(np.count_nonzero(best > values[mask].max()))
