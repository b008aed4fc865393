"""Operations on private values: documents by category and key, with versions of which one is active."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from recalld.domain.errors import Invalid, NotFound
from recalld.domain.privacy import PrivacyConfig, PrivacyField, PrivacyVersion
from recalld.rules.privacy import REASON_CHARS_MAX
from recalld.usecases.privacy import fields as by_field
from recalld.usecases.privacy import store
from recalld.usecases.privacy.store import PrivacyUpdate, place_of

from .operations import Operations


class PrivacyOperations(Operations):
    """Private values of a caller. All raise ``Invalid`` for a bad category, key or field name."""

    async def categories(self) -> list[str]:
        """Return the categories that hold something, by name."""
        return await store.names_below(place_of(self.caller), self.caller, self._ports)

    async def targets(self, category: str) -> list[str]:
        """Return the keys of a category, by name.

        Raises ``NotFound``.
        """
        return await store.names_below(place_of(self.caller, category), self.caller, self._ports)

    async def config(self, category: str, key: str) -> PrivacyConfig:
        """Return a document with its active version.

        Raises ``NotFound``.
        """
        return await store.config_of(place_of(self.caller, category, key), self.caller, self._ports)

    async def versions(self, category: str, key: str) -> list[int]:
        """Return the version numbers of a document, oldest first.

        Raises ``NotFound``.
        """
        return await store.versions_of(place_of(self.caller, category, key), self.caller, self._ports)

    async def version(self, category: str, key: str, number: int) -> PrivacyVersion:
        """Return one version.

        Raises ``NotFound``.
        """
        return await store.version(place_of(self.caller, category, key), number, self.caller, self._ports)

    async def upsert(
        self,
        category: str,
        key: str,
        values: Mapping[str, Any],
        *,
        change_reason: str = "",
        labels: Mapping[str, str] | Sequence[str] | None = None,
        merge: bool = False,
    ) -> PrivacyConfig:
        """Add a version and activate it. A new key starts with version 1.

        ``merge`` keeps the fields of the active version that are not in ``values``. Raises ``Conflict`` under concurrent writes.
        """
        if len(change_reason) > REASON_CHARS_MAX:
            raise Invalid(
                "change_reason is too long",
                remedy=f"at most {REASON_CHARS_MAX} characters",
                details={"field": "change_reason"},
            )
        update = PrivacyUpdate(values, change_reason, labels, merge)
        return await store.upsert(place_of(self.caller, category, key), update, self.caller, self._ports)

    async def tree(self, category: str = "") -> list[tuple[PrivacyConfig, tuple[PrivacyField, ...]]]:
        """Return every document, of a category or of all, with its fields, by name.

        Raises ``NotFound`` for a category that does not exist.
        """
        found = []
        for each in [category] if category else await self.categories():
            for key in await self.targets(each):
                try:
                    found.append(await self.fields(each, key))
                except NotFound:  # removed meanwhile
                    continue
        return found

    async def fields(self, category: str, key: str) -> tuple[PrivacyConfig, tuple[PrivacyField, ...]]:
        """Return a document and the fields of its active version.

        Raises ``NotFound``.
        """
        config = await self.config(category, key)
        return config, by_field.fields_of(place_of(self.caller, category, key), config)

    async def field(self, category: str, key: str, name: str = "") -> tuple[PrivacyConfig, PrivacyField]:
        """Return a document and one of its fields (``name`` "": its only one).

        Raises ``NotFound``, and ``Invalid`` if it has several.
        """
        config = await self.config(category, key)
        return config, by_field.field_of(place_of(self.caller, category, key), config, name)

    async def resolve(self, selector: str) -> tuple[PrivacyConfig, PrivacyField]:
        """Return the document and the field that an address names (``viking://~/privacy/category/key/field``).

        Raises ``NotFound`` and ``Denied``.
        """
        return await self.field(*self.selected(selector))

    async def remove_field(self, category: str, key: str, name: str) -> PrivacyConfig:
        """Add a version without this field and activate it.

        Raises ``NotFound``.
        """
        config, found = await self.field(category, key, name)
        update = PrivacyUpdate({}, f"removed {found.name}"[:REASON_CHARS_MAX], without=found.name)
        return await store.upsert(place_of(self.caller, category, key), update, self.caller, self._ports)

    async def remove(self, category: str, key: str) -> None:
        """Delete a document with all its versions.

        Raises ``NotFound``.
        """
        await by_field.remove(place_of(self.caller, category, key), self.caller, self._ports)

    def selected(self, selector: str) -> tuple[str, str, str]:
        """Return the category, key and field ("" for the document) that an address names.

        Raises ``Invalid`` and ``Denied``.
        """
        found = by_field.selected(selector, self._uri(selector), self.caller)
        return found.uri.parts[3], found.uri.parts[4], found.field

    async def activate(self, category: str, key: str, number: int) -> PrivacyConfig:
        """Activate another version.

        Raises ``NotFound``.
        """
        return await store.activate(place_of(self.caller, category, key), number, self.caller, self._ports)
