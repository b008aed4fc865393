"""Private values: versioned documents of one user, by category and key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class PrivacyMeta:
    """Metadata of a document: ``active`` is the version in force, ``latest`` the newest; times in ISO 8601."""

    category: str
    key: str
    active: int
    latest: int
    labels: Any
    created_at: str
    updated_at: str


@dataclass(frozen=True, slots=True)
class PrivacyVersion:
    """One immutable version."""

    version: int
    values: dict[str, Any]
    change_reason: str
    labels: Any
    created_at: str


@dataclass(frozen=True, slots=True)
class PrivacyField:
    """One value of a document, by name and address; ``configured``: it is not empty."""

    name: str
    reference: str
    configured: bool


@dataclass(frozen=True, slots=True)
class PrivacyConfig:
    """A document's present state: ``current`` is its active version."""

    meta: PrivacyMeta
    current: PrivacyVersion
