"""Checks of the host and the web origin of a request. They keep web pages in a browser away from the store.

Without keys every request is accepted, and a browser sends requests for every page it shows. The name under which
the server was reached (``Host``, against DNS rebinding) and the page that sends the request (``Origin``, ``Sec-Fetch-Site``) are
therefore checked first, for every route. Where every caller needs a key, each check requires its setting.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from recalld.app.config import ServerConfig
from recalld.domain.errors import Denied, RecalldError
from recalld.rules.origin import ANY, Authority, authority, is_within, origin, origin_of
from recalld.surfaces.http.reply import Misdirected, failure, of_error

TARGET = "recalld.target"
"""Key in the ASGI scope of the authority of an absolute request target (bytes)."""
_PAGES = ("/", "/docs", "/studio")
_DOWNLOAD = "/api/v1/content/download"
_SHOWN_MAX = 80

RawHeaders = Mapping[bytes, tuple[bytes, ...]]


class CrossOriginProtection:
    """Pure ASGI around everything else. A rejected request reaches no route, and its body is not read."""

    def __init__(self, app: ASGIApp, settings: ServerConfig) -> None:
        self._app = app
        self._policy = Policy(settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        problem = self._policy.problem(scope)
        if problem is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await failure(*of_error(problem))(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008, "reason": "refused"})


@dataclass(frozen=True, slots=True)
class _Reached:
    """The authorities under which a request reached the server, and the origins that are the server's own for it."""

    hosts: tuple[Authority | None, ...]
    origins: frozenset[str]


class Policy:
    """The checks that the settings require. Pure."""

    def __init__(self, settings: ServerConfig) -> None:
        keyless = not settings.requires_key
        self._checks_host = keyless or bool(settings.allowed_hosts)
        self._checks_origin = keyless or bool(settings.cors_origins)
        self._proxies = settings.trusted_proxies
        self._public = origin(settings.public_url.partition("://")[0] + "://" + _netloc(settings.public_url))
        self._origins = frozenset(settings.cors_origins)
        known = [authority(one) for one in settings.allowed_hosts]
        if settings.public_url:
            public = authority(_netloc(settings.public_url))
            known.append(None if public is None else Authority(public.host))
        self._hosts = frozenset(one for one in known if one is not None)
        self._knows = lru_cache(maxsize=256)(lambda host: self._is_known(_authority(host)))

    def problem(self, scope: Scope) -> RecalldError | None:
        """Return why a request is rejected, None if it is accepted."""
        if not (self._checks_host or self._checks_origin):
            return None
        headers = _by_name(scope)
        if self._is_plain(scope, headers):
            return None
        reached = self._reached(scope, headers)
        if self._checks_host and not all(self._is_known(host) for host in reached.hosts):
            return _misdirected(headers.get(b"host", ()))
        return self._foreign(scope, headers, reached) if self._checks_origin else None

    def _is_plain(self, scope: Scope, headers: RawHeaders) -> bool:
        """What programs send: one host, which is ours, and no header of a browser or proxy."""
        if len(headers) > 1 or self._proxies or TARGET in scope:
            return False
        hosts = headers.get(b"host", ())
        return len(hosts) == 1 and (not self._checks_host or bool(self._knows(hosts[0])))

    def _reached(self, scope: Scope, headers: RawHeaders) -> _Reached:
        """Every name must be one of ours: the one that a trusted proxy reports, and the one that the proxy used. A page whose
        name was rebound to this machine could send a forwarded header too.
        """
        named = headers.get(b"host", ())
        hosts = [_authority(named[0]) if len(named) == 1 else None]
        target = scope.get(TARGET)
        if target is not None:
            hosts.append(_authority(target))
        forwarded = forwarded_by(scope, self._proxies)
        if forwarded is not None and forwarded.host:
            hosts.append(authority(forwarded.host))
        scheme = str(scope.get("scheme", "http")).replace("ws", "http")
        own = {self._public or ""}
        for host in hosts:
            if host is not None:
                own.add(origin_of(scheme, host))
                own.add(origin_of((forwarded.scheme if forwarded else "") or scheme, host))
        return _Reached(tuple(hosts), frozenset(own - {""}))

    def _is_known(self, host: Authority | None) -> bool:
        if host is None:
            return False
        return host.loopback or host in self._hosts or Authority(host.host) in self._hosts

    def _foreign(self, scope: Scope, headers: RawHeaders, reached: _Reached) -> RecalldError | None:
        """An origin that is neither ours nor listed, or without an origin a browser that reports a cross-site request."""
        origins = headers.get(b"origin", ())
        for one in origins:
            found = origin(one.decode("latin-1"))
            if ANY in self._origins or (found is not None and found in self._origins):
                continue
            if found is None or not _is_own(found, reached):
                return _refused(one)
            if _crosses(headers):
                return _refused(one)
        if origins or not _crosses(headers) or ANY in self._origins or _is_navigation(scope, headers):
            return None
        return _refused(b"")


@dataclass(frozen=True, slots=True)
class Forwarded:
    """The address at which a proxy was reached; "" = unknown."""

    host: str
    scheme: str


