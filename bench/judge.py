"""Samples of generated texts for a judge, and the table of the verdicts.

    python -m bench.judge draw STORE --root viking://resources --count 40 --seed 15 > samples.jsonl
    python -m bench.judge table samples.jsonl verdicts.jsonl

``draw`` chooses, by seed, abstracts of files, abstracts of directories and overviews of directories. STORE is the data folder of
a stopped server. ``bench/data/JUDGING.md`` is the rubric and describes both files.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, get_args

from recalld import Engine

Level = Literal["file-L0", "directory-L0", "directory-L1"]
Verdict = Literal["good", "weak", "bad"]
CRITERIA = frozenset({"faithful", "self-contained", "content", "language", "markup"})
SOURCE_CHARS = 600
NODES_MAX = 100_000
DEPTH = 64


@dataclass(frozen=True, slots=True)
class Item:
    """A node below the root: its address, whether it is a directory, and its abstract."""

    uri: str
    is_dir: bool
    abstract: str

    @property
    def parent(self) -> str:
        """The address of the directory that holds it."""
        return self.uri.rstrip("/").rpartition("/")[0]


@dataclass(frozen=True, slots=True)
class Sample:
    """A text to judge. ``path`` is below the root; ``source`` is the beginning of the file, or the directory's children."""

    uri: str
    level: Level
    text: str
    path: str
    source: str


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict on the sample with this address and level; ``fails`` names the criteria that are not met."""

    uri: str
    level: Level
    verdict: Verdict
    fails: tuple[str, ...]
    reason: str


def choose(items: Sequence[Item], count: int, seed: int) -> list[tuple[Item, Level]]:
    """``count`` items per level (fewer if there are no more), by seed: the same items for the same tree, in the order of addresses.

    The texts do not decide what is drawn, so that two states of the generator are judged on the same nodes."""
    files = sorted((item for item in items if not item.is_dir), key=lambda item: item.uri)
    directories = sorted((item for item in items if item.is_dir), key=lambda item: item.uri)
    chosen: list[tuple[Item, Level]] = []
    for level, pool in zip(get_args(Level), (files, directories, directories), strict=True):
        drawn = random.Random(f"{seed}:{level}").sample(pool, min(count, len(pool)))
        chosen += [(item, level) for item in sorted(drawn, key=lambda item: item.uri)]
    return chosen


def children(items: Iterable[Item], uri: str) -> str:
    """The directory's children, one a line: name and abstract."""
    rows = [item for item in items if item.parent == uri.rstrip("/")]
    return "\n".join(f"{item.uri.rpartition('/')[2]}{'/' if item.is_dir else ''}: {item.abstract}" for item in rows)


async def draw(engine: Engine, root: str, count: int, seed: int) -> list[Sample]:
    """The samples below ``root``."""
    found = await engine.tree(root, depth=DEPTH, limit=NODES_MAX)
    items = [Item(str(entry.node.uri), entry.node.is_dir, entry.node.abstract) for entry in found]
    samples = []
    for item, level in choose(items, count, seed):
        text = await engine.overview(item.uri) if level == "directory-L1" else item.abstract
        origin = children(items, item.uri) if item.is_dir else await engine.read(item.uri)
        path = item.uri.removeprefix(root).strip("/")
        samples.append(Sample(item.uri, level, text, path, origin[:SOURCE_CHARS]))
    return samples


def load_judgements(path: Path) -> list[Judgement]:
    """The verdicts of a file. Raises ``ValueError`` for an unknown word, and for a verdict without reason."""
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        one = Judgement(**{**row, "fails": tuple(row["fails"])})
        known = one.verdict in get_args(Verdict) and one.level in get_args(Level) and CRITERIA.issuperset(one.fails)
        if not known or (one.verdict != "good" and not (one.fails and one.reason)):
            raise ValueError(f"{path}: {line} is no verdict of bench/data/JUDGING.md")
        found.append(one)
    return found


def table(samples: Sequence[Sample], judgements: Sequence[Judgement]) -> str:
    """Per level: samples, verdicts in per cent of the judged, failed criteria. Raises ``ValueError`` for a verdict on no sample."""
    wanted = {(one.uri, one.level) for one in samples}
    verdicts = {(one.uri, one.level): one for one in judgements}
    if foreign := sorted(set(verdicts) - wanted):
        raise ValueError(f"no sample has the address and level {foreign[0]}")
    rows: dict[str, list[Judgement]] = defaultdict(list)
    for (_, level), one in verdicts.items():
        rows[level].append(one)
        rows["all"].append(one)
    lines = ["| level | samples | judged | good | weak | bad | criteria not met |", "|---|---|---|---|---|---|---|"]
    for level in (*get_args(Level), "all"):
        drawn = sum(level in ("all", sample.level) for sample in samples)
        judged = rows[level]
        shares = Counter(one.verdict for one in judged)
        cells = [f"{100 * shares[name] / max(1, len(judged)):.0f} %" for name in get_args(Verdict)]
        fails = Counter(name for one in judged for name in one.fails).most_common()
        named = ", ".join(f"{name} {count}" for name, count in fails)
        lines.append(f"| {level} | {drawn} | {len(judged)} | {' | '.join(cells)} | {named} |")
    return "\n".join(lines)


async def _draw(arguments: argparse.Namespace) -> None:
    async with Engine.open(arguments.store, worker="none") as engine:
        samples = await draw(engine, arguments.root, arguments.count, arguments.seed)
    for sample in samples:
        print(json.dumps(asdict(sample), ensure_ascii=False))


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Draw generated texts for a judge, or show the verdicts.")
    commands = parser.add_subparsers(dest="command", required=True)
    drawing = commands.add_parser("draw")
    drawing.add_argument("store", type=Path, help="a data folder that no process has open")
    drawing.add_argument("--root", default="viking://resources")
    drawing.add_argument("--count", type=int, default=40, help="per level")
    drawing.add_argument("--seed", type=int, default=15)
    showing = commands.add_parser("table")
    showing.add_argument("samples", type=Path)
    showing.add_argument("verdicts", type=Path)
    arguments = parser.parse_args()
    if arguments.command == "draw":
        asyncio.run(_draw(arguments))
        return
    samples = [Sample(**json.loads(line)) for line in arguments.samples.read_text(encoding="utf-8").splitlines()]
    print(table(samples, load_judgements(arguments.verdicts)))


if __name__ == "__main__":
    main()
