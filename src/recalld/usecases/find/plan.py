"""What a question asks for, in terms the index knows."""

from __future__ import annotations

from dataclasses import dataclass

from recalld.domain.errors import Invalid
from recalld.domain.query import QUERY_CHARS_MAX, Query
from recalld.rules.tokens import former_terms, query_terms


@dataclass(frozen=True, slots=True)
class Plan:
    """``terms``: distinct, in order; ``phrase``: all terms in order, repeats kept."""

    text: str
    terms: tuple[str, ...]
    phrase: tuple[str, ...]
    former: frozenset[str] = frozenset()


def plan(query: Query) -> Plan:
    """Raises ``Invalid`` for an overlong question; one without any term is answered by vectors alone."""
    if len(query.text) > QUERY_CHARS_MAX:
        raise Invalid(
            f"the query has {len(query.text)} characters",
            remedy=f"ask in at most {QUERY_CHARS_MAX}",
            details={"field": "query"},
        )
    phrase = query_terms(query.text)
    # Older chunks hold some letters unfolded: their spelling is looked for as well.
    former = tuple(term for term in former_terms(query.text) if term not in phrase)
    return Plan(query.text, tuple(dict.fromkeys((*phrase, *former))), phrase, frozenset(former))
