"""The tokenizer: text to index terms, for conversations, documents, CJK and code."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice

import Stemmer

from .unicode_scripts import CJK, MARKS, UNSPACED, former_letters_of, letters_of

BLOCK_CHARS = 4_096
"""Text is read in blocks of this size, so that no single call into C holds the GIL for long."""
WORD_CHARS_MAX = 64
"""A longer run (base64, a minified bundle) is represented by its first characters."""
QUERY_TERMS_MAX = 256
FORMER_TERMS_MAX = 32

STOP = frozenset(
    """a about above after again against all am an and any are aren't as at be because been before being below between
    both but by can can't cannot could couldn't did didn't do does doesn't doing don't down during each few for from
    further had hadn't has hasn't have haven't having he he'd he'll he's her here here's hers herself him himself
    his how how's i i'd i'll i'm i've if in into is isn't it it's its itself let's me more most mustn't my myself no
    nor not of off on once only or other ought our ours ourselves out over own same shan't she she'd she'll she's
    should shouldn't so some such than that that's the their theirs them themselves then there there's these they
    they'd they'll they're they've this those through to too under until up very was wasn't we we'd we'll we're
    we've were weren't what what's when when's where where's which while who who's whom why why's with won't would
    wouldn't you you'd you'll you're you've your yours yourself yourselves s t d ll m re ve""".split()  # noqa: SIM905
)

_LETTER = rf"(?:[^\W_{CJK}{UNSPACED}]|[{MARKS}])"
_RUN = re.compile(
    rf"[{CJK}]+|[{UNSPACED}]+|{_LETTER}+(?:_+{_LETTER}+)*(?:'[a-z]{{1,2}}(?![a-z]))?",
    re.IGNORECASE,
)
# The same for ASCII, three times as fast.
_ASCII_RUN = re.compile(r"[A-Za-z0-9]+(?:_+[A-Za-z0-9]+)*(?:'[A-Za-z]{1,2}(?![A-Za-z]))?")
_SINGLE = re.compile(rf"[{CJK}{UNSPACED}]")
_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W_A-Za-z]+(?:[a-z]+)?")
_CAMEL = re.compile(r"[a-z0-9][A-Z]|[A-Z]{2}[a-z]")
HASH_HEAD = 7
"""Length of an abbreviated hash, as in git."""
PHONE_TAIL = 7
_HASH = re.compile(r"(?=[a-f]*\d)(?=\d*[a-f])[0-9a-f]{7,64}")
# A cheap test first: most text has no such number.
_MANY_DIGITS = re.compile(r"[0-9](?:[ \u00a0./()-]{0,4}[0-9]){6}")
_TWO_DOTS = re.compile(r"[0-9]\.[0-9]{1,5}\.[0-9]")
_PHONE = re.compile(
    r"(?<![\w.])(?:\+\s?)?(?:\(\+?[0-9]{1,4}\)|[0-9]{1,5})(?:[ \u00a0./-]{1,2}\(?[0-9]{1,8}\)?){1,6}(?![\w])"
)
# Dates, addresses of machines and versions have their own spelling.
_NOT_PHONE = re.compile(
    r"[0-9]{4}[-/.][0-9]{1,2}[-/.][0-9]{1,2}.*|[0-9]{1,2}[-/.][0-9]{1,2}[-/.][0-9]{4}.*|[0-9]{1,3}(?:\.[0-9]{1,3}){2,6}"
)
_DOTTED = re.compile(r"(?<![\w.])[vV]?([0-9]{1,5}(?:\.[0-9]{1,5}){2,4})(?!\w|\.[0-9])")
_BREAK = re.compile(r"\s")


def terms(text: str) -> tuple[str, ...]:
    """Return index terms in reading order.

    Words are lower-cased and stemmed, without English stop words; runs of CJK (and Thai, Lao, Khmer, Myanmar) are
    bigrams of characters followed by the run's last character; identifiers are whole and in their camel and snake
    parts; numbers stay. A term has letters and digits only. Total: any string has a result.
    """
    return tuple(_walk(text, closing=True))


def query_terms(text: str) -> tuple[str, ...]:
    """Return a query's terms in reading order, with repeats, at most ``QUERY_TERMS_MAX``; a lone CJK character is a term."""
    found: list[str] = []
    for term in _walk(text, closing=False):
        found.append(term)
        if len(found) == QUERY_TERMS_MAX:
            break
    return tuple(found)


def phrase_terms(text: str) -> tuple[str, ...]:
    """Return the terms that stand in a row wherever a text contains this phrase: those of its words, at most
    ``QUERY_TERMS_MAX``. Numbers in several spellings have their plain terms only, since the others precede their text."""
    return tuple(islice(_walk(text, closing=False, numbers=False), QUERY_TERMS_MAX))


def former_terms(text: str) -> tuple[str, ...]:
    """Return a query's terms as older chunks spell them, from before letters of all scripts were folded; () for most."""
    if text.isascii():
        return ()
    found: dict[str, None] = {}
    for block in _blocks(text):
        for run in _RUN.findall(block):
            if run.isascii() or _SINGLE.match(run) or len(run) > WORD_CHARS_MAX:
                continue
            low = run.casefold()
            spelled = "".join(former_letters_of(c) for c in low)
            if spelled and spelled != _spell(low):
                found[_stem(spelled)] = None
    return tuple(found)[:FORMER_TERMS_MAX]


