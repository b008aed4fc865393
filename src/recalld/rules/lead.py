"""The sentences that say what a text is about: the first complete ones of its first paragraph that name their subject.

An author states the subject first: the lead of a page beats every sentence chosen by its words (the "lead" baseline of
extractive summarization; Nenkova, 2005).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Final

from .prose import first_of, is_prose, prose
from .sentences import fit, is_wide
from .text_blocks import Block, BlockKind

BLOCKS_READ_MAX: Final = 60
_SHORT_CHARS: Final = 110
_SHORT_WIDE_CHARS: Final = 45
"""A paragraph shorter than this leaves space for the next one."""
GOOD: Final = 1.1
"""Below this the headings of a text say more than its best sentence."""
_ENDED = re.compile(r"[.!?。！？…][\"'”’」』）)\]]{0,3}$")
_LEADS = (":", "：")
_ASKS_OR_LEADS = (*_LEADS, "?", "？")
# What follows continues something before it, or points elsewhere.
_DEPENDENT = re.compile(
    r"(?:The (?:other|latter|former|same|above|remaining|second|third|rest)|It(?! is (?:\w+ed to|possible)\b)|"
    r"They|He|She|Its|Their|These|Those|"
    r"Such|However|But|And|Or|So|Also|Then|Therefore|Thus|Moreover|Furthermore|Instead|Otherwise|Additionally|"
    r"Similarly|Finally|Next|Likewise|Hence|Again|Yet|Still|Here|There(?! (?:is|are)\b)|Both|Now|For example|For instance|"
    r"In (?:this|that) case|All (?:of )?(?:these|the (?:above|following))|"
    r"As (?:usual|mentioned|noted|we)|As (?:above|before|such)|On the other hand|In addition|Er|Sie|Es|Dies\w*|Jedoch|Aber|"
    r"Und|Oder|Dann|Außerdem|Daher|Deshalb|Zum Beispiel|Esto|Eso|Estos|Estas|Pero|Además|Entonces|Por ejemplo|"
    r"Sin embargo|También|Ils?|Elles?|Mais|Et|Donc|Ensuite|Cependant|Par exemple|Isso|Mas|Também|Portanto|Это|Он|"
    r"Она|Они|Но|Также|Поэтому)(?=[\s,:])|(?:它|他|她|这样|因此|但是|但|而且|此外|另外|然后|所以|同时|例如|比如|并且|其中|また|しかし|そして|たとえば|例えば|"
    r"そのため|ただし|なお|つまり|それ|これら|그러나|그리고|또한|예를 들어)"
)
_NOTICE = re.compile(
    r"\W{0,3}(?:(?:note|warning|tip|caution|important|attention|deprecated|(?:new|changed|added|removed) in|since|"
    r"see|todo|fixme|copyright|licen[sc]ed?|spdx|last (?:updated|modified|edited)|edit this|table of contents|"
    r"contents|click|download|read more|back to|translat\w+|auto-?generated|this (?:file|page|document) (?:is|"
    r"was) (?:auto|generated)\w*|do not edit|thank|thanks|welcome to|hello|hi|please|if you|make sure|"
    r"prerequisites?|requires?|released?|by|author|maintain\w*|version|date|python versions?|status|figure|image|"
    r"let's|we've|we'll|now, |so far|historically|screenshot|video|sponsor\w*|for [^.]{1,80}\bsee|"
    r"join|follow|subscribe|hinweis|achtung|siehe|nota|aviso|"
    r"véase|remarque|voir)(?!\w)|©|\(c\)|注意|提示|警告|参见|另请参阅|版权|更新于|最后更新|注記|メモ|参照|前提条件)",
    re.IGNORECASE,
)
# What only announces the text after it.
_ANNOUNCES = re.compile(
    r"\b(?:as follows|the following|below|following (?:\w+ ){1,3}(?:is|are)|here (?:is|are)|"
    r"listed here)\b|如下|以下|下面|下列|次の",
    re.IGNORECASE,
)
_REFERS = re.compile(
    r"\b(?:doing so|(?:with|of|in|by|to|for) (?:this|that|these|those))\b"
    r"(?! (?:page|document|guide|section|tutorial|chapter|topic|release|version))"
)
_DEFINES = re.compile(
    r"\b(?:is|are|was|provides?|contains?|describes?|explains?|covers?|defines?|implements?|lets?|allows?|enables?|helps?|shows|lists|"
    r"gives|supports|represents?|handles?|manages?|returns?|creates?|ist|sind|bietet|beschreibt|enthält|ermöglicht|zeigt|es|son|permite|"
    r"describe|proporciona|contiene|est|sont|permet|décrit|fournit|é|são)\b|是|用于|提供|介绍|描述|包含|です|します|できます|ます|입니다|합니다",
)


# The first line of a manual page: "git-add - Add file contents to the index".
_NAMED = re.compile(r"[\w.+-]{2,40} [-–—] \w")


@dataclass(frozen=True, slots=True)
class _Candidate:
    score: float
    order: int
    paragraph: list[str]
    at: int


def lead(
    found: Sequence[Block], title: str, chars_max: int, *, score_min: float = -9.0, sentences_max: int = 99
) -> str:
    """Return the best opening of these blocks, at most ``chars_max`` characters; "" if they have no prose that scores
    ``score_min``.

    It begins with the best of the first sentences of each paragraph (see ``_score``) and goes on with those that follow
    in it while they fit, or with the items of the list that it announces.
    """
    candidates: list[_Candidate] = []
    headings = paragraphs = 0
    for order, block in enumerate(found):
        if order >= BLOCKS_READ_MAX:
            break
        if block.kind is BlockKind.HEADING:
            headings += bool(candidates) or block.text != title
            continue
        sentences = prose(block)
        for at, sentence in enumerate(sentences[:3]):
            score = _score(sentence, block, headings, at, alone=len(sentences) == at + 1)
            # A shorter complete sentence is better than a cut one.
            score -= 0.6 if len(sentence) > chars_max else 0.0
            lists = sentence.endswith(_LEADS) and len(sentences) == at + 1 and _items(found[order + 1 : order + 2])
            score += 0.7 if lists else 0.0
            candidates.append(_Candidate(score - 0.2 * min(paragraphs, 4) - 0.01 * order, order, sentences, at))
        paragraphs += bool(sentences)
    if not candidates:
        return ""
    best = max(candidates, key=lambda c: (c.score, -c.order, -c.at))
    if best.score < score_min:
        return ""
    sentences = best.paragraph[best.at :][: 1 if found[best.order].kind is BlockKind.ITEM else sentences_max]
    items = _items(found[best.order + 1 :]) if sentences[-1].endswith(_LEADS) else []
    if listed := _listing(" ".join(sentences), items, chars_max):
        return listed
    if sentences_max > 1 and sum(map(len, sentences)) < (_SHORT_WIDE_CHARS if is_wide(sentences[0]) else _SHORT_CHARS):
        sentences += [c.paragraph[0] for c in candidates if c.order == best.order + 1 and c.at == 0 and c.score > GOOD]
    return _joined(sentences, chars_max)


def _items(after: Sequence[Block]) -> list[str]:
    """Return the first sentence of each item of the list that these blocks begin with."""
    listed = takewhile(lambda block: block.kind is BlockKind.ITEM, after)
    return [first_of(block) for block in listed]


def _listing(announced: str, items: Sequence[str], chars_max: int) -> str:
    """Return the sentence with as many of the items it announces as fit, or "" if none does."""
    wide = announced.endswith("：")
    shown = enumerated(items, chars_max - len(announced) - 1, wide=wide)
    return f"{announced.rstrip(':：')}{'：' if wide else ': '}{shown}" if shown else ""


def enumerated(names: Sequence[str], chars_max: int, *, wide: bool = False) -> str:
    """Return as many of these names as fit, "A; B; …"; "" if none does."""
    gap = "；" if wide else "; "
    shown, skipped = "", False
    for at, name in enumerate(names):
        more = f"{shown}{gap if shown else ''}{name}"
        rest = len(gap) + 1 if skipped or at + 1 < len(names) else 0
        if len(more) + rest > chars_max:
            skipped = True
        else:
            shown = more
    return f"{shown}{gap}…" if shown and skipped else shown


def _score(sentence: str, block: Block, headings: int, at: int, *, alone: bool = True) -> float:
    """Return how well a sentence opens: ended, prose, near the beginning, with its subject, not a notice."""
    wide = is_wide(sentence)
    size = len(sentence) * (2.5 if wide else 1)
    score = 2.0 - 0.25 * min(headings, 6) - 0.3 * at
    score -= {BlockKind.TEXT: 0.0, BlockKind.ITEM: 0.9, BlockKind.NOTE: 0.5}.get(block.kind, 0.0)
    score -= 0.0 if _ENDED.search(sentence) or sentence.endswith(_ASKS_OR_LEADS) else 0.4
    score -= 0.7 if sentence.endswith(_LEADS) else 0.3 if sentence.endswith(_ASKS_OR_LEADS) else 0.0
    score -= 0.4 if size < 30 and alone else 0.0
    score -= 0.3 if size > 300 else 0.0
    score -= 0.7 if _ANNOUNCES.search(sentence) and not sentence.endswith(_ASKS_OR_LEADS) else 0.0
    if not _begins(sentence) and not (block.names and at == 0):
        score -= 0.8
    if _NOTICE.match(sentence):
        score -= 0.8
    elif _DEPENDENT.match(sentence):
        score -= 0.95
    score -= 0.3 if _REFERS.search(sentence[:80]) else 0.0
    if _NAMED.match(sentence):
        score += 0.6
    if _DEFINES.search(sentence[:80]):
        score += 0.2
    return score


def _begins(sentence: str) -> bool:
    """True if a sentence starts at a beginning: no lower-case word that continues another line."""
    first = sentence.lstrip("\"'“‘«([「『（¿¡*")[:1]
    if not first.islower():
        return bool(first)
    word = sentence.split(maxsplit=1)[0]
    # A name in lower case is a subject: pip, httpx.get, snake_case.
    return (
        any(c in word for c in "._-()/0123456789")
        or any(c.isupper() for c in word)
        or len(sentence) > 40
        and _is_named(sentence)
    )


def _is_named(sentence: str) -> bool:
    rest = sentence.split(maxsplit=2)
    return len(rest) > 2 and rest[1] in {"is", "are", "provides", "has", "lets", "allows", "ist", "es", "est"}


def _joined(sentences: list[str], chars_max: int) -> str:
    text = sentences[0]
    gap = "" if is_wide(text) or text.endswith("。") else " "
    for sentence in sentences[1:]:
        stop = "" if _ENDED.search(text) or gap == "" else "."
        more = f"{text.rstrip(':')}{stop}{gap}{sentence}"
        if (
            len(more) > chars_max
            or not is_prose(sentence)
            or sentence.endswith(_ASKS_OR_LEADS)
            or _ANNOUNCES.search(sentence)
        ):
            break
        text = more
    text = fit(text, chars_max)
    return text[:-1] + ("。" if text[-1] == "：" else ".") if text.endswith((":", "：")) else text
