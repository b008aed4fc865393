"""The summary of an import; single files only with --verbose."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .render import echo, vectors_words

SHOWN_MAX = 4
COUNTS = ("new", "changed", "moved", "removed", "unchanged")


def counts_of(result: Mapping[str, Any]) -> str:
    """``3 new, 1 changed, 148 unchanged``: what is not zero; "" from a server that does not count."""
    counts = [f"{result[name]:,} {name}" for name in COUNTS if result.get(name)]
    return ", ".join(counts) or ("nothing to do" if "unchanged" in result else "")


def show_import(result: Mapping[str, Any], skipped: Sequence[tuple[str, str]], *, verbose: bool) -> None:
    """The counts, what was kept against the source, what was left out and what could not be read in full."""
    counts = counts_of(result)
    echo(f"added {result.get('root_uri')}" + (f": {counts}" if counts else ""))
    conflicts = result.get("conflicts") or []
    for one in conflicts if verbose else conflicts[:SHOWN_MAX]:
        echo(f"  kept as it is here: {one['path']} ({one['reason']})")
    more = int(result.get("conflicts_total") or len(conflicts)) - (len(conflicts) if verbose else SHOWN_MAX)
    if conflicts and more > 0:
        echo(f"  and {more} more")
    named = {str(one["path"]) for one in conflicts}
    rest = [w for w in result.get("warnings") or [] if w.partition(": ")[0] not in named]
    show_notes(rest, result.get("notes") or {}, verbose=verbose)
    show_left_out(skipped, verbose=verbose)
    vectors = result.get("vectors")
    if vectors and vectors["made"] < vectors["wanted"]:
        echo(f"  vectors: {vectors_words(vectors)}; what has none is found by its words")


def show_notes(warnings: Sequence[str], totals: Mapping[str, int], *, verbose: bool) -> None:
    """Warnings by what they say: one line for a hundred pictures. ``totals``: how often each was given, where that is known."""
    if verbose:
        for warning in warnings:
            echo(f"  note: {warning}")
        return
    for what, paths in _by_kind(w.partition(": ")[::2] if ": " in w else ("", w) for w in warnings).items():
        count = max(int(totals.get(what, 0)), len(paths))
        echo(f"  note: {what}: {_some(paths, count)}" if any(paths) else f"  note: {what}")


def show_left_out(skipped: Sequence[tuple[str, str]], *, verbose: bool) -> None:
    """What was not sent, by reason."""
    for why, paths in _by_kind(skipped).items():
        shown = ", ".join(paths) if verbose else _some(paths, len(paths))
        echo(f"  left out ({why}): {shown}")


def _some(paths: Sequence[str], count: int) -> str:
    more = count - len(paths[:SHOWN_MAX])
    return ", ".join(paths[:SHOWN_MAX]) + (f" and {more:,} more" if more > 0 else "")


def _by_kind(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    kinds: dict[str, list[str]] = {}
    for path, kind in pairs:
        kinds.setdefault(kind, []).append(path)
    return kinds
