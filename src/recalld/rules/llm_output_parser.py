"""A tolerant parser of language model output: JSON within prose or fences, truncated answers, single bad items."""

from __future__ import annotations

import json
import re
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from recalld.domain.policy import ABSTRACT_CHARS_MAX, OVERVIEW_CHARS_MAX

from .sentences import fit

ANSWER_CHARS_MAX: Final = 65_536
MEMORIES_MAX: Final = 20
TITLE_CHARS_MAX: Final = 80
TEXT_CHARS_MAX: Final = 600
_TRIES_MAX: Final = 200
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
_THOUGHT = re.compile(r"\A\s*<think>.*?</think>", re.S)
_DECODER = json.JSONDecoder(strict=False)


@dataclass(frozen=True, slots=True)
class ProposedMemory:
    """One memory proposed by the model; ``labels``: the known messages it quotes."""

    type: str
    title: str
    text: str
    labels: tuple[str, ...]


def parse_tiers(answer: str) -> tuple[str, str] | None:
    """Return abstract and overview within their limits; None without an abstract. A missing overview is ""."""
    text = _without_thoughts(answer)
    for found in _objects(text):
        abstract, overview = found.get("abstract"), found.get("overview")
        if isinstance(abstract, str) and abstract.strip():
            return _tiers(abstract, overview if isinstance(overview, str) else "")
    # The answer was truncated inside a string: use what is there.
    partial = _field(text, "abstract")
    return _tiers(partial, _field(text, "overview")) if partial.strip() else None


def parse_memories(answer: str, known: Container[str], types: Sequence[str]) -> tuple[ProposedMemory, ...] | None:
    """Return every valid item: a type of ``types``, text, and at least one ``known`` message. None: no list was found."""
    text = _without_thoughts(answer)
    listed = False
    found: dict[tuple[str, str], ProposedMemory] = {}
    for candidate in _objects(text):
        items = candidate.get("memories")
        listed = listed or isinstance(items, list)
        for item in items if isinstance(items, list) else [candidate]:
            one = _memory(item, known, types)
            if one is not None and len(found) < MEMORIES_MAX:
                found.setdefault((one.type, one.text), one)
    empty = re.search(r"\[\s*\]", text) is not None
    return tuple(found.values()) if found or listed or empty else None


def _memory(item: Any, known: Container[str], types: Sequence[str]) -> ProposedMemory | None:
    if not isinstance(item, dict) or item.get("type") not in types:
        return None
    title, text, quoted = item.get("title"), item.get("text"), item.get("messages")
    if not isinstance(text, str) or not text.strip() or not isinstance(quoted, list):
        return None
    labels = tuple(dict.fromkeys(label for raw in quoted if (label := str(raw).strip("[] ")) in known))
    if not labels:
        return None
    words = fit(_flat(text), TEXT_CHARS_MAX)
    named = _flat(title) if isinstance(title, str) else ""
    return ProposedMemory(str(item["type"]), fit(named or words, TITLE_CHARS_MAX), words, labels) if words else None


def _tiers(abstract: str, overview: str) -> tuple[str, str] | None:
    short = _flat(abstract)
    if not short:
        return None
    return fit(short, ABSTRACT_CHARS_MAX), fit(_CONTROLS.sub("", overview), OVERVIEW_CHARS_MAX)


def _without_thoughts(answer: str) -> str:
    return _THOUGHT.sub("", answer[:ANSWER_CHARS_MAX])


def _objects(text: str) -> Iterator[dict[str, Any]]:
    """Yield JSON objects in reading order, wherever they are; of an unterminated object, the complete ones inside
    it."""
    at = tries = 0
    while tries < _TRIES_MAX and (at := text.find("{", at)) >= 0:
        tries += 1
        try:
            found, at = _DECODER.raw_decode(text, at)
        except (ValueError, RecursionError):
            at += 1
            continue
        if isinstance(found, dict):
            yield found


def _field(text: str, name: str) -> str:
    """Return a string field of a truncated object, as far as it goes."""
    found = re.search(rf'"{name}"\s*:\s*"((?:[^"\\]|\\.)*)', text)
    if found is None:
        return ""
    try:
        return str(json.loads(f'"{found[1]}"', strict=False))
    except ValueError:
        return found[1].replace("\\n", "\n").replace('\\"', '"')


def _flat(text: str) -> str:
    return " ".join(_CONTROLS.sub(" ", text).split())
