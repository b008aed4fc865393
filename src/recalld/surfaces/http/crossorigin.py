"""Which hosts and web origins a request may come with: what keeps a page that is open in a browser away from the store.

Where no key is asked for, being able to send a request is all it takes to be somebody; and a browser sends requests for every
page it shows. So the name the server was reached by (``Host``, against DNS rebinding) and the page that asks (``Origin``,
``Sec-Fetch-Site``) are checked before anything else, for every route alike. Where every caller brings a key, each check is made
only if its setting is set.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from starlette.types import ASGIApp, Receive, Scope, Send

from recalld.app.config import ServerConfig
from recalld.domain.errors import Denied, RecalldError
from recalld.rules.origin import ANY, Authority, authority, is_within, origin, origin_of
from recalld.surfaces.http.errors import Misdirected, of_error
from recalld.surfaces.http.reply import failure

TARGET = "recalld.target"
"""Key in the ASGI scope of the authority that an absolute request target named (bytes)."""
_PAGES = ("/", "/docs", "/studio")
_DOWNLOAD = "/api/v1/content/download"
_SHOWN_MAX = 80

Headers = Mapping[bytes, tuple[bytes, ...]]


class CrossOriginProtection:
    """Pure ASGI around everything else. A request that is refused reaches no route, and its body is not read."""

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
    """By which authorities a request says that it reached the server, and the origins that are the server's own for it."""

    hosts: tuple[Authority | None, ...]
    origins: frozenset[str]


class Policy:
    """What the settings make of a request. Pure."""

    def __init__(self, settings: ServerConfig) -> None:
        keyless = not settings.asks_for_keys
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
        """Why a request is refused, None if it is not."""
        if not (self._checks_host or self._checks_origin):
            return None
        headers = _by_name(scope)
        if self._is_plain(scope, headers):
            return None
        reached = self._reached(scope, headers)
        if self._checks_host and not all(self._is_known(host) for host in reached.hosts):
            return _misdirected(headers.get(b"host", ()))
        return self._foreign(scope, headers, reached) if self._checks_origin else None

    def _is_plain(self, scope: Scope, headers: Headers) -> bool:
        """What programs send: one host, which is ours, and nothing that browsers or proxies add."""
        if len(headers) > 1 or self._proxies or TARGET in scope:
            return False
        values = headers.get(b"host", ())
        return len(values) == 1 and (not self._checks_host or bool(self._knows(values[0])))

    def _reached(self, scope: Scope, headers: Headers) -> _Reached:
        """Every name must be one of ours: that which a trusted proxy tells, and that which it used itself. A page of a name that
        was turned to this machine could send a forwarded header too."""
        values = headers.get(b"host", ())
        hosts = [_authority(values[0]) if len(values) == 1 else None]
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

    def _foreign(self, scope: Scope, headers: Headers, reached: _Reached) -> RecalldError | None:
        """An origin that is neither ours nor listed; or, where none is told, a browser that says that another site asks."""
        asking = headers.get(b"origin", ())
        for one in asking:
            found = origin(one.decode("latin-1"))
            if ANY in self._origins or (found is not None and found in self._origins):
                continue
            if found is None or not _is_own(found, reached):
                return _refused(one)
            if _crosses(headers):
                return _refused(one)
        if asking or not _crosses(headers) or ANY in self._origins or _is_navigation(scope, headers):
            return None
        return _refused(b"")


@dataclass(frozen=True, slots=True)
class Forwarded:
    """What a proxy says of the address it was asked at; "" = nothing."""

    host: str
    scheme: str


def forwarded_by(scope: Scope, proxies: tuple[str, ...]) -> Forwarded | None:
    """The forwarded headers of a request that a trusted proxy sent; None for anybody else's.

    Of several values the last one holds: the proxy next to us wrote it, and whoever asked could have sent the others.
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
    """Where a client reaches this server, for links: ``server.public_url``, else what a trusted proxy was asked at, else the
    address that is listened on. The Host header alone is never believed."""
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


def _is_own(asking: str, reached: _Reached) -> bool:
    """The origin that the request was sent to; loopback names of one port are one server."""
    if asking in reached.origins:
        return True
    scheme, _, place = asking.partition("://")
    named = authority(place)
    if named is None or not named.loopback:
        return False
    own = {origin_of(scheme, Authority(named.host, host.port)) for host in reached.hosts if host and host.loopback}
    return asking in own and any(one.startswith(f"{scheme}://") for one in reached.origins)


def _crosses(headers: Headers) -> bool:
    return any(one.lower() == b"cross-site" for one in headers.get(b"sec-fetch-site", ()))


def _is_navigation(scope: Scope, headers: Headers) -> bool:
    """Somebody follows a link to a page of ours, or to a file that the link itself opens. What a page embeds is none."""
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
    """The parameters of one element of a Forwarded header."""
    for one in value.split(";"):
        name, mark, quoted = one.partition("=")
        if mark:
            yield name.strip().lower(), quoted.strip().strip('"')


def _misdirected(hosts: tuple[bytes, ...]) -> Misdirected:
    shown = ", ".join(one.decode("latin-1")[:_SHOWN_MAX] for one in hosts[:2])
    return Misdirected(
        f"this server does not answer to the host {shown!r}" if shown else "a request has to name its host",
        remedy="use http://127.0.0.1 or localhost, or name the host in server.allowed_hosts",
        details={"header": "Host"},
    )


def _refused(asking: bytes) -> Denied:
    who = f"the web origin {asking.decode('latin-1')[:_SHOWN_MAX]!r}" if asking else "a page of another site"
    return Denied(
        f"{who} may not ask this server",
        remedy="if it may, name it in server.cors_origins, or in server.public_url where it is the server's own",
        details={"header": "Origin" if asking else "Sec-Fetch-Site"},
    )
