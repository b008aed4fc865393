"""/privacy-configs: the private values of a user, in versions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from recalld.domain.errors import Invalid, NotFound
from recalld.domain.privacy import PrivacyConfig, PrivacyField
from recalld.surfaces.http.endpoint import Endpoint
from recalld.surfaces.http.models.admin import (
    ActivateBody,
    FieldQuery,
    PrivacyBody,
    PrivacyFieldsResult,
    PrivacyPatch,
    PrivacyRemovedResult,
    PrivacyResult,
    PrivacyTreeResult,
    PrivacyValueResult,
    PrivacyVersionResult,
    SelectorBody,
    TreeQuery,
)
from recalld.surfaces.http.request import ApiRequest

_AT = "/api/v1/privacy-configs"
_ONE = f"{_AT}/{{category}}/{{key}}"
_DIGITS_MAX = 9


async def categories(request: ApiRequest) -> list[str]:
    """List the categories of the caller's private values."""
    return await request.workspace.privacy.categories()


async def targets(request: ApiRequest, category: str) -> list[str]:
    """List the keys of a category."""
    return await request.workspace.privacy.targets(category)


async def config(request: ApiRequest, category: str, key: str) -> dict[str, Any]:
    """Return the active values of a document, and its metadata."""
    return _shown(await request.workspace.privacy.config(category, key))


async def versions(request: ApiRequest, category: str, key: str) -> list[int]:
    """List the versions of a document, oldest first."""
    return await request.workspace.privacy.versions(category, key)


async def version(request: ApiRequest, category: str, key: str, number: str) -> dict[str, Any]:
    """Return one version."""
    if not (number.isascii() and number.isdigit() and len(number) <= _DIGITS_MAX):
        raise NotFound(
            f"Privacy config version not found: {number[:40]}", remedy="versions are numbers, from 1", details={}
        )
    return asdict(await request.workspace.privacy.version(category, key, int(number)))


async def upsert(request: ApiRequest, category: str, key: str, body: PrivacyBody) -> dict[str, Any]:
    """Store values as a new version and activate it."""
    stored = await request.workspace.privacy.upsert(
        category, key, body.values, change_reason=body.change_reason, labels=body.labels
    )
    return _shown(stored)


async def activate(request: ApiRequest, category: str, key: str, body: ActivateBody) -> dict[str, Any]:
    """Activate another version."""
    return _shown(await request.workspace.privacy.activate(category, key, body.version))


async def patch(request: ApiRequest, category: str, key: str, body: PrivacyPatch) -> dict[str, Any]:
    """Store values of some fields as a new version and activate it. The other fields stay."""
    stored = await request.workspace.privacy.upsert(
        category, key, body.values, change_reason=body.change_reason, labels=body.labels, merge=True
    )
    return _shown(stored)


async def tree(request: ApiRequest, query: TreeQuery) -> dict[str, Any]:
    """List every document and its fields, without values."""
    rows: dict[str, list[dict[str, Any]]] = {}
    for config, found in await request.workspace.privacy.tree(query.category):
        rows.setdefault(config.meta.category, []).append(_fields(config, found))
    return {"categories": [{"category": name, "targets": held} for name, held in rows.items()]}


async def fields(request: ApiRequest, category: str, key: str) -> dict[str, Any]:
    """List the fields of a document, without values."""
    return _fields(*await request.workspace.privacy.fields(category, key))


async def field(request: ApiRequest, category: str, key: str, query: FieldQuery) -> dict[str, Any]:
    """Return how a field is referred to, and with ``reveal`` its value."""
    return _value(*await request.workspace.privacy.field(category, key, query.field), reveal=query.reveal)


async def resolve(request: ApiRequest, body: SelectorBody) -> dict[str, Any]:
    """Return the value that an address names."""
    return _value(*await request.workspace.privacy.resolve(body.selector), reveal=True)


async def remove_field(request: ApiRequest, category: str, key: str, query: FieldQuery) -> dict[str, Any]:
    """Activate a version without this field. Earlier versions still have it."""
    return await _removed(request, category, key, query.field)


