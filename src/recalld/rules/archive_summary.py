"""L0 and L1 of a session archive: dates, speakers, topic; every line is a quotation."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final

from recalld.domain.policy import ABSTRACT_CHARS_MAX, OVERVIEW_CHARS_MAX
from recalld.domain.session import Message

from .fact_sentences import DECISIVE, MESSAGE_CHARS_SCANNED_MAX, Statement, day, opening, quote, speakers, statements_of
from .salience import best
from .sentences import fit, sentences

MESSAGES_SCANNED_MAX: Final = 2_000
SECTIONS: Final = (
    "Session Title",
    "Current State",
    "Task & Goals",
    "Key Facts & Decisions",
    "Files & Context",
    "Errors & Corrections",
    "Open Issues",
)
"""OpenViking's seven sections, in its order."""

_PER_SECTION_MAX: Final = 6
_QUOTE_CHARS: Final = 180
_GOAL = re.compile(
    r"\b(?:i (?:want|need|would like|plan|hope|intend|aim)|i'd like|we (?:want|need|should|must|plan)|let's|"
    r"goal|task|help me|please|working on|trying to|going to|gonna|have to)\b|"
    r"(?:想要?|需要|打算|目标|任务|帮我|请|希望|计划|正在做|必须)",
    re.IGNORECASE,
)
_FILE = re.compile(
    r"viking://\S|https?://\S|(?:^|[\s`\"'(])[\w./~-]{1,80}\.(?:py|js|ts|tsx|md|json|ya?ml|toml|go|rs|"
    r"java|c|cpp|h|html|css|csv|sql|sh|txt|pdf|docx?|xlsx?|png|jpe?g)\b",
    re.IGNORECASE,
)
_ERROR = re.compile(
    r"\b(?:error|exception|traceback|fail(?:s|ed|ure)?|bug|broken|crash(?:es|ed)?|wrong|mistake|"
    r"doesn't work|not working|actually|correction|instead of|sorry|i meant|incorrect)\b|"
    r"(?:错误|报错|异常|失败|崩溃|不对|其实|更正|弄错|改正|搞错|抱歉)",
    re.IGNORECASE,
)
_OPEN = re.compile(
    r"\b(?:todo|to do|later|next step|still (?:need|have|open|waiting)|not yet|pending|remains?|"
    r"follow[- ]?up|unclear|blocked)\b|"
    r"(?:待办|稍后|下一步|还没|尚未|还需要|未解决|等待|待定)",
    re.IGNORECASE,
)


def abstract_of_archive(messages: Sequence[Message]) -> str:
    """L0: ``2024-05-08 to 2024-05-10, Ana and Ben, 24 messages: "..."``, at most 256 characters."""
    if not messages:
        return "No messages."
    first, last = min(day(m) for m in messages), max(day(m) for m in messages)
    when = first if first == last else f"{first} to {last}"
    who = speakers(messages)
    named = ", ".join(who[:3]) + (f" and {len(who) - 3} more" if len(who) > 3 else "")
    lead = fit(f"{when}, {named}, {len(messages)} message{'' if len(messages) == 1 else 's'}", 150)
    sentence = _topic(messages, ABSTRACT_CHARS_MAX - len(lead) - 4)
    return f'{lead}: "{sentence}"' if sentence else lead


def overview_of_archive(messages: Sequence[Message]) -> str:
    """L1: the seven fixed sections in order, filled with quotations alone, at most 4,000 characters."""
    spoken = [s for _, found in statements_of(_scanned(messages)) for s in found]
    used: set[tuple[str, str]] = set()
    ended = {m.id for m in messages[-6:]}
    bodies = [
        [_topic(messages, 120) or "Untitled"],
        [_short(m, sentence) for m in messages[-3:] if (sentence := opening(m))],
        _quotes(spoken, lambda s: bool(_GOAL.search(s.text)), used),
        _quotes(spoken, lambda s: s.score >= DECISIVE, used),
        _quotes(spoken, lambda s: bool(_FILE.search(s.text)), used),
        _quotes(spoken, lambda s: bool(_ERROR.search(s.text)), used),
        _quotes(
            spoken,
            lambda s: bool(_OPEN.search(s.text)) or (s.message.id in ended and s.text.endswith(("?", "？"))),
            used,
        ),
    ]
    return _joined(bodies)


def _joined(bodies: list[list[str]]) -> str:
    """Return the sections as Markdown; while it is too long, the longest section loses its last line."""
    while True:
        text = "\n\n".join(
            f"## {title}\n" + ("\n".join(body) or "None.") for title, body in zip(SECTIONS, bodies, strict=True)
        )
        if len(text) <= OVERVIEW_CHARS_MAX:
            return text
        max(bodies, key=lambda body: sum(map(len, body))).pop()


def _scanned(messages: Sequence[Message]) -> Sequence[Message]:
    """Return all messages, or the first and last thousand: goal and outcome are at the ends."""
    if len(messages) <= MESSAGES_SCANNED_MAX:
        return messages
    half = MESSAGES_SCANNED_MAX // 2
    return [*messages[:half], *messages[-half:]]


def _topic(messages: Sequence[Message], chars_max: int) -> str:
    """Return the sentence closest to the main topic of the messages."""
    user_messages = [m for m in _scanned(messages) if m.role != "assistant" or m.peer_id] or messages
    candidates = [
        sentence
        for message in user_messages[:200]
        for sentence in sentences(message.text[: MESSAGE_CHARS_SCANNED_MAX // 4], 3)
        if len(sentence) > 12
    ]
    found = best(candidates[:200], chars_max=max(20, chars_max))
    return found or (opening(messages[0], max(20, chars_max)) if messages else "")


def _quotes(spoken: Sequence[Statement], wanted: Callable[[Statement], bool], used: set[tuple[str, str]]) -> list[str]:
    """Return the most decisive matching sentences not quoted before, in message order."""
    fresh = [(i, s) for i, s in enumerate(spoken) if (s.message.id, s.text) not in used and wanted(s)]
    chosen = sorted(sorted(fresh, key=lambda pair: (-pair[1].score, pair[0]))[:_PER_SECTION_MAX])
    used.update((s.message.id, s.text) for _, s in chosen)
    return [_short(s.message, s.text) for _, s in chosen]


def _short(message: Message, text: str) -> str:
    return quote(message, fit(text, _QUOTE_CHARS))
