"""Private values: versioned documents of one user, by category and key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class PrivacyMeta:
    """What is known of a document: ``active`` is the version in force, ``latest`` the newest; times in ISO."""

    category: str
    key: str
    active: int
    latest: int
    labels: Any
    created_at: str
    updated_at: str


@dataclass(frozen=True, slots=True)
class PrivacyVersion:
    """One version, which never changes."""

    version: int
    values: dict[str, Any]
    change_reason: str
    labels: Any
    created_at: str


@dataclass(frozen=True, slots=True)
class PrivacyField:
    """One value of a document, by its name and the address it is referred to by; ``configured``: it holds something."""

    name: str
    reference: str
    configured: bool


@dataclass(frozen=True, slots=True)
class PrivacyConfig:
    """A document as it stands: ``current`` is its active version."""

    meta: PrivacyMeta
    current: PrivacyVersion
