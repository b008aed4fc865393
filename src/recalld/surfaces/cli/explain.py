"""Draws the reasons of an answer: find --explain."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .render import coloured, echo, hits_of, note, style

BAR_COLUMNS = 40
"""A bar of this width is a score of 1."""
_COLOURS = {
    "words": "green",
    "meaning": "cyan",
    "group": "blue",
    "phrase": "yellow",
    "prior": "dim",
    "reranker": "magenta",
}


def show_explained(result: Mapping[str, Any], degraded: Sequence[str]) -> None:
    """Stages, hits with a bar cut into the shares of their score, and below a dashed line what was cut."""
    trajectory = result.get("trajectory") or {}
    for stage in trajectory.get("stages", []):
        echo(f"{stage['name']:<7} {stage['ms']:>7.1f} ms  {stage['note']}", "dim")
    features = {entry["uri"]: entry["features"] for entry in result.get("provenance") or []}
    ways = {taken["uri"]: taken["by"] for taken in trajectory.get("taken", [])}
    for place, hit in enumerate(hits_of(result), 1):
        uri, parts = hit["uri"], features.get(hit["uri"], [])
        by = f"  by {', '.join(ways[uri])}" if ways.get(uri) else ""
        print(style(f"{place:>2} {hit['score']:.3f}", "bold", "green"), style(uri, "bold") + style(by, "dim"))
        print("   " + _bar(parts))
        for one in parts:
            echo(f"     {one['share']:+.3f}  {one['name']:<16} {one['raw']:>7.2f}  {one['note']}", _colour(one["name"]))
    if cuts := trajectory.get("cut"):
        echo("- " * (BAR_COLUMNS // 2) + "cut", "dim")
        for cut in cuts:
            echo(f"   {cut['score']:.3f} {cut['uri']}  {cut['rule']}", "dim")
    missing = f" · without {', '.join(degraded)}" if degraded else ""
    note(f"{result.get('total', 0)} hits · chance of an answer {trajectory.get('confidence', 0.0):.3f}{missing}")


def segments(features: Sequence[Mapping[str, Any]], columns: int) -> Iterator[tuple[str, int]]:
    """Yield name and width of each positive share. The widths add up to that of the score: negative shares shorten the others."""
    positive = sum(max(float(one["share"]), 0.0) for one in features)
    scale = columns * max(sum(float(one["share"]) for one in features), 0.0) / max(positive, 1e-9)
    done, drawn = 0.0, 0
    for one in features:
        done += max(float(one["share"]), 0.0)
        until = round(done * scale)
        if until > drawn:
            yield str(one["name"]), until - drawn
        drawn = until


def _bar(features: Sequence[Mapping[str, Any]]) -> str:
    """Blocks in colour, or the initials of the shares where there is none."""
    if coloured():
        return "".join(style("█" * width, _colour(name)) for name, width in segments(features, BAR_COLUMNS))
    return "".join(name[0] * width for name, width in segments(features, BAR_COLUMNS))


def _colour(name: str) -> str:
    return _COLOURS.get(name.partition(":")[0], "dim")
