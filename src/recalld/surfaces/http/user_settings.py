"""/user-settings: settings a user makes for itself."""

from __future__ import annotations

from typing import Any

from recalld.app.default_locations import Locations
from recalld.surfaces.http.endpoint import Endpoint
from recalld.surfaces.http.models.admin import LocationsBody, LocationsShown
from recalld.surfaces.http.request import ApiRequest

_AT = "/api/v1/user-settings/add-locations"


async def get(request: ApiRequest) -> dict[str, Any]:
    """Return where imports and skills go by default."""
    return _shown(await request.workspace.locations.get())


async def set_(request: ApiRequest, body: LocationsBody) -> dict[str, Any]:
    """Set where imports and skills go by default. Null restores the default."""
    changes = body.model_dump(include=body.model_fields_set - {"telemetry"})
    return _shown(await request.workspace.locations.set(changes))


async def reset(request: ApiRequest) -> dict[str, Any]:
    """Restore both defaults."""
    return _shown(await request.workspace.locations.reset())


def _shown(found: Locations) -> dict[str, Any]:
    effective = {"resource_uri": found.resource_uri, "skill_uri": found.skill_uri}
    return {"override": dict(found.override), "effective": effective}


ENDPOINTS = (
    Endpoint("GET", _AT, get, LocationsShown, "Show default locations"),
    Endpoint("PATCH", _AT, set_, LocationsShown, "Set default locations"),
    Endpoint("DELETE", _AT, reset, LocationsShown, "Reset default locations"),
)