def _walk(text: str, *, closing: bool, numbers: bool = True) -> Iterator[str]:
    for block in _blocks(text):
        if numbers:
            yield from _numbers(block)
        for run in _RUN.findall(block):
            if _SINGLE.match(run):
                yield from _bigrams(run, closing)
            else:
                yield from word_terms(run if len(run) <= WORD_CHARS_MAX else run[:WORD_CHARS_MAX])


def _numbers(block: str) -> Iterator[str]:
    """Yield terms of numbers with several spellings: the last digits of phone numbers, with or without a country code, and
    versions, with or without a ``v``."""
    if _MANY_DIGITS.search(block) is not None:
        for found in _PHONE.findall(block):
            digits = "".join(c for c in found if c.isdigit())
            if PHONE_TAIL <= len(digits) <= 15 and not _NOT_PHONE.fullmatch(found):
                yield digits[-PHONE_TAIL:]
    if _TWO_DOTS.search(block) is not None:
        for found in _DOTTED.findall(block):
            yield "n" + found.replace(".", "n")


def _blocks(text: str) -> Iterator[str]:
    """Yield the normalised text block by block, cut at white space if possible."""
    start = 0
    while start < len(text):
        end = start + BLOCK_CHARS
        if end < len(text):
            last = text[end - 256 : end]
            spaces = [m.end() for m in _BREAK.finditer(last)]
            end = end - len(last) + spaces[-1] if spaces else end
        block = text[start:end]
        start = end
        yield block if block.isascii() else unicodedata.normalize("NFKC", block).replace("\u2019", "'")


def _bigrams(run: str, closing: bool) -> Iterator[str]:
    units = [spelled for spelled, _, _ in _units(run)]
    for first, second in zip(units, units[1:], strict=False):
        yield first + second
    # The last character is a term too: every character then starts some term, so a lone one can be found by prefix.
    if units and (closing or len(units) == 1):
        yield units[-1]


def _units(run: str) -> list[tuple[str, int, int]]:
    """Return the characters of a run as terms spell them, each with its signs, and their offsets in the run."""
    units: list[tuple[str, int, int]] = []
    for at, character in enumerate(run):
        spelled = letters_of(character)
        if spelled and units and spelled[0] == "x" and unicodedata.category(character)[0] == "M":
            before, start, _ = units[-1]
            units[-1] = (before + spelled, start, at + 1)
        elif spelled:
            units.append((spelled, at, at + 1))
    return units


def occurrences(text: str) -> Iterator[tuple[int, int, tuple[str, ...]]]:
    """Yield the words of a text in reading order: start, end, and the terms each stands for.

    In a script without spaces these are pairs of characters, which overlap. Offsets refer to ``text`` itself. Numbers
    in several spellings have their plain terms only.
    """
    plain = all(unicodedata.category(c)[0] in "PSZC" for c in {*text} if c > "\x7f")  # no letters, marks or digits
    for run in (_ASCII_RUN if plain else _RUN).finditer(text.replace("\u2019", "'")):
        start, word = run.start(), run[0]
        if word.isascii():
            yield start, run.end(), word_terms(word[:WORD_CHARS_MAX])
            continue
        if not _SINGLE.match(word):
            yield start, run.end(), word_terms(unicodedata.normalize("NFKC", word)[:WORD_CHARS_MAX])
            continue
        units = _units(word)
        for (first, begin, middle), (second, _, end) in zip(units, units[1:], strict=False):
            yield start + begin, start + end, (first + second,)
            yield start + begin, start + middle, (first,)
        for last, begin, end in units[-1:]:
            yield start + begin, start + end, (last,)


@lru_cache(maxsize=32_768)
def word_terms(word: str) -> tuple[str, ...]:
    """Return the terms of one word."""
    low = word.casefold()
    if low in STOP:
        return ()
    if "'" in low:
        word, low = word.rsplit("'", 1)[0], low.rsplit("'", 1)[0]
        if low in STOP:
            return ()
    whole = _spell(low)
    if whole.isdecimal() and PHONE_TAIL + 2 <= len(whole) <= 15:
        return (whole, whole[-PHONE_TAIL:])
    if _HASH.fullmatch(whole):
        return (whole,) if len(whole) == HASH_HEAD else (whole, whole[:HASH_HEAD])
    if "_" not in word and not _CAMEL.search(word):
        return (_stem(whole),) if whole else ()
    parts = [_spell(p.casefold()) for p in _PARTS.findall(word)]
    found = [_stem(p) for p in parts if len(p) > 1 and p not in STOP]
    if len(parts) < 2:
        return (_stem(whole),) if whole else ()
    return (whole, *found)


def _spell(low: str) -> str:
    spelled = low.replace("_", "") if low.isascii() else "".join(letters_of(c) for c in low)
    if len(spelled) == 2 and spelled[0] == "0" and spelled.isdigit():
        return spelled[1]  # 2023-05-08 and "8 May 2023" meet
    return spelled


def _stem(word: str) -> str:
    # A stemmer must not be shared between threads; creating one takes less than a microsecond.
    if word.isascii():
        return str(Stemmer.Stemmer("english", 0).stemWord(word)) if len(word) > 2 else word
    if "\u0400" <= word[0] <= "\u04ff":
        return str(Stemmer.Stemmer("russian", 0).stemWord(word))
    return word
