"""Turns a query into index terms."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain

from recalld.domain.errors import Invalid
from recalld.domain.query import QUERY_CHARS_MAX, Query
from recalld.rules.exclusions import split_exclusions
from recalld.rules.quoted_phrases import quoted_phrases
from recalld.rules.time_spans import TimeSpan, time_spans
from recalld.rules.tokens import former_terms, phrase_terms, query_terms


@dataclass(frozen=True, slots=True)
class Plan:
    """``text``: the query without what it excludes; ``terms``: distinct, in order; ``phrase``: its terms in order, with repeats;
    ``former``: older spellings among ``terms``; ``quoted``: the terms of each phrase in quotation marks, in order;
    ``excluded``: the same for each exclusion, whose terms are the last of ``terms``; ``spans``: the times it names."""

    text: str
    terms: tuple[str, ...]
    phrase: tuple[str, ...]
    former: frozenset[str] = frozenset()
    quoted: tuple[tuple[str, ...], ...] = ()
    excluded: tuple[tuple[str, ...], ...] = ()
    spans: tuple[TimeSpan, ...] = ()

    @property
    def note(self) -> str:
        """What was read, in words."""
        spans = (f"{span.words}: {_day(span.since)} to {_day(span.until)}" for span in self.spans)
        return ", ".join([f"{len(self.terms)} terms", *spans])

    @property
    def unscored(self) -> frozenset[str]:
        """Terms that say nothing for a row: they are there to find the rows that contain them."""
        return frozenset().union(*self.excluded)


def plan(query: Query, now: float | None = None) -> Plan:
    """Return the plan of a query; one without terms is answered by vectors alone. ``now``: epoch seconds, None = read no times.
    Raises ``Invalid`` for a long query."""
    if len(query.text) > QUERY_CHARS_MAX:
        raise Invalid(
            f"the query has {len(query.text)} characters",
            remedy=f"ask in at most {QUERY_CHARS_MAX}",
            details={"field": "query"},
        )
    text, exclusions = split_exclusions(query.text)
    phrase = query_terms(text)
    # Older chunks contain some letters unfolded: that spelling is searched too.
    former = tuple(term for term in former_terms(text) if term not in phrase)
    quoted = tuple(dict.fromkeys(filter(None, map(phrase_terms, quoted_phrases(text)))))
    # A term that the query also asks for is not excluded.
    excluded = tuple(each for each in map(phrase_terms, exclusions) if each and phrase and not set(each) & set(phrase))
    terms = tuple(dict.fromkeys((*phrase, *former, *chain.from_iterable(excluded))))
    spans = () if now is None else time_spans(text, datetime.fromtimestamp(now, UTC))
    return Plan(text, terms, phrase, frozenset(former), quoted, excluded, spans)


def _day(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d}"


def information(terms: tuple[str, ...], found: list[float]) -> dict[str, float]:
    """Return the information of each term, in nats: ``found``, or 1 each where full text did not answer."""
    return dict(zip(terms, found or [1.0] * len(terms), strict=True))
