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
    """A document and its version in force."""

    meta: PrivacyMetaResult
    current: PrivacyVersionResult
