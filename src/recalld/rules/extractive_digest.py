"""A digest of recalled entries: selected and cited sentences; nothing is rephrased."""

from __future__ import annotations

from collections.abc import Sequence

from .context import Candidate
from .recall_markup import DIGEST_HEAD, escape_markup
from .sentences import fit, sentences
from .tokens import query_terms

BULLET_CHARS_MAX = 500
SURE_SCORE = 0.5
"""An entry with this score is included even if it shares no word with the query."""
_READ_CHARS_MAX = 8_000
_SENTENCES_MAX = 40
_SENTENCES_CITED = 2


def digest(chosen: Sequence[Candidate], question: str, bullets_max: int) -> tuple[str, str]:
    """(digest, status): ok, empty (nothing was found) or no_relevant (no sentence matches the query)."""
    if not chosen:
        return "", "empty"
    question_terms = set(query_terms(question))
    bullets = [b for one in chosen if (b := _bullet(one, question_terms))][:bullets_max]
    return ("\n".join([DIGEST_HEAD, *bullets]), "ok") if bullets else ("", "no_relevant")


def _bullet(one: Candidate, question_terms: set[str]) -> str:
    text = one.texts.get("full") or one.texts.get("overview") or one.texts.get("abstract") or ""
    candidates = [" ".join(s.split()) for s in sentences(text[:_READ_CHARS_MAX], _SENTENCES_MAX)]
    worth = [len(question_terms & set(query_terms(s))) for s in candidates]
    if not candidates or (max(worth) == 0 and one.score < SURE_SCORE):
        return ""
    best = sorted(range(len(candidates)), key=lambda i: (-worth[i], i))[:_SENTENCES_CITED]
    summary = " ".join(candidates[i].lstrip("#>-* ") for i in sorted(best) if worth[i] or i == best[0])
    cite = f" [{one.uri}]"
    return f"- {fit(escape_markup(summary), max(40, BULLET_CHARS_MAX - len(cite) - 2))}{cite}"
