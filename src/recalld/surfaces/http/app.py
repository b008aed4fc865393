"""The HTTP application: the route table, the middleware around it, and the documents that describe it."""

from __future__ import annotations

import logging
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import ASGIApp

from recalld.app.config import ServerConfig
from recalld.domain.version import VERSION
from recalld.infra.thread_pool import Pool
from recalld.rules.origin import ANY
from recalld.surfaces.http import (
    admin,
    history,
    metrics,
    packs,
    privacy,
    resources,
    search,
    sessions,
    skills,
    snapshots,
    stats,
    system,
    tree,
    unsupported_routes,
)
from recalld.surfaces.http.crossorigin import Cors, CrossOriginProtection
from recalld.surfaces.http.endpoint import Endpoint, EndpointApp
from recalld.surfaces.http.middleware import MountedApp, OnRequest, RequestMiddleware, RequestRecord
from recalld.surfaces.http.mounts import HttpContext, MountedApps
from recalld.surfaces.http.openapi import openapi_document
from recalld.surfaces.http.reply import failure, of_status, plain
from recalld.surfaces.http.request import REQUEST_ID, AppState

if TYPE_CHECKING:
    from recalld.app.engine import Engine

_STATIC = Path(__file__).parent / "static"
_PAGES = {
    "/docs": ("docs.html", "text/html; charset=utf-8"),
    "/docs/page.js": ("docs.js", "text/javascript; charset=utf-8"),
    "/docs/page.css": ("docs.css", "text/css; charset=utf-8"),
}
"""Path -> the file that is served there, and its media type."""
_PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
"""A page runs only scripts of this server and cannot be framed."""
_SUMMARY = "The context database for AI agents that always answers"
_log = logging.getLogger("recalld.http")
_EXPOSED = (
    *("X-Request-ID", "X-Process-Time", "X-Recalld-Degraded", "Deprecation", "Link", "Retry-After"),
    *("X-Snapshot-Oid", "X-Snapshot-Size", "X-Recalld-Truncated", "X-Recalld-Ignored"),
)

ENDPOINTS: tuple[Endpoint, ...] = (
    *search.ENDPOINTS,
    *sessions.ENDPOINTS,
    *tree.ENDPOINTS,
    *system.ENDPOINTS,
    *history.ENDPOINTS,
    *resources.ENDPOINTS,
    *skills.ENDPOINTS,
    *packs.ENDPOINTS,
    *privacy.ENDPOINTS,
    *snapshots.ENDPOINTS,
    *metrics.ENDPOINTS,
    *stats.ENDPOINTS,
    *admin.ENDPOINTS,
    *unsupported_routes.ENDPOINTS,
)
"""Every route, the busiest first: they are tried in this order."""


class Application(Starlette):
    """Our routes, and the middleware around everything, the handler of unexpected errors included."""

    app_state: AppState
    on_request: OnRequest | None = None

    def build_middleware_stack(self) -> ASGIApp:
        """See ``Starlette``. The origin checks and the request's record surround its stack."""
        checked = CrossOriginProtection(super().build_middleware_stack(), self.app_state.settings)
        return RequestMiddleware(checked, self.on_request)

    @cached_property
    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document. Slow the first time: read it on a pool."""
        return openapi_document(ENDPOINTS, title="recalld", version=VERSION, summary=_SUMMARY)


def create_app(
    engine: Engine | None,
    settings: ServerConfig,
    *,
    on_request: OnRequest | None = None,
    mounted_apps: MountedApps | None = None,
) -> Application:
    """Build the application.

    ``engine`` None: it is still being opened, set ``app.app_state.engine`` when it is; until then all but /health and
    /ready answer 503. ``on_request`` is called after every request and must not block.
    ``mounted_apps``: applications of other surfaces by path, each made with the context that identifies callers.

    The caller closes ``app.app_state`` when the application has ended.
    """
    codec = Pool("http-codec", running_max=2, waiting_max=64)
    disk = Pool("http-disk", running_max=4, waiting_max=64)
    scan = Pool("http-scan", running_max=1, waiting_max=64)
    app = Application()
    app.app_state = AppState(settings, codec, disk, scan, engine)
    app.on_request = _counting(app.app_state, on_request)
    for endpoint in ENDPOINTS:
        app.router.routes.append(Route(endpoint.path, EndpointApp(endpoint, app.app_state), methods=[endpoint.method]))
    for path, mount in (mounted_apps or {}).items():
        app.router.routes.append(
            Route(path, MountedApp(path, mount(HttpContext(app.app_state))), methods=["GET", "POST", "DELETE"])
        )
    app.router.routes += _documents(app)
    app.router.routes += unsupported_routes.unsupported_routes()
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(Exception, _broken)
    app.add_middleware(
        Cors,
        allow_origins=list(settings.cors_origins),
        allow_credentials=ANY not in settings.cors_origins,
        allow_private_network=True,
        allow_methods=["*"],
        allow_headers=["*"],
        expose_headers=list(_EXPOSED),
    )
    return app


def _documents(app: Application) -> list[Route]:
    async def document(_: Request) -> Response:
        return plain(await app.app_state.codec.run(lambda: app.openapi), headers={"Cache-Control": "no-cache"})

    async def page(request: Request) -> Response:
        name, media = _PAGES[request.scope["path"]]
        return Response(
            await app.app_state.disk.run((_STATIC / name).read_bytes), headers=_PAGE_HEADERS, media_type=media
        )

    return [Route("/openapi.json", document), *(Route(path, page) for path in _PAGES)]


def _counting(app_state: AppState, then: OnRequest | None) -> OnRequest:
    def seen(one: RequestRecord) -> None:
        app_state.counters.add(one.method, one.route, one.status, one.seconds)
        if then is not None:
            then(one)

    return seen


async def _refused(request: Request, error: Exception) -> Response:
    """Errors of the router, in the envelope."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    messages = {
        404: f"Not found: {request.url.path} is no route of this server; GET /docs lists them",
        405: f"Method not allowed: {request.method} {request.url.path}; GET /docs lists the methods",
    }
    headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    if status == 405:
        headers["Allow"] = ", ".join(_methods(request))
    code, problem, _ = of_status(status, messages.get(status, "Request refused"))
    return failure(code, problem, headers)


def _methods(request: Request) -> list[str]:
    """Every method of a path: its routes stand one for each, and the router names only the first one's."""
    routes = [
        route
        for route in request.app.router.routes
        if isinstance(route, Route) and route.matches(request.scope)[0] is not Match.NONE
    ]
    plainest = min((route.path for route in routes), key=lambda path: path.count("{"), default="")
    return sorted({method for route in routes if route.path == plainest for method in route.methods or ()})


async def _broken(request: Request, error: Exception) -> Response:
    """An unexpected error: the caller gets a request id to report, the log gets the traceback."""
    request_id = request.scope.get(REQUEST_ID, "")
    _log.error("request %s %s %s failed", request_id, request.method, request.url.path, exc_info=error)
    details: dict[str, Any] = {"request_id": request_id}
    return failure(500, {"code": "INTERNAL", "message": "Internal server error", "details": details}, {})
