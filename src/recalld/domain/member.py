"""Who may come in: accounts, and their members with one key each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .caller import Role


@dataclass(frozen=True, slots=True)
class Account:
    """An account as it was made. ``users``: its members with a key; ``deleting``: the task that removes it ("" = none);
    ``settings``: plain JSON."""

    id: str
    created_at: float
    users: int = 0
    deleting: str = ""
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Member:
    """One user of an account. ``key_head``: the first characters of the key, "" for a user who never had one and is only
    known by settings; ``deleting``: the task that removes this member ("" = none); ``key_mark``: another one for every key that
    was ever given, and nothing of the key itself."""

    account: str
    user: str
    role: Role
    created_at: float
    key_head: str = ""
    deleting: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    key_mark: str = field(default="", compare=False, repr=False)
