"""Sentences of a conversation worth quoting: statements with names, numbers, dates, decisions and preferences."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from recalld.domain.session import Message

from .moments import at_offset_of
from .sentences import first_sentence, fit, is_wide, sentences

MESSAGE_CHARS_SCANNED_MAX: Final = 3_000
"""A message is read in windows of this size, each to its end."""
WINDOWS_MAX: Final = 4_000
"""Of one archive: 6 to 12 million characters, up to half a minute."""
QUOTE_CHARS_MAX: Final = 400
DECISIVE: Final = 2.0
"""Lowest score of a quoted sentence: two independent signs that it states a fact."""

_CHAT = re.compile(
    r"(?:hi|hey|hello|yo|thanks?|thank you|thx|ok(?:ay)?|sure|yes|yep|yeah|no|nope|cool|great|nice|wow|awesome|"
    r"perfect|got it|sounds good|good (?:morning|night|evening|to (?:see|hear))|bye|goodbye|see you|take care|"
    r"talk (?:to you )?soon|congrat\w*|you'?re welcome|welcome|no problem|haha\w*|lol|certainly|absolutely|"
    r"of course|glad)\b|"
    r"(?:你好|您好|早上好|晚安|谢谢|多谢|感谢|好的|好吧|嗯|哈哈|再见|拜拜|不客气|"
    r"没问题|是的|对的|当然|太好了|太棒了|辛苦)",
    re.IGNORECASE,
)
_NUMBER = re.compile(
    r"\d|\b(?:two|three|four|five|six|seven|eight|nine|ten|dozen|hundred|thousand|million|half)\b|"
    r"[一二三四五六七八九十百千万两]+[个次年月日天岁元块号点周位人件]",
    re.IGNORECASE,
)
_DATE = re.compile(
    r"\b(?:today|yesterday|tomorrow|tonight|(?:mon|tues|wednes|thurs|fri|satur|sun)day|"
    r"(?:last|next|this) (?:week|month|year|spring|summer|fall|autumn|winter|weekend|night)|"
    r"january|february|march|april|june|july|august|september|october|november|december|"
    r"(?:years?|months?|weeks?|days?) ago|since|deadline)\b|"
    r"(?:今天|昨天|明天|后天|前天|今年|去年|明年|上周|下周|本周|上个?月|下个?月|"
    r"周[一二三四五六日末]|星期[一二三四五六日天]|月底|年底|截止)",
    re.IGNORECASE,
)
_DECISION = re.compile(
    r"\b(?:decided?|decision|agreed|chose|chosen|choose|picked|settled on|going to|gonna|plan(?:ning|ned)? (?:to|on)|"
    r"will (?:use|go|move|start|do|be|have|keep|switch|meet|visit)|we'll|i'll|let's (?:use|go|keep|do)|"
    r"signed|booked|bought|sold|moved?|started|finished|completed|launched|released|shipped|deployed|fixed|hired|"
    r"joined|left|quit|got (?:married|engaged|a|the|my|an)|married|divorced|born|adopted|graduated|enrolled|applied|"
    r"accepted|won|lost|broke|went|visited|met|switched|migrated|changed|set up|turned out|found out|realized|"
    r"learned|works? (?:at|for|as)|live[sd]? in|born in|diagnosed|painted|wrote|made|took|built)\b|"
    r"(?:决定|选择|选了|选定|同意|打算|计划|准备|将要|改为|改成|换成|采用|确定|定在|预订|买了|卖了|"
    r"搬到|搬家|开始|完成|上线|发布|部署|修复|入职|离职|辞职|结婚|离婚|出生|毕业|住在|来自|"
    r"在.{1,12}工作|去了|参加|发现|学会|诊断)",
    re.IGNORECASE,
)
_PREFERENCE = re.compile(
    r"\b(?:i|we|my \w+|she|he|they)(?:'m| am| is| are)? (?:really |always |usually |never |also |still |just )?"
    r"(?:like|love|prefer|hate|dislike|enjoy|allergic|afraid|vegetarian|vegan|can't stand|can't eat|"
    r"don't (?:like|eat|drink|use)|avoid|always|never)|"
    r"\b(?:favou?rite|allerg(?:y|ic)|always use|never use|please (?:always|never)|remember (?:that|to)|i'd rather|"
    r"keen on|passionate about|special to me)\b|"
    r"(?:喜欢|爱吃|爱喝|讨厌|不喜欢|偏好|更愿意|过敏|不吃|不喝|害怕|习惯|最爱|记住|记得|"
    r"务必|总是|从不|不要用|素食)",
    re.IGNORECASE,
)
_SELF = re.compile(r"\b(?:i|i'm|i've|i'd|i'll|my|we|we're|we've|our|me|us)\b|[我咱]", re.IGNORECASE)
_NAME = re.compile(
    r"(?<=[\w,;:] )[A-Z][\w'-]+|\b[A-Z][a-z]+[A-Z]\w*|\b[A-Z]{2,}\b|"
    r"[\u300a\u201c\"][^\u300b\u201d\"]{2,30}[\u300b\u201d\"]"
)
_REQUEST = re.compile(
    r"(?:(?:just )?(?:please|let me know|feel free)|can you|could you|would you|will you|help me|tell me|show me|"
    r"give me|write|explain|what|how|why|which|when|where|who|is it|are there|do you|does|did you|if you|by \w+ing)\b|"
    r"(?:请问|帮我|能不能|可以.{0,12}吗|怎么|为什么|什么|告诉我|给我)",
    re.IGNORECASE,
)
_QUESTION_END = ("?", "？", "吗", "呢")
_ENDS = (".", "!", "?", "。", "！", "？", "…")
_FENCE = re.compile(r"^[ \t]{0,3}```", re.MULTILINE)
_CODE = re.compile(r"[{}<>=;]{2,}|\w\(.*\)|^\W{3,}|->->|https?://\S{60,}")
_CHARS_MIN, _WIDE_CHARS_MIN, _CHARS_MAX = 24, 7, 420


@dataclass(frozen=True, slots=True)
class Statement:
    """One sentence of a message, its score (0 = states no fact) and its window in a long message."""

    message: Message
    text: str
    score: float
    window: int = 0


def speaker(message: Message) -> str:
    """Return the peer if one is named, else the role."""
    return message.peer_id or message.role or "someone"


def day(message: Message) -> str:
    """Return ``YYYY-MM-DD`` of the message at the offset of its own time stamp (UTC if it has none)."""
    return f"{moment(message):%Y-%m-%d}"


def moment(message: Message) -> datetime:
    """Return the message's time at the offset of its own stamp."""
    return at_offset_of(message.created_at, message.at)


