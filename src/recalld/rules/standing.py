"""Standing instructions and preferences in messages of a user, and the queries they concern. Rules for six languages."""

from __future__ import annotations

import re

INSTRUCTION, PREFERENCE = 1, 2
"""Bits of ``Chunk.traits``."""
PREFERENCE_CHARS = 300
"""A preference stands near the beginning of a message; later ones are mostly part of a story."""

_INSTRUCTION = re.compile(
    r"\s*(?:"
    r"(?:please )?(?:always|never)\b|from now on\b|whenever i\b|remember(?: that)? i\b|when(?:ever)? i ask\b"
    r"|(?:bitte )?(?:immer|niemals|nie)\b|ab (?:jetzt|sofort)\b|von nun an\b|(?:immer )?wenn ich (?:dich |sie )?(?:frage|nach)\b"
    r"|(?:por favor,? )?(?:siempre|nunca)\b|(?:a partir de ahora|de ahora en adelante)\b|cuando (?:te )?pregunte\b"
    r"|(?:toujours|jamais)\b|ne \w+ jamais\b|désormais\b|dorénavant\b|à partir de maintenant\b|quand je (?:te |vous )?demande\b"
    r"|(?:请|以后|今后|从现在起|从今以后|从现在开始|始终|总是|一律|务必|永远|每当我|每次我|当我问)"
    r"|(?:いつも|常に|今後は|これからは|必ず|絶対に|決して)"
    r")",
    re.IGNORECASE,
)
_PREFERENCE = re.compile(
    r"\bi(?:'d| would)? (?:really |kinda |also |always |usually )?(?:prefer|rather|hate|love|like to)\b|\bmy preference\b"
    r"|\bi(?:'m| am) (?:allergic|vegetarian|vegan)\b"
    r"|\bich (?:bevorzuge|hasse|liebe|mag|esse lieber|möchte lieber)\b|\bmir ist lieber\b|\bich bin (?:allergisch|vegetarier|vegan)"
    r"|\bprefiero\b|\bme (?:gusta|gustan|encanta|gustaría)\b|\bodio\b|\bno soporto\b|\bsoy (?:alérgic|vegetarian|vegan)"
    r"|\bje (?:préfère|déteste)\b|\bj'(?:aime|adore)\b|\bje suis (?:allergique|végétarien|végan|végane)"
    r"|我(?:更|比较|最|很|特别|非常)?(?:喜欢|偏好|偏爱|讨厌|不喜欢|宁愿|宁可)|我的偏好|我对.{1,8}过敏|我(?:吃素|是素食)"
    r"|好みです|(?:が|は)(?:好き|嫌い|苦手)|の方がいい|アレルギー",
    re.IGNORECASE,
)
_FACTUAL = re.compile(
    r"\bhow (?:many|much|long|old|often)\b|\bwhen (?:did|was|were|is|do)\b|\bhave i\b|\bdid i\b|\bin (?:which |what |the )?order\b"
    r"|\bconsidering\b|\bi (?:mentioned|brought up|completed|had|started)\b"
    r"|\bwie ?viele?\b|\bwann\b|\bhabe ich\b|\bwie (?:oft|lange)\b|\breihenfolge\b"
    r"|\bcuánt[oa]s?\b|\bcuándo\b|\b(?:he|hice|dije|mencioné)\b|\ben qué orden\b"
    r"|\bcombien\b|\bquand (?:ai|est|as|a)\b|\bai-je\b|\bdans quel ordre\b"
    r"|多少|多久|几[个次天年月人点]|什么时候|何时|哪天|我(?:有没有|是否|提到|说过)|顺序"
    r"|いくつ|何(?:回|人|個|年|月|日|時)|いつ|順番",
    re.IGNORECASE,
)


def standing_traits(text: str) -> int:
    """Return the bits of a user's words: ``INSTRUCTION`` for one that holds from now on, ``PREFERENCE`` for a preference."""
    instruction = INSTRUCTION if _INSTRUCTION.match(text) else 0
    return instruction | (PREFERENCE if _PREFERENCE.search(text[:PREFERENCE_CHARS]) else 0)


def is_request(query: str) -> bool:
    """Return True unless the query is about a fact: a number, a date, an order of events, what the user said or did."""
    return _FACTUAL.search(query) is None
