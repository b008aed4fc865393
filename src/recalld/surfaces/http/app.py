"""The HTTP application: the route table, the frame around it, and the documents that describe it."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import ASGIApp

from recalld import __version__
from recalld.app.config import ServerConfig
from recalld.infra.thread_pool import Pool
from recalld.rules.origin import ANY
from recalld.surfaces.http import (
    admin,
    content,
    fringe,
    history,
    metrics,
    observer,
    packs,
    privacy,
    resources,
    search,
    sessions,
    skills,
    snapshots,
    stats,
    system,
    tasks,
    tending,
    tool_results,
    tree,
    usage,
    user_settings,
)
from recalld.surfaces.http.call import REQUEST_ID, Front
from recalld.surfaces.http.cors import Cors
from recalld.surfaces.http.crossorigin import CrossOriginProtection
from recalld.surfaces.http.document import openapi
from recalld.surfaces.http.errors import of_status
from recalld.surfaces.http.frame import Frame, Named, OnRequest, Seen
from recalld.surfaces.http.guest import Guests, HttpContext
from recalld.surfaces.http.reply import failure, plain
from recalld.surfaces.http.route import Handling, Verb

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
"""A page runs what this server sends and nothing else, and nobody shows it within a page of their own."""
_log = logging.getLogger("recalld.http")
_EXPOSED = (
    *("X-Request-ID", "X-Process-Time", "X-Recalld-Degraded", "Deprecation", "Link", "Retry-After"),
    *("X-Snapshot-Oid", "X-Snapshot-Size", "X-Recalld-Truncated", "X-Recalld-Ignored"),
)

VERBS: tuple[Verb, ...] = (
    *search.VERBS,
    *sessions.VERBS,
    *tool_results.VERBS,
    *content.VERBS,
    *system.VERBS,
    *tree.VERBS,
    *tasks.VERBS,
    *tending.VERBS,
    *history.VERBS,
    *resources.VERBS,
    *skills.VERBS,
    *packs.VERBS,
    *privacy.VERBS,
    *snapshots.VERBS,
    *metrics.VERBS,
    *observer.VERBS,
    *stats.VERBS,
    *usage.VERBS,
    *admin.VERBS,
    *user_settings.VERBS,
    *fringe.VERBS,
)
"""Every route, the busiest first: they are tried in this order."""


class Application(FastAPI):
    """FastAPI with our routes, and the frame around everything, the handler of unforeseen errors included."""

    front: Front
    on_request: OnRequest | None = None

    def build_middleware_stack(self) -> ASGIApp:
        """Starlette's stack: what FastAPI adds serves its own routes, and ours are not run by it (``route.py``)."""
        checked = CrossOriginProtection(Starlette.build_middleware_stack(self), self.front.settings)
        return Frame(checked, self.on_request)

    def openapi(self) -> dict[str, Any]:
        """The document of our routes, made once. Slow the first time: call it on a pool."""
        if self.openapi_schema is None:
            self.openapi_schema = openapi(VERBS, title=self.title, version=self.version, summary=self.summary or "")
        return self.openapi_schema


def create_app(
    engine: Engine | None,
    settings: ServerConfig,
    *,
    on_request: OnRequest | None = None,
    guests: Guests | None = None,
) -> Application:
    """Build the application.

    ``engine`` None: it is still being opened, set ``app.front.engine`` when it is; until then all but /health and
    /ready answer 503. ``on_request`` is called after every request and must not block.
    ``guests``: applications of other surfaces by path, each made with the context that identifies callers.

    The caller closes ``app.front`` when the application has ended.
    """
    codec = Pool("http-codec", running_max=2, waiting_max=64)
    disk = Pool("http-disk", running_max=4, waiting_max=64)
    scan = Pool("http-scan", running_max=1, waiting_max=64)
    app = Application(
        title="recalld",
        version=__version__,
        summary="The context database for AI agents that always answers",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
    )
    app.front = Front(settings, codec, disk, scan, engine)
    app.on_request = _counting(app.front, on_request)
    for verb in VERBS:
        app.router.routes.append(Route(verb.path, Handling(verb, app.front), methods=[verb.method]))
    for path, guest in (guests or {}).items():
        app.router.routes.append(
            Route(path, Named(path, guest(HttpContext(app.front))), methods=["GET", "POST", "DELETE"])
        )
    app.router.routes += _documents(app)
    app.router.routes += fringe.refusals()
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
        return plain(await app.front.codec.run(app.openapi), headers={"Cache-Control": "no-cache"})

    async def page(request: Request) -> Response:
        name, media = _PAGES[request.scope["path"]]
        return Response(await app.front.disk.run((_STATIC / name).read_bytes), headers=_PAGE_HEADERS, media_type=media)

    return [Route("/openapi.json", document), *(Route(path, page) for path in _PAGES)]


def _counting(front: Front, then: OnRequest | None) -> OnRequest:
    def seen(one: Seen) -> None:
        front.tally.add(one.method, one.route, one.status, one.seconds)
        if then is not None:
            then(one)

    return seen


async def _refused(request: Request, error: Exception) -> Response:
    """What the router refuses by itself, in the envelope."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    messages = {
        404: f"Not found: {request.url.path} is no route of this server; GET /docs lists them",
        405: f"Method not allowed: {request.method} {request.url.path}; GET /docs lists the methods",
    }
    headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    if status == 405:
        headers["Allow"] = ", ".join(_methods(request))
    told, problem, _ = of_status(status, messages.get(status, "Request refused"))
    return failure(told, problem, headers)


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
    """A bug of ours: the caller gets a number to report, the log gets the trace."""
    request_id = request.scope.get(REQUEST_ID, "")
    _log.error("request %s %s %s failed", request_id, request.method, request.url.path, exc_info=error)
    details: dict[str, Any] = {"request_id": request_id}
    return failure(500, {"code": "INTERNAL", "message": "Internal server error", "details": details}, {})
