"""A memory and the messages it quotes say the same: the memory stands for both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def dedupe_quotes(
    nodes: Sequence[int], scores: Sequence[float], quoted: Mapping[int, Sequence[int]]
) -> list[tuple[int, float]]:
    """(node, score) best first, from nodes in that order; ``quoted``: per memory, the messages it was made from.

    A quoted message takes no second place. Where it would have come before the memory, the memory takes its place and
    score: what was found is not pushed down by having been remembered.
    """
    rank = {node: k for k, node in enumerate(nodes)}
    place = dict(rank)
    for node in nodes:
        for message in quoted.get(node, ()):
            if message in rank and message != node:
                place[node] = min(place[node], rank[message])
                place.pop(message, None)
    # Two memories that quote one message share its place: the one that ranked higher by itself goes first.
    order = sorted(place, key=lambda node: (place[node], rank[node]))
    return [(node, scores[place[node]]) for node in order]
