"""Hits for people: score, address, headings and lines, and the passage with the question's words in bold."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from recalld.rules.unicode_scripts import CJK

from .render import cells, echo, hits_of, note, one_line, source_words, style

INDENT: Final = "     "
COLUMNS: Final = (40, 120)
"""Fewest and most columns of a passage."""
SOURCES_SHOWN: Final = 3
FOLDED_SHOWN: Final = 3
EMPTY: Final = (
    "the store is empty: recalld add PATH imports files, and recalld session append ID TEXT records a message"
)
_STYLES: Final = {"memory": "magenta", "resource": "cyan", "skill": "yellow"}
_OPENING = "「『（【《〈“‘(\\[{"
_CLOSING = "、。，．：；？！」』）】》〉…”’,.:;?!)\\]}%"
# A line may break at white space, and on both sides of a character of a script without spaces, never before a closing mark.
_PIECE = re.compile(rf"[{_OPENING}]*[{CJK}\u3000-\u303f\uff00-\uffef][{_CLOSING}]*|[^\s{CJK}]+")


def show_hits(result: Mapping[str, Any], degraded: Sequence[str], server_s: float, *, long: bool = False) -> None:
    """Print hits, best first. Without a passage, or with ``long``, the abstract follows; what was left out is on stderr."""
    hits = hits_of(result)
    sources = {entry["uri"]: entry.get("sources") or [] for entry in result.get("provenance") or []}
    columns = min(COLUMNS[1], max(COLUMNS[0], shutil.get_terminal_size().columns)) if sys.stdout.isatty() else 0
    for hit in hits:
        kind = str(hit["context_type"])
        score = style(f"{float(hit['score']):.2f}", "bold", "green")
        print(score, style(f"{kind:<8}", _STYLES.get(kind, "dim")), f"L{hit['level']}", style(str(hit["uri"]), "bold"))
        passage = hit.get("passage")
        if passage:
            _show_passage(passage, columns)
        if hit.get("abstract") and (long or not passage):
            abstract = one_line(hit["abstract"])
            for start, end in wrapped(abstract, columns - len(INDENT)):
                echo(INDENT + abstract[start:end], "dim")
        _show_folded(hit.get("folded") or ())
        for source in sources.get(hit["uri"], [])[:SOURCES_SHOWN]:
            if source.get("uri") != hit["uri"]:
                echo(f"{INDENT}from {source_words(source)}", "italic")
    foot = [
        f"{len(hits)} of {result.get('total', len(hits))} in {server_s * 1000:.0f} ms" if hits else "nothing matched"
    ]
    if weaker := result.get("weaker"):
        foot.append(
            f"{weaker} weaker hit{'s' if weaker > 1 else ''} left out; --all shows {'them' if weaker > 1 else 'it'}"
        )
    note(" · ".join([*foot, *([f"without {', '.join(degraded)}"] if degraded else ())]))


def _show_passage(passage: Mapping[str, Any], columns: int) -> None:
    place = [" › ".join(passage.get("headings") or ()), lines_words(passage)]
    if any(place):
        echo(INDENT + " · ".join(part for part in place if part), "dim")
    text = str(passage["text"])
    for start, end in wrapped(text, columns - len(INDENT)):
        print(INDENT + "".join(style(part, *styles) for part, styles in _parts(text, start, end, passage["marks"])))


def _show_folded(uris: Sequence[str]) -> None:
    if uris:
        more = f" and {len(uris) - FOLDED_SHOWN} more" if len(uris) > FOLDED_SHOWN else ""
        echo(f"{INDENT}+ {len(uris)} with the same text: {', '.join(uris[:FOLDED_SHOWN])}{more}", "dim")


def lines_words(passage: Mapping[str, Any]) -> str:
    """``lines 12-19``, ``line 12``, or "" if the lines are unknown."""
    first, last = passage.get("line_start"), passage.get("line_end")
    if not first:
        return ""
    return f"line {first}" if last in (None, first) else f"lines {first}-{last}"


def _parts(text: str, start: int, end: int, marks: Iterable[Sequence[int]]) -> Iterable[tuple[str, tuple[str, ...]]]:
    """Yield a line of a text in parts, each with its styles: the marked words are bold."""
    at = start
    for first, last in marks:
        first, last = max(first, at), min(last, end)
        if first < last:
            yield text[at:first], ()
            yield text[first:last], ("bold",)
            at = last
    yield text[at:end], ()


def wrapped(text: str, columns: int) -> list[tuple[int, int]]:
    """Return the lines of a text as offsets, each at most ``columns`` wide; wide characters take two columns. Lines break at
    white space and between characters of scripts without spaces; a longer word is cut. ``columns`` <= 0: one line."""
    if columns <= 0:
        return [(0, len(text))] if text else []
    lines: list[tuple[int, int]] = []
    start = end = -1
    for start_of_piece, end_of_piece in _pieces(text, columns):
        if start >= 0 and cells(text[start:end_of_piece]) <= columns:
            end = end_of_piece
            continue
        if start >= 0:
            lines.append((start, end))
        start, end = start_of_piece, end_of_piece
    return [*lines, (start, end)] if start >= 0 else lines


def _pieces(text: str, columns: int) -> Iterable[tuple[int, int]]:
    for piece in _PIECE.finditer(text):
        start, end = piece.span()
        while cells(text[start:end]) > columns:
            stop = start + max(1, columns // 2)
            yield start, stop
            start = stop
        yield start, end
