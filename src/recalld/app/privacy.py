"""Private values of a user: versions by category and key, one of them in force."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from recalld.domain.caller import Caller
from recalld.domain.errors import Invalid
from recalld.domain.privacy import PrivacyConfig, PrivacyVersion
from recalld.flows.privacy import keep
from recalld.flows.privacy.keep import PrivacyWish, place_of
from recalld.ports.doors import Doors
from recalld.rules.privacy import REASON_CHARS_MAX


class PrivacyVerbs:
    """Verbs bound to a caller, whose own values these are; reached as ``workspace.verbs(PrivacyVerbs)``. All raise
    ``NotFound`` for what is not there and ``Invalid`` for what is no name."""

    def __init__(self, doors: Doors, caller: Caller) -> None:
        self._doors = doors
        self._caller = caller

    async def categories(self) -> list[str]:
        """Categories that hold something, by name."""
        return await keep.names_below(place_of(self._caller), self._caller, self._doors)

    async def targets(self, category: str) -> list[str]:
        """The keys of a category, by name."""
        return await keep.names_below(place_of(self._caller, category), self._caller, self._doors)

    async def config(self, category: str, key: str) -> PrivacyConfig:
        """A document with its active version."""
        return await keep.config_of(place_of(self._caller, category, key), self._caller, self._doors)

    async def versions(self, category: str, key: str) -> list[int]:
        """Its versions, oldest first."""
        return await keep.versions_of(place_of(self._caller, category, key), self._caller, self._doors)

    async def version(self, category: str, key: str, number: int) -> PrivacyVersion:
        """One version."""
        return await keep.version(place_of(self._caller, category, key), number, self._caller, self._doors)

    async def upsert(
        self, category: str, key: str, values: Mapping[str, Any], *, change_reason: str = "", labels: Any = None
    ) -> PrivacyConfig:
        """Add a version and put it in force; a new key begins with version 1."""
        if len(change_reason) > REASON_CHARS_MAX:
            raise Invalid(
                "change_reason is too long",
                remedy=f"at most {REASON_CHARS_MAX} characters",
                details={"field": "change_reason"},
            )
        wish = PrivacyWish(values, change_reason, labels)
        return await keep.upsert(place_of(self._caller, category, key), wish, self._caller, self._doors)

    async def activate(self, category: str, key: str, number: int) -> PrivacyConfig:
        """Put another version in force."""
        return await keep.activate(place_of(self._caller, category, key), number, self._caller, self._doors)
