"""Private values of a user: versions by category and key, one of them active."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from recalld.domain.caller import Caller
from recalld.domain.errors import Invalid, NotFound
from recalld.domain.privacy import PrivacyConfig, PrivacyField, PrivacyVersion
from recalld.ports.bundle import Ports
from recalld.rules.address import resolve
from recalld.rules.privacy import REASON_CHARS_MAX
from recalld.usecases.privacy import fields as by_field
from recalld.usecases.privacy import store
from recalld.usecases.privacy.store import PrivacyUpdate, place_of


class PrivacyOperations:
    """Operations on the private values of a caller, created by ``workspace.facade(PrivacyOperations)``. All raise
    ``NotFound`` for missing values and ``Invalid`` for invalid names."""

    def __init__(self, ports: Ports, caller: Caller) -> None:
        self._ports = ports
        self._caller = caller

    async def categories(self) -> list[str]:
        """Return non-empty categories by name."""
        return await store.names_below(place_of(self._caller), self._caller, self._ports)

    async def targets(self, category: str) -> list[str]:
        """Return the keys of a category by name."""
        return await store.names_below(place_of(self._caller, category), self._caller, self._ports)

    async def config(self, category: str, key: str) -> PrivacyConfig:
        """Return a document with its active version."""
        return await store.config_of(place_of(self._caller, category, key), self._caller, self._ports)

    async def versions(self, category: str, key: str) -> list[int]:
        """Return a document's versions, oldest first."""
        return await store.versions_of(place_of(self._caller, category, key), self._caller, self._ports)

    async def version(self, category: str, key: str, number: int) -> PrivacyVersion:
        """Return one version."""
        return await store.version(place_of(self._caller, category, key), number, self._caller, self._ports)

    async def upsert(
        self,
        category: str,
        key: str,
        values: Mapping[str, Any],
        *,
        change_reason: str = "",
        labels: Any = None,
        merge: bool = False,
    ) -> PrivacyConfig:
        """Add a version and activate it; a new key starts at version 1. ``merge``: other fields of the active version
        stay."""
        if len(change_reason) > REASON_CHARS_MAX:
            raise Invalid(
                "change_reason is too long",
                remedy=f"at most {REASON_CHARS_MAX} characters",
                details={"field": "change_reason"},
            )
        update = PrivacyUpdate(values, change_reason, labels, merge)
        return await store.upsert(place_of(self._caller, category, key), update, self._caller, self._ports)

    async def tree(self, category: str = "") -> list[tuple[PrivacyConfig, tuple[PrivacyField, ...]]]:
        """Return every document (of a category) with its fields, by name."""
        found = []
        for each in [category] if category else await self.categories():
            for key in await self.targets(each):
                try:
                    found.append(await self.fields(each, key))
                except NotFound:  # removed meanwhile
                    continue
        return found

    async def fields(self, category: str, key: str) -> tuple[PrivacyConfig, tuple[PrivacyField, ...]]:
        """Return a document and the fields of its active version."""
        config = await self.config(category, key)
        return config, by_field.fields_of(place_of(self._caller, category, key), config)

    async def field(self, category: str, key: str, name: str = "") -> tuple[PrivacyConfig, PrivacyField]:
        """Return one field of a document ("": the only one)."""
        config = await self.config(category, key)
        return config, by_field.field_of(place_of(self._caller, category, key), config, name)

    async def resolve(self, selector: str) -> tuple[PrivacyConfig, PrivacyField]:
        """Return the field at an address (``viking://~/privacy/category/key/field``), and its document."""
        return await self.field(*self.selected(selector))

    async def remove_field(self, category: str, key: str, name: str) -> PrivacyConfig:
        """Add a version without this field and activate it."""
        config, found = await self.field(category, key, name)
        update = PrivacyUpdate({}, f"removed {found.name}"[:REASON_CHARS_MAX], without=found.name)
        return await store.upsert(place_of(self._caller, category, key), update, self._caller, self._ports)

    async def remove(self, category: str, key: str) -> None:
        """Delete a document with all its versions."""
        await by_field.remove(place_of(self._caller, category, key), self._caller, self._ports)

    def selected(self, selector: str) -> tuple[str, str, str]:
        """Return the category, key and field ("" = the document) of an address."""
        found = self._selected(selector)
        return found.uri.parts[3], found.uri.parts[4], found.field

    def _selected(self, selector: str) -> by_field.Selected:
        return by_field.selected(selector, resolve(selector, self._caller, self._ports.clock.now()), self._caller)

    async def activate(self, category: str, key: str, number: int) -> PrivacyConfig:
        """Activate another version."""
        return await store.activate(place_of(self._caller, category, key), number, self._caller, self._ports)
