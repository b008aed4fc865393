"""Words that may be another word misspelt."""

from __future__ import annotations

from collections.abc import Iterable

LETTERS_MIN, TWICE_MIN = 5, 8
"""A term of five letters may have one error, one of eight two. Shorter words have too many neighbours."""
PREFIX = 3
SIMILAR_MAX = 3


def may_be_misspelt(term: str) -> bool:
    """Return True for a word of at least five Latin letters."""
    return len(term) >= LETTERS_MIN and term.isascii() and term.isalpha()


def correct_prefix(term: str) -> str:
    """Return the start of the term that is taken as right, so that only a small part of the vocabulary is compared."""
    return term[:PREFIX]


def similar_words(term: str, words: Iterable[str]) -> tuple[str, ...]:
    """Return up to three of these words within the errors that the term may have, the nearest first, in alphabetical order.

    An error is a letter too many, missing, replaced, or exchanged with the next (optimal string alignment).
    """
    most, letters = 1 + (len(term) >= TWICE_MIN), set(term)
    near = [
        (distance, word)
        for word in words
        # Each error changes at most two letters of the set: this leaves few words to compare.
        if abs(len(word) - len(term)) <= most and len(letters.symmetric_difference(word)) <= 2 * most
        if (distance := _distance(term, word, most)) <= most
    ]
    return tuple(word for _, word in sorted(near)[:SIMILAR_MAX])


def _distance(first: str, second: str, most: int) -> int:
    """Return the number of errors between two words, ``most + 1`` for more than ``most``."""
    at = 0
    while at < len(first) and at < len(second) and first[at] == second[at]:
        at += 1
    a, b = first[at:], second[at:]
    if not a and not b:
        return 0
    if not most or abs(len(a) - len(b)) > most:
        return most + 1
    ways = [_distance(a[1:], b[1:], most - 1), _distance(a[1:], b, most - 1), _distance(a, b[1:], most - 1)]
    if len(a) > 1 and len(b) > 1 and (a[0], a[1]) == (b[1], b[0]):
        ways.append(_distance(a[2:], b[2:], most - 1))
    return min(most, *ways) + 1 if min(ways) < most else most + 1
