"""Routes of the wire that this server knows and does not serve: each says what to use instead, with 501.

They stand behind every other route, so that nothing that is served is looked up any later for them.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from recalld.domain.errors import Invalid, NotFound
from recalld.surfaces.http.call import ROUTE, Call
from recalld.surfaces.http.errors import of_error
from recalld.surfaces.http.models.monitor import WatchesQuery, WatchesResult
from recalld.surfaces.http.reply import failure
from recalld.surfaces.http.route import Verb

_API = "/api/v1"
_BOT = ("The bot is no part of this server", "let your agent talk to /mcp or to /api/v1/search/search")
_CONSOLE = ("There is no console behind this server", "read GET /metrics and GET /api/v1/observer/system")
_ASSETS = ("Asset manifests are not resolved here", "import the files with POST /api/v1/resources")
_EVOLUTION = ("Agents are not evolved here", "read what was learnt with POST /api/v1/search/find")
_BACKENDS = ("The store has one place and nothing to be kept in step with it", "copy the data folder, or export a pack")
_ACL = ("There are no access lists", "use accounts and users: each has a tree of its own")
_GROUPS = ("There are no groups", "use accounts: all users of one share viking://resources")
_COMPILE = ("Nothing is compiled here", "read GET /api/v1/content/overview, which is kept up to date by itself")
_TEMPLATES = ("Memories have no templates here", "they are made from what was said, see docs/http.md")
_CONFIGURATION = ("Settings are not changed over HTTP", "edit recalld.toml and start again, see docs/configuration.md")
_OAUTH = ("OAuth is not spoken here", "send an API key as X-API-Key or Authorization: Bearer")
_WATCHES = ("Sources are not watched", "import them again with POST /api/v1/resources: what is unchanged stays")
_WEBDAV = ("WebDAV is not spoken here", "use /api/v1/fs and /api/v1/content")

REFUSED: dict[str, tuple[str, str]] = {
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
"""Path -> what is not here, and what to use instead. Any method.

Not among them: ``/.well-known/oauth-*``. Clients look there by themselves, and only a 404 tells them to go on without.
"""


_METHODS = {f"{_API}/watches": ["POST", "PATCH", "PUT", "DELETE"]}
"""Where a route beside it is served: other methods are not allowed, rather than not there yet."""


class Refusal:
    """The ASGI application of one such path. Reads nothing and asks nobody who they are: it has nothing to give."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._headers = {"Allow": "OPTIONS"} if path.startswith("/webdav/") else {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[ROUTE] = self._path
        if self._headers and scope["method"] == "OPTIONS":
            await Response(status_code=204, headers=self._headers)(scope, receive, send)
            return
        what, remedy = REFUSED[self._path]
        status, error, headers = of_error(Invalid(what, remedy=remedy, code="UNIMPLEMENTED"))
        await failure(status, error, {**headers, **self._headers})(scope, receive, send)


def refusals() -> list[Route]:
    """The router's last lines."""
    return [Route(path, Refusal(path), methods=_METHODS.get(path)) for path in REFUSED]


async def watches(call: Call, query: Annotated[WatchesQuery, Query()]) -> dict[str, Any]:
    """The sources that are watched: none are, so the list is empty."""
    if query.to_uri:
        uri = str(call.expand(query.to_uri))
        raise NotFound(
            f"Watch not found: {uri}",
            remedy="sources are not watched here; import them again",
            details={"type": "watch", "resource": uri},
        )
    return {"tasks": [], "total": 0}


VERBS = (
    # Beside the refusals of the same path: a document that named it would have to name their methods too.
    Verb("GET", f"{_API}/watches", watches, WatchesResult, "List watched sources (none)", later=True),
)