async def remove(request: ApiRequest, category: str, key: str) -> dict[str, Any]:
    """Delete a document with all its versions."""
    return await _removed(request, category, key, "")


async def remove_selected(request: ApiRequest, body: SelectorBody) -> dict[str, Any]:
    """Delete the field or document that an address names."""
    return await _removed(request, *request.workspace.privacy.selected(body.selector))


async def later(request: ApiRequest) -> dict[str, Any]:
    """Not implemented. Content is not scanned for private values; single fields are changed with PATCH."""
    raise Invalid(
        "Scanning content for private values and PUT of a single field are not implemented",
        remedy=f"change fields with PATCH {_AT}/{{category}}/{{key}}; find a text with POST /api/v1/search/grep",
        code="UNIMPLEMENTED",
    )


async def _removed(request: ApiRequest, category: str, key: str, name: str) -> dict[str, Any]:
    privacy = request.workspace.privacy
    version = None
    if name:
        version = (await privacy.remove_field(category, key, name)).meta.active
    else:
        await privacy.remove(category, key)
    return {"category": category, "target_key": key, "field": name or None, "version": version, "deleted": True}


def _field(found: PrivacyField) -> dict[str, Any]:
    return {"field": found.name, "configured": found.configured, "reference": found.reference}


def _place(config: PrivacyConfig) -> dict[str, Any]:
    return {"category": config.meta.category, "target_key": config.meta.key, "version": config.current.version}


def _fields(config: PrivacyConfig, found: Sequence[PrivacyField]) -> dict[str, Any]:
    return _place(config) | {"fields": [_field(each) for each in found]}


def _value(config: PrivacyConfig, found: PrivacyField, *, reveal: bool) -> dict[str, Any]:
    shown = _place(config) | _field(found)
    return shown | {"value": config.current.values[found.name]} if reveal else shown


def _shown(stored: PrivacyConfig) -> dict[str, Any]:
    meta = stored.meta
    return {
        "meta": {
            "category": meta.category,
            "target_key": meta.key,
            "active_version": meta.active,
            "latest_version": meta.latest,
            "labels": meta.labels,
            "created_at": meta.created_at,
            "updated_at": meta.updated_at,
        },
        "current": asdict(stored.current),
        "values": stored.current.values,
    }


ENDPOINTS = (
    Endpoint("POST", f"{_AT}/scan", later, dict[str, Any], "Scan for values (501)", later=True),
    Endpoint("PUT", f"{_ONE}/field", later, dict[str, Any], "Change one field (501)", later=True),
    Endpoint("GET", f"{_AT}/tree", tree, PrivacyTreeResult, "List all private values by field"),
    Endpoint("POST", f"{_AT}/resolve", resolve, PrivacyValueResult, "Read the value of a reference"),
    Endpoint("DELETE", f"{_AT}/selector", remove_selected, PrivacyRemovedResult, "Delete the target of a reference"),
    Endpoint("GET", f"{_ONE}/fields", fields, PrivacyFieldsResult, "List the fields of private values"),
    Endpoint("GET", f"{_ONE}/field", field, PrivacyValueResult, "Read one field"),
    Endpoint("DELETE", f"{_ONE}/field", remove_field, PrivacyRemovedResult, "Delete one field"),
    Endpoint("PATCH", _ONE, patch, PrivacyResult, "Store some fields of private values"),
    Endpoint("DELETE", _ONE, remove, PrivacyRemovedResult, "Delete private values"),
    Endpoint("GET", _AT, categories, list[str], "List categories of private values"),
    Endpoint("GET", f"{_AT}/{{category}}", targets, list[str], "List the keys of a category"),
    Endpoint("GET", _ONE, config, PrivacyResult, "Read private values"),
    Endpoint("POST", _ONE, upsert, PrivacyResult, "Store private values"),
    Endpoint("GET", f"{_ONE}/versions", versions, list[int], "List versions"),
    Endpoint("GET", f"{_ONE}/versions/{{number}}", version, PrivacyVersionResult, "Read a version"),
    Endpoint("POST", f"{_ONE}/activate", activate, PrivacyResult, "Activate a version"),
)
