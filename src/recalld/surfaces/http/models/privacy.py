"""Requests and results of /privacy-configs."""

from __future__ import annotations

from typing import Any

from pydantic import Field, StrictInt

from recalld.surfaces.http.models.envelope import Model, Strict


class PrivacyBody(Strict):
    """New values of a document."""

    values: dict[str, Any]
    change_reason: str = ""
    labels: dict[str, str] | list[str] | None = None


class PrivacyPatch(Strict):
    """New values of some fields; the others stay."""

    values: dict[str, Any]
    change_reason: str = ""
    labels: dict[str, str] | list[str] | None = None


class SelectorBody(Strict):
    """The address of a field or a document."""

    selector: str


class TreeQuery(Model):
    """Which category; all of them without."""

    category: str = ""


class FieldQuery(Model):
    """Which field, and whether its value is to be shown."""

    field: str
    reveal: bool = False


class PrivacyFieldResult(Model):
    """A field of the version in force, without its value."""

    field: str
    configured: bool
    reference: str


class PrivacyFieldsResult(Model):
    """The fields of a document."""

    category: str
    target_key: str
    version: int
    fields: list[PrivacyFieldResult]


class PrivacyCategoryResult(Model):
    """The documents of a category."""

    category: str
    targets: list[PrivacyFieldsResult]


class PrivacyTreeResult(Model):
    """All documents with their fields."""

    categories: list[PrivacyCategoryResult]


class PrivacyRemovedResult(Model):
    """What was deleted: a field (``version`` is the one without it), or a document."""

    category: str
    target_key: str
    field: str | None
    version: int | None
    deleted: bool


class ActivateBody(Strict):
    """Which version is to be in force."""

    version: StrictInt = Field(ge=1, le=9_999)


class PrivacyMetaResult(Model):
    """What is known of a document."""

    category: str
    target_key: str
    active_version: int
    latest_version: int
    labels: dict[str, str] | list[str] | None
    created_at: str
    updated_at: str


class PrivacyVersionResult(Model):
    """One version of a document."""

    version: int
    values: dict[str, Any]
    change_reason: str
    labels: dict[str, str] | list[str] | None
    created_at: str


class PrivacyResult(Model):
    """A document and its version in force; ``values`` are that version's, where ``ov`` looks for them."""

    meta: PrivacyMetaResult
    current: PrivacyVersionResult
    values: dict[str, Any]


class PrivacyValueResult(PrivacyFieldResult):
    """A field with its value, where that was asked for."""

    category: str
    target_key: str
    version: int
    value: Any = None
