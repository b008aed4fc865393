"""OpenViking routes that are deliberately not implemented: each answers 501 and names an alternative.

They are the last routes of the router, so the others are not matched any later for them.
"""

from __future__ import annotations

from typing import Any

from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from recalld.domain.errors import Invalid, NotFound
from recalld.surfaces.http.endpoint import Endpoint
from recalld.surfaces.http.models.resource import WatchesQuery, WatchesResult
from recalld.surfaces.http.reply import failure, of_error
from recalld.surfaces.http.request import ROUTE, ApiRequest

_API = "/api/v1"
_ACCOUNT = f"{_API}/admin/accounts/{{account}}"
_TABLE = (
    (
        "The bot API is not implemented",
        "let your agent talk to /mcp or to /api/v1/search/search",
        "/bot/v1/{rest:path}",
    ),
    (
        "The console is not implemented",
        "read GET /metrics and GET /api/v1/observer/system",
        f"{_API}/console/{{rest:path}}",
    ),
    (
        "Asset manifests are not implemented",
        "import the files with POST /api/v1/resources",
        f"{_API}/openviking-assets/{{rest:path}}",
    ),
    (
        "Agent evolution is not implemented",
        "read memories with POST /api/v1/search/find",
        f"{_API}/agent-evolution/{{rest:path}}",
    ),
    (
        "Storage backends and their synchronization are not implemented",
        "copy the data folder, or export a pack",
        f"{_API}/system/backend/{{rest:path}}",
        f"{_API}/system/sync/{{rest:path}}",
    ),
    (
        "Access lists are not implemented",
        "use accounts and users: each has its own tree",
        f"{_API}/acl",
        f"{_API}/acl/{{rest:path}}",
    ),
    (
        "Groups are not implemented",
        "use accounts: all users of one share viking://resources",
        f"{_ACCOUNT}/groups",
        f"{_ACCOUNT}/groups/{{rest:path}}",
    ),
    (
        "Compilation is not implemented",
        "read GET /api/v1/content/overview, which is updated automatically",
        f"{_API}/compile",
        f"{_API}/compile/{{rest:path}}",
    ),
    (
        "Memory templates are not implemented",
        "memories are extracted from messages, see docs/http.md",
        f"{_API}/memory-templates",
        f"{_API}/memory-templates/{{rest:path}}",
        f"{_ACCOUNT}/memory-templates",
        f"{_ACCOUNT}/memory-templates/{{rest:path}}",
    ),
    (
        "Settings cannot be changed over HTTP",
        "edit recalld.toml and restart the server, see docs/configuration.md",
        f"{_API}/configuration",
        f"{_API}/admin/configuration",
        f"{_API}/system/configuration",
        f"{_ACCOUNT}/configuration",
    ),
    (
        "OAuth is not implemented",
        "send an API key as X-API-Key or Authorization: Bearer",
        *(f"{_API}/auth/{{rest:path}}", "/register", "/authorize", "/token", "/revoke", "/oauth/{rest:path}"),
    ),
    (
        "Watching sources is not implemented",
        "import them again with POST /api/v1/resources: unchanged files are skipped",
        f"{_API}/watches",
        f"{_API}/watches/{{rest:path}}",
    ),
    (
        "WebDAV is not implemented",
        "use /api/v1/fs and /api/v1/content",
        "/webdav/resources",
        "/webdav/resources/{rest:path}",
    ),
)
UNSUPPORTED = {path: (what, remedy) for what, remedy, *paths in _TABLE for path in paths}
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


async def watches(request: ApiRequest, query: WatchesQuery) -> dict[str, Any]:
    """List watched sources: always empty."""
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
