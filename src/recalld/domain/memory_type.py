"""The types of memories: a new one is a line of this table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class MemoryType:
    """``name`` is also its folder below ``memories``, or its file there (``profile.md``); ``singular`` stands in its files.

    ``by_default``: extracted where a memory policy names no types; ``in_policies``: a policy may name it; ``implies``: types
    that it brings along there. ``quotas``: how many a context block holds by purpose, and in the older ``recall`` ({}: the
    type has no quota of its own); ``penalty``: subtracted from the score of another peer's; ``rich``: a block starts with its
    overview and may show it whole. ``prompt``: what it is for, in words to a language model ("" = no model proposes it).
    ``dated``: its files lie below their day. ``counted``: statistics list it even if there is none.
    """

    name: str
    singular: str = ""
    by_default: bool = True
    in_policies: bool = True
    implies: tuple[str, ...] = ()
    quotas: Mapping[str, int] = field(default_factory=dict)
    penalty: float = 0.1
    rich: bool = False
    prompt: str = ""
    dated: bool = False
    counted: bool = True


MEMORY_TYPES = (
    MemoryType(
        "events", "event", quotas={"coding": 1, "chat": 3, "recall": 10}, rich=True, dated=True,
        prompt="what happened or was decided",
    ),
    MemoryType(
        "entities", "entity", quotas={"coding": 2, "chat": 3, "recall": 10},
        prompt="lasting facts about a person, place, project or thing",
    ),
    MemoryType(
        "preferences", "preference", quotas={"coding": 1, "chat": 1, "recall": 3}, penalty=0.02,
        prompt="what somebody likes, wants or avoids",
    ),
    MemoryType(
        "experiences", by_default=False, implies=("cases", "trajectories"), counted=False, penalty=0.02,
        quotas={"coding": 1, "chat": 1, "recall": 0},
    ),
    MemoryType("profile"),
    MemoryType("identity", counted=False),
    MemoryType("soul", counted=False),
    MemoryType("cases", by_default=False),
    MemoryType("trajectories", by_default=False, counted=False),
    MemoryType("patterns", by_default=False, in_policies=False),
    MemoryType("tools", by_default=False),
    MemoryType("skills", by_default=False),
)  # fmt: skip
"""Those with quotas in the order of ties."""
BY_NAME: Mapping[str, MemoryType] = {one.name: one for one in MEMORY_TYPES}
