"""Turns a query into index terms."""

from __future__ import annotations

from dataclasses import dataclass

from recalld.domain.errors import Invalid
from recalld.domain.query import QUERY_CHARS_MAX, Query
from recalld.rules.quoted_phrases import quoted_phrases
from recalld.rules.tokens import former_terms, phrase_terms, query_terms


@dataclass(frozen=True, slots=True)
class Plan:
    """``terms``: distinct, in order; ``phrase``: all terms in order, with repeats; ``former``: older spellings among them;
    ``quoted``: the terms of each phrase in quotation marks, in order."""

    text: str
    terms: tuple[str, ...]
    phrase: tuple[str, ...]
    former: frozenset[str] = frozenset()
    quoted: tuple[tuple[str, ...], ...] = ()


def plan(query: Query) -> Plan:
    """Return the plan of a query; one without terms is answered by vectors alone. Raises ``Invalid`` for a long query."""
    if len(query.text) > QUERY_CHARS_MAX:
        raise Invalid(
            f"the query has {len(query.text)} characters",
            remedy=f"ask in at most {QUERY_CHARS_MAX}",
            details={"field": "query"},
        )
    phrase = query_terms(query.text)
    # Older chunks contain some letters unfolded: that spelling is searched too.
    former = tuple(term for term in former_terms(query.text) if term not in phrase)
    quoted = tuple(dict.fromkeys(filter(None, map(phrase_terms, quoted_phrases(query.text)))))
    return Plan(query.text, tuple(dict.fromkeys((*phrase, *former))), phrase, frozenset(former), quoted)


def information(terms: tuple[str, ...], found: list[float]) -> dict[str, float]:
    """Return the information of each term, in nats: ``found``, or 1 each where full text did not answer."""
    return dict(zip(terms, found or [1.0] * len(terms), strict=True))
