"""Which hits are shown: one of those with nearly the same text, none far below the best, files before their directory."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from recalld.domain.query import Hit

from .address import SIDECARS

GAP_SHARE: Final = 0.5
"""Hits that score below this share of the best one's score are left out."""
BLOCK_FLOOR_MAX: Final = 0.25
"""A context block keeps what scores this much, however good its best entry is: a question may need several facts."""
SIMILARITY_MIN: Final = 0.9
"""Jaccard index of shingles from which on two texts count as the same."""
SIDECAR_MARGIN: Final = 0.05
"""A directory's abstract or overview is shown beside its own files if it scores better than the best of them by this."""
FOLD_HITS: Final = 10
"""Hits searched beyond the limit: those that are folded make space."""
SHINGLE_WORDS: Final = 3
SHINGLE_CHARS: Final = 4
SHINGLED_CHARS_MAX: Final = 4_000
_WORD_CHARS_MEAN_MAX: Final = 12

Shingles = frozenset[tuple[str, ...]]
_WORD = re.compile(r"\w+")


def shingles(text: str) -> Shingles:
    """Return the sequences of three words of a text, or of four characters in a script without spaces; of a shorter text
    the whole of it. A text without words has none."""
    words = _WORD.findall(text[:SHINGLED_CHARS_MAX].casefold())
    size = SHINGLE_WORDS
    if sum(map(len, words)) > _WORD_CHARS_MEAN_MAX * len(words):
        words, size = list("".join(words)), SHINGLE_CHARS
    if len(words) <= size:
        return frozenset([tuple(words)] if words else [])
    return frozenset(zip(*(words[k:] for k in range(size)), strict=False))


def are_similar(first: Shingles, second: Shingles) -> bool:
    """True if the Jaccard index of two sets is at least ``SIMILARITY_MIN``; an empty one is like no other."""
    small, large = sorted((len(first), len(second)))
    if not small or small < SIMILARITY_MIN * large:
        return False
    common = len(first & second)
    return common >= SIMILARITY_MIN * (len(first) + len(second) - common)


def gap_floor(scores: Sequence[float]) -> float:
    """Return the score from which on hits are not far below the best one."""
    return GAP_SHARE * max(scores, default=0.0)


def above_gap(scores: Sequence[float]) -> int:
    """Return how many of these descending scores are not far below the first: at least one, if there is any."""
    return sum(1 for score in scores if score >= gap_floor(scores))


def without_sidecars(hits: Sequence[Hit]) -> list[Hit]:
    """Return the hits without the abstracts and overviews of directories whose files answer as well."""
    return [hit for hit in hits if hit.uri.name not in SIDECARS or not _has_good_file(hit, hits)]


def _has_good_file(sidecar: Hit, hits: Sequence[Hit]) -> bool:
    above = sidecar.uri.parent.parts
    return any(
        one.score + SIDECAR_MARGIN >= sidecar.score
        and one.uri.name not in SIDECARS
        and one.uri.parts[: len(above)] == above
        for one in hits
    )
