"""/user-settings: what a user has chosen for itself."""

from __future__ import annotations

from typing import Any

from recalld.app.default_locations import LocationOperations, Locations
from recalld.surfaces.http.endpoint import Endpoint
from recalld.surfaces.http.models.admin import LocationsBody, LocationsShown
from recalld.surfaces.http.request import ApiRequest

_AT = "/api/v1/user-settings/add-locations"


async def locations(request: ApiRequest) -> dict[str, Any]:
    """Where imports and skills go when they are not told."""
    return _shown(await request.workspace.facade(LocationOperations).locations())


async def choose_locations(request: ApiRequest, body: LocationsBody) -> dict[str, Any]:
    """Choose where imports and skills go when they are not told; null takes a choice back."""
    changes = body.model_dump(include=body.model_fields_set - {"telemetry"})
    return _shown(await request.workspace.facade(LocationOperations).choose(changes))


async def reset_locations(request: ApiRequest) -> dict[str, Any]:
    """Take both choices back."""
    return _shown(await request.workspace.facade(LocationOperations).reset())


def _shown(found: Locations) -> dict[str, Any]:
    effective = {"resource_uri": found.resource_uri, "skill_uri": found.skill_uri}
    return {"override": dict(found.override), "effective": effective}


ENDPOINTS = (
    Endpoint("GET", _AT, locations, LocationsShown, "Where do imports go?"),
    Endpoint("PATCH", _AT, choose_locations, LocationsShown, "Choose where imports go"),
    Endpoint("DELETE", _AT, reset_locations, LocationsShown, "Let imports go where they usually do"),
)
