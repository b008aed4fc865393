"""Removes messages that a memory among the hits already quotes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def dedupe_quotes(
    nodes: Sequence[int], scores: Sequence[float], quoted: Mapping[int, Sequence[int]]
) -> list[tuple[int, float]]:
    """Return (node, score) best first, from nodes in that order; ``quoted``: per memory, the messages it was derived from.

    A quoted message is dropped. If it ranked above the memory, the memory takes its rank and score, so that extracting a
    memory never lowers the rank of its text.
    """
    rank = {node: k for k, node in enumerate(nodes)}
    place = dict(rank)
    for node in nodes:
        for message in quoted.get(node, ()):
            if message in rank and message != node:
                place[node] = min(place[node], rank[message])
                place.pop(message, None)
    # Two memories that quote one message share its rank: the one that ranked higher by itself comes first.
    order = sorted(place, key=lambda node: (place[node], rank[node]))
    return [(node, scores[place[node]]) for node in order]
