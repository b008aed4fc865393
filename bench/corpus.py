"""Real text for measurements, the same every time: stretches of the standard library's sources, as small notes."""

from __future__ import annotations

import io
import json
import random
import re
import sysconfig
import zipfile
from functools import cache
from pathlib import Path

LINES_PER_FILE = 18
FILES_PER_FOLDER = 100
_WORD = re.compile(r"[A-Za-z]{4,}")


@cache
def _lines() -> tuple[str, ...]:
    root = Path(sysconfig.get_paths()["stdlib"])
    sentences: list[str] = []
    for path in sorted(root.glob("*.py")) + sorted(root.glob("[a-e]*/*.py")):
        text = path.read_text(encoding="utf-8", errors="ignore")
        sentences += [line for line in text.splitlines() if len(_WORD.findall(line)) >= 3]
    return tuple(sentences)


def note(number: int) -> str:
    """File ``number``: a title and about 130 words."""
    lines = _lines()
    start = (number * 7919) % (len(lines) - LINES_PER_FILE)
    return f"# Note {number}\n\n" + "\n".join(lines[start : start + LINES_PER_FILE]) + "\n"


def path(number: int) -> str:
    """Where file ``number`` lies below its root."""
    return f"d{number // FILES_PER_FOLDER:03}/n{number:05}.md"


def archive(start: int, end: int) -> bytes:
    """Files ``start`` to ``end`` as a zip."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as packed:
        for number in range(start, end):
            packed.writestr(path(number), note(number))
    return buffer.getvalue()


def queries(files: int, count: int = 500, seed: int = 7) -> list[str]:
    """Questions of four to six words that stand in some file, and a title now and then."""
    chance = random.Random(seed)
    found: list[str] = []
    while len(found) < count:
        number = chance.randrange(files)
        words = list(dict.fromkeys(_WORD.findall(note(number))))
        if len(words) >= 6:
            found.append(" ".join(chance.sample(words, chance.randint(4, 6))))
    return found


def find_body(query: str, **more: object) -> bytes:
    """A request body for /search/find."""
    return json.dumps({"query": query, "limit": 10, **more}).encode()
