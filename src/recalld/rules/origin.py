"""Host names and web origins of requests: parsed strictly and compared in one normal form."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urlsplit

from recalld.domain.errors import Invalid

ANY = "*"
_AUTHORITY = re.compile(r"(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,253}))(?::([0-9]{0,5}))?")
_OPAQUE = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{0,31})://([A-Za-z0-9_.~:\[\]-]{1,255})")
_SUFFIXED = re.compile(r"[a-z0-9!#$&^_.-]+/[a-z0-9!#$&^_.+-]+\+json")
_DEFAULT_PORTS = {"http": 80, "https": 443}
_LOCALHOST = "localhost"


@dataclass(frozen=True, slots=True)
class Authority:
    """A host in normal form (lower case, no trailing dot, addresses in shortest form) and its port."""

    host: str
    port: int | None = None

    @property
    def loopback(self) -> bool:
        """True for the names of the loopback interface: ``localhost``, 127.0.0.0/8 and ``::1``."""
        if self.host == _LOCALHOST:
            return True
        address = _address(self.host)
        return address is not None and address.is_loopback

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port is None else f"{host}:{self.port}"


@lru_cache(maxsize=512)
def authority(text: str) -> Authority | None:
    """Parse ``host[:port]`` of a Host header; None if malformed."""
    found = _AUTHORITY.fullmatch(text)
    if found is None:
        return None
    port = int(found[2]) if found[2] else None
    if port is not None and not 0 < port < 65536:
        return None
    host = found[1].lower()
    if host.startswith("["):
        literal = _address(host[1:-1]) if ":" in host else None
        return None if literal is None else Authority(literal.compressed, port)
    host = host.removesuffix(".")
    return Authority(host, port) if host and ".." not in host else None


@lru_cache(maxsize=512)
def origin(text: str) -> str | None:
    """Return a web origin in normal form; None for ``null`` and malformed ones. Schemes other than http and https
    (``app://…``, ``capacitor://…``) are compared as text."""
    found = _OPAQUE.fullmatch(text)
    if found is None:
        return None
    scheme, place = found[1].lower(), found[2]
    if scheme not in _DEFAULT_PORTS:
        return f"{scheme}://{place.lower()}"
    named = authority(place)
    return None if named is None else origin_of(scheme, named)


def origin_of(scheme: str, named: Authority) -> str:
    """Return the origin of a served address."""
    if named.port == _DEFAULT_PORTS.get(scheme):
        named = Authority(named.host)
    return f"{scheme}://{named}"


def allowed_hosts(values: Sequence[str]) -> tuple[str, ...]:
    """Check and normalise ``server.allowed_hosts``. Raises ``Invalid``."""
    return tuple(str(_host(one)) for one in values)


def _host(text: str) -> Authority:
    bare = text.strip()
    address = _address(bare)
    if address is not None and address.version == 6:
        bare = f"[{bare}]"
    found = authority(_ascii(bare))
    if found is None:
        raise Invalid(
            f"{text[:80]!r} is not a host name",
            remedy="name each host as browsers send it, such as memory.example.com or 10.0.0.5; there is no wildcard",
        )
    return found


def cors_origins(values: Sequence[str]) -> tuple[str, ...]:
    """Check and normalise ``server.cors_origins``. Raises ``Invalid``."""
    return tuple(_origin(one.strip()) for one in values)


def _origin(text: str) -> str:
    if text == ANY:
        return ANY
    found = origin(_ascii(text.removesuffix("/")))
    if found is None:
        raise Invalid(
            f"{text[:80]!r} is not an origin",
            remedy="write scheme, host and port, such as https://app.example.com or app://obsidian.md",
        )
    return found


def public_url(text: str) -> str:
    """Check ``server.public_url`` and return it without trailing slash. Raises ``Invalid``."""
    problem = Invalid(
        f"{text[:80]!r} is not an address that clients can use",
        remedy="write http:// or https://, a host and, if need be, a port and a path",
    )
    try:
        parts = urlsplit(_ascii(text.strip()))
    except ValueError as bad:
        raise problem from bad
    named = authority(parts.netloc)
    if parts.scheme not in _DEFAULT_PORTS or named is None or parts.query or parts.fragment:
        raise problem
    return f"{origin_of(parts.scheme, named)}{parts.path.rstrip('/')}"


def trusted_proxies(values: Sequence[str]) -> tuple[str, ...]:
    """Check ``server.trusted_proxies``: addresses and networks. Raises ``Invalid``."""
    try:
        return tuple(str(ipaddress.ip_network(one.strip(), strict=False)) for one in values)
    except ValueError as bad:
        raise Invalid(f"{bad}", remedy="name proxies by address or network, such as 10.0.0.1 or 10.0.0.0/24") from bad


def is_within(client: str, networks: Sequence[str]) -> bool:
    """True if an address is in one of these networks (as returned by ``trusted_proxies``)."""
    address = _address(client)
    return address is not None and any(address in _network(one) for one in networks)


@lru_cache(maxsize=64)
def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    return ipaddress.ip_network(text)


@lru_cache(maxsize=256)
def is_json(media_type: str) -> bool:
    """True if a Content-Type is JSON: ``application/json`` or any ``+json``, with any parameters."""
    essence = media_type.partition(";")[0].strip(" \t").lower()
    return essence == "application/json" or _SUFFIXED.fullmatch(essence) is not None


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Parse an address, unwrapping IPv4-mapped IPv6; None if malformed."""
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(found, ipaddress.IPv6Address):
        if found.scope_id is not None:
            return None
        return found.ipv4_mapped or found
    return found


def _ascii(text: str) -> str:
    """Return an international host name in ASCII form."""
    if text.isascii():
        return text
    try:
        scheme, mark, rest = text.rpartition("://")
        host, slash, path = rest.partition("/")
        name, colon, port = host.partition(":")
        return f"{scheme}{mark}{name.encode('idna').decode('ascii')}{colon}{port}{slash}{path}"
    except UnicodeError:
        return text
