"""Requests and results of /privacy-configs."""

from __future__ import annotations

from typing import Any

from pydantic import Field, StrictInt

from recalld.surfaces.http.models.envelope import Model, Strict


class PrivacyBody(Strict):
    """Values of a document."""

    values: dict[str, Any]
    change_reason: str = ""
    labels: dict[str, str] | list[str] | None = None


class PrivacyPatch(PrivacyBody):
    """Values of some fields. The other fields keep theirs."""


class SelectorBody(Strict):
    """The address of a field or a document."""

    selector: str


class TreeQuery(Model):
    """Which category; default: all."""

    category: str = ""


class FieldQuery(Model):
    """Which field, and whether to return its value."""

    field: str
    reveal: bool = False


class PrivacyFieldResult(Model):
    """A field of the active version, without its value."""

    field: str
    configured: bool
    reference: str


class PrivacyPlace(Model):
    """The document that a result is about."""

    category: str
    target_key: str


class PrivacyFieldsResult(PrivacyPlace):
    """The fields of a document."""

    version: int
    fields: list[PrivacyFieldResult]


class PrivacyCategoryResult(Model):
    """The documents of a category."""

    category: str
    targets: list[PrivacyFieldsResult]


class PrivacyTreeResult(Model):
    """All documents with their fields."""

    categories: list[PrivacyCategoryResult]


class PrivacyRemovedResult(PrivacyPlace):
    """What was deleted: a field (``version`` is the first one without it), or a document."""

    field: str | None
    version: int | None
    deleted: bool


class ActivateBody(Strict):
    """The version to activate."""

    version: StrictInt = Field(ge=1, le=9_999)


class PrivacyMetaResult(PrivacyPlace):
    """Metadata of a document."""

    active_version: int
    latest_version: int
    labels: dict[str, str] | list[str] | None
    created_at: str
    updated_at: str


class PrivacyVersionResult(Model):
    """A version of a document."""

    version: int
    values: dict[str, Any]
    change_reason: str
    labels: dict[str, str] | list[str] | None
    created_at: str


class PrivacyResult(Model):
    """A document and its active version. ``values`` repeats that version's values, where ``ov`` expects them."""

    meta: PrivacyMetaResult
    current: PrivacyVersionResult
    values: dict[str, Any]


class PrivacyValueResult(PrivacyFieldResult, PrivacyPlace):
    """A field, with its value if requested."""

    version: int
    value: Any = None
