"""Questions about the documentation trees of ``bench.doc_trees``: their file format, their targets' words, their halves.

    python -m bench.doc_questions targets DIR     # the table of titles and headings, after a change of the questions
    python -m bench.doc_questions draw DIR --seed 15 --count 40    # targets for new questions

A question must not repeat a word of its target's file name, title or headings: it stands for a reader who does not know
the document's vocabulary.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath

import Stemmer
import yaml

from bench.doc_trees import headings, manifest

FOLDER = Path(__file__).with_name("data") / "doc_questions"
TARGETS = FOLDER / "targets.tsv"
HALVES = ("dev", "kept")
HEADINGS_MAX = 24
"""A file with more headings is a reference list: nearly every word of the field stands in one of them."""
PROSE_CHARS_MIN = 500
_WORD = re.compile(r"[A-Za-zÀ-ž][A-Za-zÀ-ž0-9]+")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_HAN = re.compile(r"[\u3400-\u9fff]+")
_SKIP = re.compile(r"(?i)/releases/|(change|release|index|contributors|authors|licen)[^/]*$")
_NO_PROSE = re.compile(r"(?im)^(`{3}.*?^`{3}|:::.*|import .*|\s*\.\. .*|\|.*)$")
STOP_WORDS = frozenset((FOLDER / "stop_words.txt").read_text(encoding="utf-8").split())


@dataclass(frozen=True, slots=True)
class Case:
    """A question with the files that a careful reader would accept as its answer."""

    id: str
    question: str
    expect: tuple[str, ...]
    """Paths below the folder of the trees, each perhaps with ``#heading``."""
    tags: tuple[str, ...]
    note: str = ""


def load(path: Path) -> tuple[Case, ...]:
    """The cases of a file. Raises ``TypeError`` for an unknown or missing field."""
    rows = yaml.safe_load(path.read_text(encoding="utf-8"))["cases"]
    return tuple(Case(**{**row, "expect": tuple(row["expect"]), "tags": tuple(row["tags"])}) for row in rows)


def files() -> list[Path]:
    """The question files, in order."""
    return sorted(FOLDER.glob("*.yaml"))


def expected_paths(cases: Iterable[Case]) -> list[str]:
    """The files that the cases expect, without headings, each once, sorted."""
    return sorted({one.partition("#")[0] for case in cases for one in case.expect})


@cache
def _stemmers() -> tuple[Stemmer.Stemmer, ...]:
    return Stemmer.Stemmer("english"), Stemmer.Stemmer("german")


def stems(text: str) -> frozenset[str]:
    """Content stems: words of Latin letters without stop words, stemmed; pairs of neighbouring Chinese characters."""
    words = [word.lower() for word in _WORD.findall(_CAMEL.sub(" ", text.replace("_", " ").replace("’", "'")))]
    content = [word for word in words if word not in STOP_WORDS]
    found = {stem for stemmer in _stemmers() for stem in stemmer.stemWords(content)}
    for run in _HAN.findall(text):
        found |= {run[at : at + 2] for at in range(len(run) - 1)} - STOP_WORDS
    return frozenset(found)


def targets() -> dict[str, frozenset[str]]:
    """For each expected file the content stems of its name and headings, from the committed table."""
    rows = [line.split("\t", 1) for line in TARGETS.read_text(encoding="utf-8").splitlines()]
    return {path: stems(f"{PurePosixPath(path).stem} {words}") for path, words in rows}


def half(case_id: str) -> str:
    """``dev`` or ``kept``, from the id alone, so that a new question moves no other."""
    return HALVES[hashlib.sha256(f"15:{case_id}".encode()).digest()[0] % 2]


def prose_chars(text: str) -> int:
    """Characters of the text without code fences, directives, tables and imports."""
    plain = re.sub(r"(?ms)^\s*```.*?^\s*```", "", text)
    return len(_NO_PROSE.sub("", plain))


def candidates(folder: Path, tree: str) -> Iterator[str]:
    """Paths of the tree's prose: long enough, not a reference list, no change log."""
    for path in sorted((folder / tree).rglob("*")):
        if not path.is_file() or _SKIP.search(path.relative_to(folder).as_posix()):
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        if prose_chars(text) >= PROSE_CHARS_MIN and 1 <= len(headings(text)) <= HEADINGS_MAX:
            yield path.relative_to(folder).as_posix()


def draw(folder: Path, tree: str, count: int, seed: int) -> list[str]:
    """``count`` candidates of the tree, by seed, sorted."""
    found = list(candidates(folder, tree))
    return sorted(random.Random(f"{seed}:{tree}").sample(found, min(count, len(found))))


def write_targets(folder: Path) -> int:
    """Write the table for all committed questions and return its number of rows."""
    rows = []
    for path in expected_paths(case for file in files() for case in load(file)):
        words = " | ".join(headings((folder / path).read_text(encoding="utf-8")))
        rows.append(f"{path}\t{' '.join(words.split())}\n")
    TARGETS.write_text("".join(rows), encoding="utf-8")
    return len(rows)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Targets of the questions about the documentation trees.")
    parser.add_argument("command", choices=["targets", "draw"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=15)
    parser.add_argument("--count", type=int, default=40)
    arguments = parser.parse_args()
    if arguments.command == "targets":
        print(f"{TARGETS}: {write_targets(arguments.folder)} files", file=sys.stderr)
        return
    for tree in manifest():
        print("\n".join(draw(arguments.folder, tree.name, arguments.count, arguments.seed)))


if __name__ == "__main__":
    main()
