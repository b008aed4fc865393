"""Accounts and their members, each with one key."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .caller import Role


@dataclass(frozen=True, slots=True)
class Account:
    """An account. ``users``: its members with a key; ``deleting``: the task that removes it ("" = none); ``settings``:
    plain JSON."""

    id: str
    created_at: float
    users: int = 0
    deleting: str = ""
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Member:
    """One user of an account. ``key_head``: the first characters of the key, "" for a user who never had one and only
    has settings; ``deleting``: the task that removes this member ("" = none); ``key_mark``: unique per issued key and
    unrelated to its secret."""

    account: str
    user: str
    role: Role
    created_at: float
    key_head: str = ""
    deleting: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    key_mark: str = field(default="", compare=False, repr=False)