def statements(message: Message, windows_max: int | None = None) -> list[Statement]:
    """Return a message's sentences in order, each scored. A long message is read window by window, to its end (None) or
    for ``windows_max`` windows."""
    return [s for at, text in enumerate(windows(message.text)[:windows_max]) for s in _statements(message, text, at)]


def statements_of(messages: Sequence[Message]) -> Iterator[tuple[Message, list[Statement]]]:
    """Return the statements of each message. All messages together are read for ``WINDOWS_MAX`` windows; after that
    only the first window of each message is read, so the time is bounded."""
    left = WINDOWS_MAX
    for message in messages:
        whole = len(message.text) // (MESSAGE_CHARS_SCANNED_MAX // 2) + 1
        yield message, statements(message, max(1, left))
        left -= whole


def windows(text: str, chars_max: int = MESSAGE_CHARS_SCANNED_MAX) -> list[str]:
    """Split a text into windows of at most ``chars_max`` characters (slightly more if one begins inside a code fence),
    at line or sentence ends if possible; [text] if it is short."""
    found: list[str] = []
    start, fenced = 0, False
    while start < len(text) or not found:
        end = min(start + chars_max, len(text))
        if end < len(text):
            ends = [text.rfind(mark, start + chars_max // 2, end) for mark in ("\n", ". ", "。", "! ", "? ", " ")]
            end = next((at + 1 for at in ends if at > 0), end)
        piece = text[start:end]
        found.append(f"```\n{piece}" if fenced else piece)
        fenced ^= len(_FENCE.findall(piece)) % 2 == 1
        start = end
    return found


def _statements(message: Message, window: str, number: int) -> list[Statement]:
    found = sentences(window, MESSAGE_CHARS_SCANNED_MAX)
    # Long explanations state general facts, not events.
    lecture_penalty = 0.75 if len(found) > 12 else 0.0
    assistant_penalty = 1.5 if message.role == "assistant" and not message.peer_id else 0.0
    scored: list[Statement] = []
    for i, text in enumerate(found):
        torn = i > 0 and len(found[i - 1]) > _CHARS_MAX and not found[i - 1].endswith(_ENDS)
        scored.append(
            Statement(
                message, text, 0.0 if torn else max(0.0, decisive(text) - lecture_penalty - assistant_penalty), number
            )
        )
    return scored


def decisive(sentence: str) -> float:
    """Return how strongly a sentence states a fact worth remembering; 0 for questions, requests, greetings, code and
    fragments."""
    wide = is_wide(sentence)
    if len(sentence) < (_WIDE_CHARS_MIN if wide else _CHARS_MIN) or len(sentence) > _CHARS_MAX:
        return 0.0
    if sentence.endswith(_QUESTION_END) or _CODE.search(sentence):
        return 0.0
    greeting = _CHAT.match(sentence)
    if greeting and len(sentence) < (14 if wide else 60):
        return 0.0
    preference = 1.5 if _PREFERENCE.search(sentence) else 0.0
    if _REQUEST.match(sentence) and not preference:
        return 0.0
    return (
        preference
        + (1.0 if _DECISION.search(sentence) else 0.0)
        + (1.0 if _DATE.search(sentence) else 0.0)
        + (0.75 if _NUMBER.search(sentence) else 0.0)
        + min(1.0, 0.5 * len(_NAME.findall(sentence)))
        + (0.5 if _SELF.search(sentence) else 0.0)
        - (0.5 if greeting else 0.0)
    )


def quote(message: Message, text: str) -> str:
    """Return a quotation with speaker, date and message id: ``> words — Ana, 2024-05-08, msg_1``."""
    words = fit(text, QUOTE_CHARS_MAX)
    return f"> {words} — {speaker(message)}, {day(message)}, {message.id}"


def opening(message: Message, chars_max: int = 160) -> str:
    """Return the first meaningful sentence of a message."""
    for sentence in sentences(message.text[:MESSAGE_CHARS_SCANNED_MAX], 6):
        if not _CHAT.match(sentence) and len(sentence) >= 6:
            return fit(sentence, chars_max)
    return first_sentence(message.text, chars_max)


def speakers(messages: Sequence[Message]) -> list[str]:
    """Return the speakers in order of their first message."""
    return list(dict.fromkeys(speaker(message) for message in messages))
