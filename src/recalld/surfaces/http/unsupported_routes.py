"""OpenViking routes that are deliberately not implemented: each answers 501 and names an alternative.

They are the last routes of the router, so the others are not matched any later for them.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from recalld.domain.errors import Invalid, NotFound
from recalld.surfaces.http.endpoint import Endpoint
from recalld.surfaces.http.errors import of_error
from recalld.surfaces.http.models.monitor import WatchesQuery, WatchesResult
from recalld.surfaces.http.reply import failure
from recalld.surfaces.http.request import ROUTE, ApiRequest

_API = "/api/v1"
_BOT = ("The bot API is not implemented", "let your agent talk to /mcp or to /api/v1/search/search")
_CONSOLE = ("The console is not implemented", "read GET /metrics and GET /api/v1/observer/system")
_ASSETS = ("Asset manifests are not implemented", "import the files with POST /api/v1/resources")
_EVOLUTION = ("Agent evolution is not implemented", "read memories with POST /api/v1/search/find")
_BACKENDS = ("Storage backends and their synchronization are not implemented", "copy the data folder, or export a pack")
_ACL = ("Access lists are not implemented", "use accounts and users: each has its own tree")
_GROUPS = ("Groups are not implemented", "use accounts: all users of one share viking://resources")
_COMPILE = ("Compilation is not implemented", "read GET /api/v1/content/overview, which is updated automatically")
_TEMPLATES = ("Memory templates are not implemented", "memories are extracted from messages, see docs/http.md")
_CONFIGURATION = (
    "Settings cannot be changed over HTTP",
    "edit recalld.toml and restart the server, see docs/configuration.md",
)
_OAUTH = ("OAuth is not implemented", "send an API key as X-API-Key or Authorization: Bearer")
_WATCHES = (
    "Watching sources is not implemented",
    "import them again with POST /api/v1/resources: unchanged files are skipped",
)
_WEBDAV = ("WebDAV is not implemented", "use /api/v1/fs and /api/v1/content")

UNSUPPORTED: dict[str, tuple[str, str]] = {
    "/bot/v1/{rest:path}": _BOT,
    f"{_API}/console/{{rest:path}}": _CONSOLE,
    f"{_API}/openviking-assets/{{rest:path}}": _ASSETS,
    f"{_API}/agent-evolution/{{rest:path}}": _EVOLUTION,
    f"{_API}/system/backend/{{rest:path}}": _BACKENDS,
    f"{_API}/system/sync/{{rest:path}}": _BACKENDS,
    f"{_API}/acl": _ACL,
    f"{_API}/acl/{{rest:path}}": _ACL,
    f"{_API}/admin/accounts/{{account}}/groups": _GROUPS,
    f"{_API}/admin/accounts/{{account}}/groups/{{rest:path}}": _GROUPS,
    f"{_API}/compile": _COMPILE,
    f"{_API}/compile/{{rest:path}}": _COMPILE,
    f"{_API}/memory-templates": _TEMPLATES,
    f"{_API}/memory-templates/{{rest:path}}": _TEMPLATES,
    f"{_API}/admin/accounts/{{account}}/memory-templates": _TEMPLATES,
    f"{_API}/admin/accounts/{{account}}/memory-templates/{{rest:path}}": _TEMPLATES,
    f"{_API}/configuration": _CONFIGURATION,
    f"{_API}/admin/configuration": _CONFIGURATION,
    f"{_API}/system/configuration": _CONFIGURATION,
    f"{_API}/admin/accounts/{{account}}/configuration": _CONFIGURATION,
    f"{_API}/auth/{{rest:path}}": _OAUTH,
    "/register": _OAUTH,
    "/authorize": _OAUTH,
    "/token": _OAUTH,
    "/revoke": _OAUTH,
    "/oauth/{rest:path}": _OAUTH,
    f"{_API}/watches": _WATCHES,
    f"{_API}/watches/{{rest:path}}": _WATCHES,
    "/webdav/resources": _WEBDAV,
    "/webdav/resources/{rest:path}": _WEBDAV,
}
"""Path -> what is not implemented, and what to use instead. Any method.

Not among them: ``/.well-known/oauth-*``. Clients probe them, and continue without OAuth only after a 404.
"""


_METHODS = {f"{_API}/watches": ["POST", "PATCH", "PUT", "DELETE"]}
"""Paths of which another method is implemented."""


class UnsupportedRoute:
    """The ASGI application of one such path. It reads no body and needs no authentication."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._headers = {"Allow": "OPTIONS"} if path.startswith("/webdav/") else {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[ROUTE] = self._path
        if self._headers and scope["method"] == "OPTIONS":
            await Response(status_code=204, headers=self._headers)(scope, receive, send)
            return
        what, remedy = UNSUPPORTED[self._path]
        status, error, headers = of_error(Invalid(what, remedy=remedy, code="UNIMPLEMENTED"))
        await failure(status, error, {**headers, **self._headers})(scope, receive, send)


def unsupported_routes() -> list[Route]:
    """The last routes of the router."""
    return [Route(path, UnsupportedRoute(path), methods=_METHODS.get(path)) for path in UNSUPPORTED]


async def watches(request: ApiRequest, query: Annotated[WatchesQuery, Query()]) -> dict[str, Any]:
    """The watched sources: always an empty list."""
    if query.to_uri:
        uri = str(request.expand(query.to_uri))
        raise NotFound(
            f"Watch not found: {uri}",
            remedy="watching sources is not implemented; import them again",
            details={"type": "watch", "resource": uri},
        )
    return {"tasks": [], "total": 0}


ENDPOINTS = (
    # Not in the document: it would have to name the unsupported methods of the path too.
    Endpoint("GET", f"{_API}/watches", watches, WatchesResult, "List watched sources (none)", later=True),
)