def forwarded_by(scope: Scope, proxies: tuple[str, ...]) -> Forwarded | None:
    """Return the forwarded headers of a request from a trusted proxy; None for any other request.

    Of several values the last one counts: the nearest proxy wrote it, and the client may have sent the others.
    """
    client = scope.get("client")
    if not proxies or not client or not is_within(str(client[0]), proxies):
        return None
    host = scheme = ""
    for name, value in scope["headers"]:
        if name == b"x-forwarded-host":
            host = _last(value)
        elif name == b"x-forwarded-proto":
            scheme = _last(value).lower()
        elif name == b"forwarded":
            parameters = dict(_pairs(_last(value)))
            host, scheme = parameters.get("host", host), parameters.get("proto", scheme).lower()
    return Forwarded(host, scheme if scheme in {"http", "https"} else "")


def base_url(scope: Scope, settings: ServerConfig) -> str:
    """Return the address of this server for links: ``server.public_url``, else the address at which a trusted proxy was
    reached, else the address it listens on. The Host header alone is never trusted.
    """
    if settings.public_url:
        return settings.public_url
    forwarded = forwarded_by(scope, settings.trusted_proxies)
    named = authority(forwarded.host) if forwarded is not None else None
    if forwarded is not None and named is not None:
        return origin_of(forwarded.scheme or "http", named)
    host, port = scope.get("server") or (settings.host, settings.port)
    if port is None and str(host).startswith("/"):  # a socket in the file system
        host, port = settings.host, settings.port
    shown = f"[{host}]" if ":" in str(host) else host
    return f"{scope.get('scheme', 'http')}://{shown}" + (f":{port}" if port else "")


def _netloc(url: str) -> str:
    return url.partition("://")[2].partition("/")[0]


def _by_name(scope: Scope) -> dict[bytes, tuple[bytes, ...]]:
    found: dict[bytes, tuple[bytes, ...]] = {}
    for name, value in scope["headers"]:
        if name in _READ:
            found[name] = (*found.get(name, ()), value.strip(b" \t"))
    return found


_READ = frozenset({b"host", b"origin", b"sec-fetch-site", b"sec-fetch-mode", b"sec-fetch-dest"})


def _authority(value: bytes) -> Authority | None:
    return authority(value.decode("latin-1"))


def _is_own(found: str, reached: _Reached) -> bool:
    """Whether the origin is the one that the request was sent to. Loopback names with one port are one server."""
    if found in reached.origins:
        return True
    scheme, _, place = found.partition("://")
    named = authority(place)
    if named is None or not named.loopback:
        return False
    own = {origin_of(scheme, Authority(named.host, host.port)) for host in reached.hosts if host and host.loopback}
    return found in own and any(one.startswith(f"{scheme}://") for one in reached.origins)


def _crosses(headers: RawHeaders) -> bool:
    return any(one.lower() == b"cross-site" for one in headers.get(b"sec-fetch-site", ()))


def _is_navigation(scope: Scope, headers: RawHeaders) -> bool:
    """Whether the user follows a link to one of our pages, or to a file that the link itself opens. An embedded resource is not a
    navigation.
    """
    if scope["type"] != "http" or scope["method"] != "GET":
        return False
    if any(one.lower() != b"navigate" for one in headers.get(b"sec-fetch-mode", ())):
        return False
    if any(one.lower() != b"document" for one in headers.get(b"sec-fetch-dest", ())):
        return False
    path = scope["path"]
    if path in _PAGES or path.startswith("/studio/"):
        return True
    query = scope.get("query_string", b"").split(b"&")
    return path == _DOWNLOAD and any(one.startswith(b"token=") and len(one) > len(b"token=") for one in query)


def _last(value: bytes) -> str:
    return value.decode("latin-1").rpartition(",")[2].strip()


def _pairs(value: str) -> Iterator[tuple[str, str]]:
    """Yield the parameters of one element of a Forwarded header."""
    for one in value.split(";"):
        name, mark, value = one.partition("=")
        if mark:
            yield name.strip().lower(), value.strip().strip('"')


def _misdirected(hosts: tuple[bytes, ...]) -> Misdirected:
    shown = ", ".join(one.decode("latin-1")[:_SHOWN_MAX] for one in hosts[:2])
    return Misdirected(
        f"this server does not answer to the host {shown!r}" if shown else "a request must name its host",
        remedy="use http://127.0.0.1 or localhost, or name the host in server.allowed_hosts",
        details={"header": "Host"},
    )


def _refused(web_origin: bytes) -> Denied:
    who = f"the web origin {web_origin.decode('latin-1')[:_SHOWN_MAX]!r}" if web_origin else "a page of another site"
    return Denied(
        f"{who} may not use this server",
        remedy="if it may, name it in server.cors_origins, or in server.public_url where it is the server's own",
        details={"header": "Origin" if web_origin else "Sec-Fetch-Site"},
    )


class Cors(CORSMiddleware):
    """Starlette's, with refused preflights in the envelope."""

    def preflight_response(self, request_headers: Headers) -> Response:
        """The answer to a preflight."""
        answer = super().preflight_response(request_headers)
        if answer.status_code < 400:
            return answer
        refused = Denied(
            f"a page of {request_headers.get('origin', '')[:80]!r} may not ask this server in such a way",
            remedy="name its origin in server.cors_origins if it may",
            details={"header": "Origin"},
        )
        return failure(*of_error(refused))
