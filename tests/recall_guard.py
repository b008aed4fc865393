"""The recall guard: a small store of committed texts, and the answers of ``find`` to committed questions about it.

``tests/data/recall_guard`` holds frozen copies of the project's pages and example conversation, Chinese notes and skills of
our own, and the questions in the format of ``recalld eval`` with their floors. The copies stay as they are when the pages
change, so that the figures move with the code alone.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from recalld.app.engine import Engine
from recalld.rules.evaluation import Outcome, Suite, judge, parse_suite

FOLDER = Path(__file__).parent / "data" / "recall_guard"
SUITES: Mapping[str, Suite] = {
    path.stem: parse_suite(path.read_text(encoding="utf-8")) for path in sorted((FOLDER / "questions").glob("*.yaml"))
}
LIMIT = 10
WEAK, WEAK_IN_STORE = "weak", "weak-in-store"
"""Tags of a case without a right answer among the first three when the floors were measured: below its suite's address,
in the whole store."""
UNRELATED = 1_280
"""Ten times the 128 pages, notes, skills and messages."""
BATCH = 256
WAIT_S = 60

_WORDS: Mapping[str, list[str]] = yaml.safe_load((FOLDER / "unrelated_words.yaml").read_text(encoding="utf-8"))


@dataclass(frozen=True, slots=True)
class Answers:
    """The outcomes and hits of all questions, by kind and by case id. ``hits``: (address, score), best first."""

    outcomes: Mapping[str, tuple[Outcome, ...]]
    hits: Mapping[str, tuple[tuple[str, float], ...]]


@dataclass(frozen=True, slots=True)
class Measurement:
    """Answers below each suite's address and from the whole store, before and after unrelated files were added."""

    below: Answers
    everywhere: Answers
    below_among_unrelated: Answers
    everywhere_among_unrelated: Answers


def measure(data: Path) -> Measurement:
    """Fill a store in ``data`` and return the answers to all questions."""
    return asyncio.run(_measure(data))


async def _measure(data: Path) -> Measurement:
    async with Engine.open(data, embedder={"provider": "static"}) as engine:
        await _fill(engine)
        below, everywhere = await _ask(engine, scoped=True), await _ask(engine, scoped=False)
        await _add_unrelated(engine)
        return Measurement(below, everywhere, await _ask(engine, scoped=True), await _ask(engine, scoped=False))


async def _fill(engine: Engine) -> None:
    for folder in ("pages", "notes"):
        await engine.add(FOLDER / folder, to=f"viking://resources/{folder}", wait=True, timeout_s=WAIT_S)
    for skill in sorted((FOLDER / "skills").iterdir()):
        await engine.skills.add((skill / "SKILL.md").read_text(encoding="utf-8"))
    for session in json.loads((FOLDER / "conversation.json").read_text(encoding="utf-8"))["sessions"]:
        await engine.sessions.append(session["id"], session["messages"])
    await engine.wait(timeout_s=WAIT_S)


async def _add_unrelated(engine: Engine) -> None:
    texts = unrelated(UNRELATED)
    for begin in range(0, len(texts), BATCH):
        items = [
            engine.operation(f"viking://resources/unrelated/{begin + n:04}.md", text.encode(), "create")
            for n, text in enumerate(texts[begin : begin + BATCH])
        ]
        await engine.write_many("viking://resources/unrelated", items, wait=False)
    await engine.wait(timeout_s=WAIT_S)


async def _ask(engine: Engine, *, scoped: bool) -> Answers:
    outcomes, hits = {}, {}
    for kind, suite in SUITES.items():
        kind_outcomes = []
        for case in suite.cases:
            answer = await engine.find(
                case.question, target_uri=suite.below if scoped else "", limit=LIMIT, score_threshold=0.0
            )
            hits[case.id] = tuple((str(hit.uri), hit.score) for hit in answer.hits)
            kind_outcomes.append(judge(case, [uri for uri, _ in hits[case.id]], degraded=answer.degraded))
        outcomes[kind] = tuple(kind_outcomes)
    return Answers(outcomes, hits)


def unrelated(count: int) -> list[str]:
    """Return Markdown texts, by seed: two in three English, the others Chinese. No question is about any of them."""
    chance = random.Random(15)
    return [_chinese(chance, n) if n % 3 == 2 else _english(chance, n) for n in range(count)]


def _english(chance: random.Random, number: int) -> str:
    nouns, verbs, places = _WORDS["nouns"], _WORDS["verbs"], _WORDS["places"]
    lines = [
        f"Near {chance.choice(places)} the {chance.choice(nouns)} {chance.choice(verbs)} beside a {chance.choice(nouns)}."
        for _ in range(4)
    ]
    return f"# {chance.choice(nouns).capitalize()} of {chance.choice(places)} {number}\n\n{' '.join(lines)}\n"


def _chinese(chance: random.Random, number: int) -> str:
    nouns, verbs = _WORDS["han_nouns"], _WORDS["han_verbs"]
    lines = [f"{chance.choice(nouns)}在{chance.choice(nouns)}旁边{chance.choice(verbs)}。" for _ in range(4)]
    return f"# {chance.choice(nouns)}{number}\n\n{''.join(lines)}\n"


def lost(outcomes: Sequence[Outcome], weak: str) -> list[Outcome]:
    """Return the outcomes without a right answer among the first three hits, without the cases that have the tag ``weak``."""
    return [one for one in outcomes if not 0 < one.rank <= 3 and weak not in one.case.tags]
