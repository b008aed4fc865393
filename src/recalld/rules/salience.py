"""Salient terms and sentences: which words a text is about, and which of its sentences have most of them."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from typing import Final

from recalld.domain.policy import ABSTRACT_CHARS_MAX

from .sentences import fit, is_wide

_POSITION_FADES: Final = 0.12
_GOOD_CHARS: Final = (40, 220)
_GOOD_WIDE_CHARS: Final = (12, 90)
_WORD = re.compile(r"[A-Za-zÀ-ɏЀ-ӿ][\wÀ-ɏЀ-ӿ'-]+|[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+")
_STOP_WORDS: Final = """
the a an and or of to in on at for with from by is are was were be been it its this that these those as not but if
then else you your we our they their he she his her can could will would should may might do does did have has had i
my me so no yes there here what which who when where why how all any some more most other into than also just about up
out over 的 了 是 在 和 与 也 有 我 你 他 她 它 们 这 那 就 都 而 及 或
"""
_STOP: Final = frozenset(_STOP_WORDS.split())


def best(found: Sequence[str], title: str = "", chars_max: int = ABSTRACT_CHARS_MAX) -> str:
    """Return the sentences most central to the text, in reading order and within ``chars_max``; "" if there are none.
    Early sentences and those that share words with the title are preferred."""
    scores = score(found, title)
    if not scores:
        return ""
    order = sorted(range(len(found)), key=lambda i: (-scores[i], i))
    picked = [order[0]]
    used = len(found[order[0]])
    for i in order[1:4]:
        if scores[i] > 0 and used + 1 + len(found[i]) <= chars_max and _adds(found[i], [found[p] for p in picked]):
            picked.append(i)
            used += 1 + len(found[i])
    gap = "" if is_wide(found[order[0]]) else " "
    return fit(gap.join(found[i] for i in sorted(picked)), chars_max)


def score(found: Sequence[str], title: str = "") -> list[float]:
    """Return one score per sentence: cosine of its term counts with the whole text, position, words shared with the
    title, and length."""
    bags = [Counter(terms(sentence)) for sentence in found]
    whole: Counter[str] = Counter()
    for bag in bags:
        whole.update(bag.keys())
    norm = math.sqrt(sum(n * n for n in whole.values())) or 1.0
    wanted = set(terms(title))
    return [_score(found[i], bag, i, whole, norm, wanted) for i, bag in enumerate(bags)]


def terms(text: str) -> list[str]:
    """Light index terms: lower-case words without stop words, pairs of neighbouring CJK characters."""
    result: list[str] = []
    for word in _WORD.findall(text):
        if word[0] >= "\u3040":
            result.extend(word[i : i + 2] for i in range(max(1, len(word) - 1)))
        else:
            low = word.lower()
            if low not in _STOP:
                result.append(low)
    return [term for term in result if term not in _STOP]


def _score(sentence: str, bag: Counter[str], index: int, whole: Counter[str], norm: float, wanted: set[str]) -> float:
    if not bag:
        return 0.0
    near = sum(whole[term] for term in bag) / (norm * math.sqrt(len(bag)))
    place = 1.0 / (1.0 + _POSITION_FADES * index)
    about = len(wanted & bag.keys()) / len(wanted) if wanted else 0.0
    low, high = _GOOD_WIDE_CHARS if is_wide(sentence) else _GOOD_CHARS
    length = min(1.0, len(sentence) / low, high / max(1, len(sentence)) + 0.3)
    says = 0.6 if sentence.endswith((":", "：", "?", "？")) else 1.0
    return (near + 0.9 * place + 0.4 * about) * length * says


def _adds(sentence: str, picked: Sequence[str]) -> bool:
    mine = set(terms(sentence))
    return all(len(mine & set(terms(other))) <= len(mine) * 0.6 for other in picked)
