"""Output for people: entries and tables, in colour on a terminal (NO_COLOR is respected)."""

from __future__ import annotations

import os
import shutil
import sys
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from recalld.rules.sentences import fit

GROUPS = ("memories", "resources", "skills")
_SGR = {"bold": 1, "dim": 2, "italic": 3, "red": 31, "green": 32, "yellow": 33, "blue": 34, "magenta": 35, "cyan": 36}
# Control characters act on a terminal, C1 ones like an escape sequence: each is shown as a picture of itself instead.
_HARMLESS = {
    **{code: chr(0x2400 + code) for code in range(0x20) if chr(code) not in "\t\n"},
    0x7F: "\N{SYMBOL FOR DELETE}",
    **dict.fromkeys(range(0x80, 0xA0), "\N{REPLACEMENT CHARACTER}"),
}
COLUMNS_MIN = 20
"""An abstract that would get fewer columns is left out."""
NOT_READY = "[Directory abstract is not ready]"


def coloured() -> bool:
    """True on a terminal, unless NO_COLOR is set (https://no-color.org) or it is a dumb one."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def style(text: str, *styles: str) -> str:
    """``text`` in these styles, if colours are wanted. What the text itself says to a terminal is made harmless."""
    shown = text.translate(_HARMLESS)
    if not styles or not coloured():
        return shown
    return f"\x1b[{';'.join(str(_SGR[name]) for name in styles)}m{shown}\x1b[0m"


def echo(text: str, *styles: str) -> None:
    """One line on stdout."""
    print(style(text, *styles))


def note(text: str) -> None:
    """Print one line to stderr, beside the answer."""
    print(text, file=sys.stderr)


def hits_of(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """All hits of a find, best first."""
    hits = [hit for group in GROUPS for hit in result.get(group) or []]
    return sorted(hits, key=lambda hit: -float(hit["score"]))


def source_words(source: Mapping[str, Any]) -> str:
    """The sources of a hit, in one line."""
    place, session = str(source.get("uri", "")), str(source.get("session_id") or "")
    return f"{place} (session {session})" if session and session not in place else place


def show_entries(entries: Iterable[Mapping[str, Any]], *, long: bool = False, nested: bool = False) -> None:
    """A directory's entries, one a line; ``long`` adds size and time; ``nested`` indents by ``rel_path``. Abstracts follow, as
    far as the line is wide; the list of one directory has them on a terminal only, so that a pipe gets names."""
    abstracts = nested or sys.stdout.isatty()
    columns = shutil.get_terminal_size().columns
    for entry in entries:
        is_dir = bool(entry.get("isDir"))
        size = "" if is_dir else size_words(int(entry.get("size", 0)))
        facts = f"{size:>9}  {entry.get('modTime', ''):<24}  " if long else ""
        indent = "  " * str(entry.get("rel_path", "")).count("/") if nested else ""
        label = entry_name(entry) + ("/" if is_dir else "")
        name = style(label, *(("bold", "blue") if is_dir else ()))
        chars_left = columns - cells(facts + indent + label) - 2
        abstract = _fitted(one_line(entry.get("abstract")), chars_left) if abstracts else ""
        print(f"{facts}{indent}{name}" + (f"  {style(abstract, 'dim')}" if abstract else ""))


def _fitted(abstract: str, columns: int) -> str:
    """Return an abstract truncated at a word to these columns; "" where it does not exist yet or hardly fits."""
    if columns < COLUMNS_MIN or abstract.endswith(NOT_READY):
        return ""
    text = fit(abstract, columns)
    while cells(text) > columns:
        text = fit(text, max(2, len(text) - max(1, (cells(text) - columns) // 2)))
    return text


def cells(text: str) -> int:
    """Return the number of columns of a text on a terminal: wide characters take two."""
    if text.isascii():
        return len(text)
    return sum(1 + (unicodedata.east_asian_width(c) in "WF") - bool(unicodedata.combining(c)) for c in text)


def entry_name(entry: Mapping[str, Any]) -> str:
    """An entry's last segment."""
    return str(entry.get("name") or str(entry.get("uri", "")).rstrip("/").rsplit("/", 1)[-1])


def one_line(text: object) -> str:
    """A text with its white space folded; "" for None."""
    return " ".join(str(text or "").split())


def show_facts(facts: Mapping[str, Any]) -> None:
    """Keys and values, one a line; empty ones are left out."""
    width = max((len(key) for key in facts), default=0)
    for key, value in facts.items():
        if value not in (None, "", [], {}):
            print(style(f"{key:<{width}}", "dim"), style(str(value)))


def show_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Rows in columns under headings; tab-separated without headings in a pipe."""
    cells = [[style(str(cell)) for cell in row] for row in rows]
    if not sys.stdout.isatty():
        for line in cells:
            print("\t".join(line))
        return
    widths = [max(len(line[i]) for line in [list(columns), *cells]) for i in range(len(columns))]
    echo("  ".join(f"{name:<{width}}" for name, width in zip(columns, widths, strict=True)), "dim")
    for line in cells:
        print("  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)).rstrip())


def size_words(size: int) -> str:
    """Bytes in a few characters: 512 B, 1.4 MB."""
    value = float(size)
    for unit in ("B", "kB", "MB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} GB"


def vectors_words(vectors: Mapping[str, Any]) -> str:
    """``2,027 of 2,028 (e5), 1 text refused by the provider (content_filter)``."""
    words = f"{vectors['made']:,} of {vectors['wanted']:,}" + (f" ({vectors['model']})" if vectors.get("model") else "")
    refused = vectors.get("refused") or {}
    count = sum(refused.values())
    if not count:
        return words
    return f"{words}, {count:,} text{'s' if count > 1 else ''} refused by the provider ({', '.join(refused)})"
