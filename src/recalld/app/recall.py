"""Operations that search: find, search, and the assembly of a context block."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Unpack

from recalld.domain.caller import Caller
from recalld.domain.query import Answer, Query, Selection
from recalld.domain.results import ContextBlock
from recalld.domain.why_not import WhyNot
from recalld.ports.bundle import PrimaryPorts
from recalld.rules.search_request import SearchOptions, parse_query
from recalld.usecases.context import assemble as assembling
from recalld.usecases.find.find import find
from recalld.usecases.find.present import present, widened
from recalld.usecases.find.search import search
from recalld.usecases.find.session_expansion import expand_with_session
from recalld.usecases.find.why_not import why_not

from . import request
from .operations import Operations


class RecallOperations(Operations):
    """Search in what the caller may see. An answer that lacks a part names it in ``degraded``."""

    def __init__(self, ports: PrimaryPorts, caller: Caller, search_timeout_s: float) -> None:
        super().__init__(ports, caller)
        self._search_timeout_s = search_timeout_s

    async def find(
        self,
        query: str,
        *,
        target_uri: str | Sequence[str] = "",
        context_type: str | Sequence[str] = (),
        limit: int = 10,
        score_threshold: float | None = None,
        level: Sequence[int] = (),
        tags: Sequence[str] = (),
        since: str = "",
        until: str = "",
        time_field: str = "updated_at",
        filter: Mapping[str, Any] | None = None,
        passages: bool = False,
        fold: bool = False,
        gap: bool = False,
        explain: bool = False,
    ) -> Answer:
        """Return the best entries for a query, in descending score.

        ``target_uri``: subtrees to search (default: the caller's own tree and the account's resources).
        ``context_type``: ``memory``, ``resource`` or ``skill`` (default: all three).
        ``limit``: at most this many hits, 1 to 1,000.
        ``score_threshold``: only hits with a higher score, 0 to 1 (default: the engine's own cut).
        ``level``: 0 abstracts, 1 overviews, 2 texts (default: all levels).
        ``tags``: only entries with all of these ``key=value`` tags.
        ``since``, ``until``: a day (``2026-05-01``), an ISO time or an age (``7d``), compared with ``time_field``:
        ``updated_at`` or ``created_at``.
        ``filter``: a filter object of the HTTP API; it narrows the other parameters.
        ``passages``: each hit has the passage that answers best.
        ``fold``: hits with nearly the same text are one hit, which names the others in ``folded``; the abstract of a directory
        is left out where one of its files answers as well, and so are hits without words.
        ``gap``: hits that score less than half of the best one are left out; ``weaker`` counts them.
        ``explain``: hits have ``features`` whose shares add up to the score, and the answer has a ``trajectory``.

        Raises ``Invalid`` and ``Denied`` for the parameters, ``Busy`` under overload, and ``Upstream`` when no search finished in
        time.
        """
        parsed = self._parse(
            query,
            target_uri=target_uri,
            context_type=context_type,
            limit=limit,
            score_threshold=score_threshold,
            level=level,
            tags=tags,
            since=since,
            until=until,
            time_field=time_field,
            filter=filter,
            explain=explain,
        )
        selection, deadline_s = Selection(passages, fold, gap), self._recall_s()
        end = self._ports.clock.monotonic() + deadline_s
        answer = await find(widened(parsed, selection), self.caller, self._ports, deadline_s=deadline_s)
        return await self._present(answer, parsed, selection, end)

    async def search(
        self,
        query: str,
        *,
        session_id: str = "",
        target_uri: str | Sequence[str] = "",
        context_type: str | Sequence[str] = (),
        limit: int = 10,
        score_threshold: float | None = None,
        level: Sequence[int] = (),
        tags: Sequence[str] = (),
        since: str = "",
        until: str = "",
        time_field: str = "updated_at",
        filter: Mapping[str, Any] | None = None,
        passages: bool = False,
        fold: bool = False,
        gap: bool = False,
        explain: bool = False,
    ) -> Answer:
        """Return the best entries for a query, reranked if a reranker is configured.

        With ``session_id`` a query that depends on the conversation is expanded with the session's latest turns. The other
        parameters are those of ``find``. Raises as ``find`` does.
        """
        parsed = self._parse(
            query,
            target_uri=target_uri,
            context_type=context_type,
            limit=limit,
            score_threshold=score_threshold,
            level=level,
            tags=tags,
            since=since,
            until=until,
            time_field=time_field,
            filter=filter,
            explain=explain,
        )
        selection, deadline_s, clock = Selection(passages, fold, gap), self._recall_s(), self._ports.clock
        end, wide = clock.monotonic() + deadline_s, widened(parsed, selection)
        if not session_id:
            answer = await search(wide, self.caller, self._ports, deadline_s=deadline_s)
            return await self._present(answer, parsed, selection, end)
        tenant = self._ports.ledger.tenant(self.caller)
        text, missing = await expand_with_session(parsed.text, session_id, tenant, within_s=deadline_s / 4)
        left_s = max(end - clock.monotonic(), deadline_s / 2)
        answer = await search(replace(wide, text=text), self.caller, self._ports, deadline_s=left_s)
        answer = await self._present(answer, parsed, selection, end)
        return replace(answer, degraded=tuple(sorted({*answer.degraded, *missing}))) if missing else answer

    async def why_not(self, uri: str, query: str, **options: Unpack[SearchOptions]) -> WhyNot:
        """Return why an entry is not among the hits of ``find`` with the same ``options``.

        The answer has the gates it passes, up to the first closed one, its places by words, by meaning and in all, and the
        nearest change that opens the gate. Of an entry that does not exist, or that the caller may not see, it says what
        ``stat`` says. Raises as ``find`` does.
        """
        parsed = self._parse(query, **options)
        return await why_not(parsed, self._uri(uri), self.caller, self._ports, deadline_s=self._recall_s())

    async def assemble(
        self,
        query: str,
        *,
        session_id: str = "",
        query_expansion: bool = True,
        max_tokens: int = 1_600,
        quotas: Mapping[str, int] | None = None,
        purpose: str = "",
        detail: Mapping[str, str] | None = None,
        limit: int = 10,
        score_min: float | None = None,
        exclude: Sequence[str] = (),
        all_peers: bool = True,
        penalties: Mapping[str, float] | None = None,
        dedup_turns: int = 0,
        rewrite: str = "off",
        rewrite_max_bullets: int = 6,
        narrow: SearchOptions | None = None,
    ) -> ContextBlock:
        """Return one rendered block of memories, resources and skills that fits ``max_tokens``.

        ``session_id``: the session whose turns expand the query (unless ``query_expansion`` is false) and whose entries
        of the last ``dedup_turns`` turns are left out.
        ``quotas``: at most this many entries of each category; default: those of ``purpose``, or ``limit`` entries in all.
        ``detail``: a fixed tier by category (``uri``, ``abstract``, ``overview``, ``full``); default: the richest that fits.
        ``score_min``: only entries with a higher score (default: the engine's own cut).
        ``exclude``: addresses to leave out.
        ``all_peers``: include what other peers of the user recorded; ``penalties`` lower its score, by category.
        ``rewrite``: ``off``, ``on`` or ``auto``: add a digest of at most ``rewrite_max_bullets`` sentences.
        ``narrow``: search parameters of ``find``.

        Raises ``Invalid`` for the parameters, and ``Busy`` and ``Upstream`` when every search failed.
        """
        wanted = assembling.ContextRequest(
            query,
            session_id=session_id,
            query_expansion=query_expansion,
            max_tokens=max_tokens,
            quotas=quotas,
            purpose=purpose,
            detail=detail,
            limit=limit,
            score_min=score_min,
            exclude=tuple(self._uri(uri) for uri in exclude),
            all_peers=all_peers,
            penalties=penalties,
            dedup_turns=dedup_turns,
            rewrite=rewrite,
            rewrite_max_bullets=rewrite_max_bullets,
            narrow=narrow or {},
        )
        return await assembling.assemble(wanted, self.caller, self._ports, deadline_s=self._recall_s())

    async def count(self, uri: str = "") -> int:
        """Return the number of searchable chunks below ``uri`` (default: everywhere).

        Raises ``Invalid`` and ``Denied`` for the address.
        """
        targets = (self._uri(uri),) if uri and self._uri(uri).parts else ()
        return (await self._ports.index.open(self.caller, Query("", targets, levels=(0, 1, 2)))).size

    async def _present(self, answer: Answer, query: Query, selection: Selection, end: float) -> Answer:
        left_s = end - self._ports.clock.monotonic()
        return await present(answer, query, selection, self.caller, self._ports, deadline_s=left_s)

    def _parse(self, query: str, **options: Unpack[SearchOptions]) -> Query:
        return parse_query(query, self.caller, self._ports.clock.now(), **options)

    def _recall_s(self) -> float:
        """Return what is left of the recall deadline after the request has waited for its slot."""
        return max(self._search_timeout_s - request.current().queued_s, self._search_timeout_s / 4)
