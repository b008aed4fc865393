"""Pages in a browser cannot reach the store on any route; allowed origins can."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx
import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from recalld.app.config import ServerConfig
from recalld.surfaces.http.app import ENDPOINTS, Application, create_app
from recalld.surfaces.http.crossorigin import TARGET, Policy, base_url
from recalld.surfaces.http.endpoint import Endpoint
from recalld.surfaces.http.mounts import HttpContext
from recalld.surfaces.http.unsupported_routes import UNSUPPORTED
from tests.surfaces.http.fake_engine import FakeEngine

EVIL = "https://evil.example"
FIND = ("POST", "/api/v1/search/find", b'{"query":"x"}')
JSON = {"Content-Type": "application/json"}
KEYS = {"root_api_key": "root"}

Ask = Callable[..., Any]


async def _mounted_app(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse("in")(scope, receive, send)


def _lent(_: HttpContext) -> Any:
    return _mounted_app


@pytest.fixture
def engine(tmp_path_factory: pytest.TempPathFactory) -> FakeEngine:
    return FakeEngine(tmp_path_factory.mktemp("uploads"))


@pytest.fixture
def make_app(engine: FakeEngine) -> Iterator[Callable[..., Application]]:
    engine.registry = None  # type: ignore[attr-defined]  # nobody brings a key, so none is looked up
    apps: list[Application] = []

    def make(**settings: Any) -> Application:
        app = create_app(engine, ServerConfig(**settings), mounted_apps={"/mcp": _lent})  # type: ignore[arg-type]
        apps.append(app)
        return app

    yield make
    for app in apps:
        app.app_state.close()


@pytest.fixture(scope="module")
def dev() -> Iterator[Application]:
    app = create_app(None, ServerConfig(), mounted_apps={"/mcp": _lent})
    yield app
    app.app_state.close()


@pytest.fixture
async def http(dev: Application, engine: FakeEngine) -> AsyncIterator[httpx.AsyncClient]:
    dev.app_state.engine = engine  # type: ignore[assignment]
    transport = httpx.ASGITransport(app=dev, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:1933") as client:
        yield client


async def ask(app: Application, headers: dict[str, str], request: tuple[str, str, bytes] = FIND) -> httpx.Response:
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:1933") as client:
        method, path, body = request
        return await client.request(method, path, content=body, headers={**JSON, **headers})


def places() -> list[tuple[str, str]]:
    """Every route of the table, those that are refused for good, the other surface's and the documents."""
    served = [(endpoint.method, _filled(endpoint.path)) for endpoint in ENDPOINTS]
    refused = [("POST", _filled(path)) for path in UNSUPPORTED]
    more = [("POST", "/mcp"), ("GET", "/mcp"), ("DELETE", "/mcp"), ("GET", "/openapi.json"), ("GET", "/docs/page.js")]
    return [*served, *refused, *more, ("GET", "/nowhere"), ("PUT", "/health")]


def _filled(path: str) -> str:
    return "/".join("x" if step.startswith("{") else step for step in path.split("/"))


def _header_at_fault(answer: httpx.Response) -> str:
    """Which header an answer refuses, "" for an answer that is no such refusal."""
    if not answer.headers.get("content-type", "").startswith("application/json") or answer.status_code < 400:
        return ""
    error = answer.json().get("error") or {}
    return str((error.get("details") or {}).get("header", ""))


ATTACKS: dict[str, tuple[dict[str, str], int]] = {
    "foreign Host": ({"Host": "evil.example"}, 421),
    "foreign Host with our port": ({"Host": "evil.example:1933"}, 421),
    "loopback as a subdomain": ({"Host": "127.0.0.1.evil.example"}, 421),
    "the address of everything": ({"Host": "0.0.0.0:1933"}, 421),
    "foreign Origin": ({"Origin": EVIL}, 403),
    "an Origin that is null": ({"Origin": "null"}, 403),
    "another port of this machine": ({"Origin": "http://localhost:3000"}, 403),
    "another scheme": ({"Origin": "https://localhost:1933"}, 403),
    "an app": ({"Origin": "app://obsidian.md"}, 403),
    "cross-site": ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}, 403),
}


@pytest.mark.parametrize(("method", "path"), places())
async def test_no_route_answers_a_foreign_page(http: httpx.AsyncClient, method: str, path: str) -> None:
    for name, (headers, status) in ATTACKS.items():
        answer = await http.request(method, path, headers=headers)
        assert answer.status_code == status, f"{name}: {answer.status_code} {answer.text[:200]}"
        assert _header_at_fault(answer) in {"Host", "Origin", "Sec-Fetch-Site"}
        assert answer.json()["status"] == "error"
        assert "access-control-allow-origin" not in answer.headers
        assert "retry-after" not in answer.headers


FRIENDS: dict[str, dict[str, str]] = {
    "a program": {},
    "by address": {"Host": "127.0.0.1:1933"},
    "by IPv6": {"Host": "[::1]:1933"},
    "in capitals, with the root's dot": {"Host": "LOCALHOST.:1933"},
    "through a tunnel": {"Host": "localhost:9000", "Origin": "http://localhost:9000"},
    "our own page": {"Origin": "http://localhost:1933", "Sec-Fetch-Site": "same-origin"},
    "our own page by another name": {"Host": "127.0.0.1:1933", "Origin": "http://localhost:1933"},
    "typed into the address bar": {"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate"},
}


@pytest.mark.parametrize("name", FRIENDS)
async def test_allowed_callers_are_served(http: httpx.AsyncClient, name: str) -> None:
    method, path, body = FIND
    assert (await http.request(method, path, content=body, headers={**JSON, **FRIENDS[name]})).status_code == 200


_IDENTITY = {"X-OpenViking-Account": "default", "X-OpenViking-User": "ana", "X-OpenViking-Actor-Peer": "workspace"}
_KEYS = {"Authorization": "Bearer of-another-server", "X-API-Key": "of-another-server"}
CLIENTS: dict[str, dict[str, str]] = {
    "Node's fetch": {"Accept": "*/*", "Accept-Language": "*", "Sec-Fetch-Mode": "cors", "User-Agent": "node", **JSON},
    "a plugin": {"Accept": "*/*", "Sec-Fetch-Mode": "cors", "User-Agent": "node", **_KEYS, **_IDENTITY, **JSON},
    "a tool server": {"Accept": "*/*", "User-Agent": "python-httpx/0.28.1", **_KEYS, **_IDENTITY, **JSON},
    "httpx": {"Accept": "*/*", "User-Agent": "python-httpx/0.28.1", **_IDENTITY, **JSON},
    "requests, data without a type": {"Accept": "*/*", "User-Agent": "python-requests/2.32.3"},
    "Go": {"User-Agent": "Go-http-client/1.1", "Accept-Encoding": "gzip", "Content-Type": "application/json"},
    "Rust": {"Accept": "*/*", "Content-Type": "application/json", "X-API-Key": "of-another-server"},
    "Java": {"User-Agent": "Java-http-client/21", "Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c", **JSON},
    "curl": {"User-Agent": "curl/8.5.0", "Accept": "*/*", "Content-Type": "application/json"},
    "PowerShell": {"User-Agent": "Mozilla/5.0 PowerShell/7.4", "Content-Type": "application/json; charset=utf-8"},
    "an agent's tools": {"Accept": "application/json, text/event-stream", "Mcp-Protocol-Version": "2025-06-18", **JSON},
}
"""The headers that clients are seen to send, keys of another server included."""
BODY = (
    ("GET", "/health", b""),
    ("GET", "/api/v1/system/status", b""),
    ("POST", "/api/v1/search/find", b'{"query":"x"}'),
    ("POST", "/api/v1/search/search", b'{"query":"x","mode":"context"}'),
    ("POST", "/api/v1/sessions/cc-1/messages/batch", b'{"messages":[{"role":"user","content":"x"}]}'),
    ("POST", "/api/v1/sessions/cc-1/commit", b""),
    ("POST", "/api/v1/sessions/cc-1/commit", b"{}"),
    ("GET", "/api/v1/sessions/cc-1/context?token_budget=32000", b""),
    ("GET", "/api/v1/fs/ls?uri=viking://resources/&recursive=false&simple=false", b""),
    ("DELETE", "/api/v1/fs?uri=viking://resources/a.md&recursive=false", b""),
    ("POST", "/mcp", b'{"jsonrpc":"2.0","id":1,"method":"ping"}'),
)


@pytest.mark.parametrize("name", CLIENTS)
async def test_no_check_at_the_edge_meets_a_client(http: httpx.AsyncClient, name: str) -> None:
    for method, path, body in BODY:
        answer = await http.request(method, path, content=body, headers=CLIENTS[name])
        assert _header_at_fault(answer) == "", f"{method} {path}: {answer.text[:200]}"
        assert answer.status_code not in {401, 403, 415, 421}, f"{method} {path}: {answer.status_code}"


@pytest.mark.parametrize(
    "asking", ["app://obsidian.md", "chrome-extension://abcdefghijklmnop", "https://notes.example"]
)
async def test_an_extension_that_is_listed_gets_in(make_app: Callable[..., Application], asking: str) -> None:
    headers = {"Origin": asking, "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"}
    assert (await ask(make_app(cors_origins=(asking,)), headers)).status_code == 200
    assert (await ask(make_app(), headers)).status_code == 403


@pytest.mark.parametrize(("method", "path"), places())
async def test_allowed_callers_are_served_on_every_route(http: httpx.AsyncClient, method: str, path: str) -> None:
    for name in ("a program", "our own page"):
        headers = FRIENDS[name]
        answer = await http.request(method, path, headers=headers)
        assert _header_at_fault(answer) in {"", "Content-Type", "X-Request-ID"}, f"{name}: {answer.text[:200]}"
        assert answer.status_code not in {421, 415}, name


def _reads_json(endpoint: Endpoint) -> bool:
    return not endpoint.reads


FOREIGN_TYPES = (
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "text/plain;application/json",
)


@pytest.mark.parametrize("endpoint", [v for v in ENDPOINTS if _reads_json(v)], ids=lambda v: f"{v.method} {v.path}")
async def test_a_body_that_is_not_json_is_415_on_every_json_route(http: httpx.AsyncClient, endpoint: Endpoint) -> None:
    path = _filled(endpoint.path)
    for kind in FOREIGN_TYPES:
        answer = await http.request(endpoint.method, path, content=b"{}", headers={"Content-Type": kind})
        assert (answer.status_code, _header_at_fault(answer)) == (415, "Content-Type"), kind
    for page in ({"Origin": "http://localhost:1933"}, {"Sec-Fetch-Site": "same-origin"}):
        untyped = await http.request(endpoint.method, path, content=b"{}", headers=page)
        assert untyped.status_code == 415, page
    chunked = await http.request(endpoint.method, path, content=_chunks(b"{}"), headers={"Content-Type": "text/plain"})
    assert chunked.status_code == 415


@pytest.mark.parametrize("endpoint", [v for v in ENDPOINTS if _reads_json(v)], ids=lambda v: f"{v.method} {v.path}")
async def test_json_of_every_kind_and_no_body_at_all_are_taken(http: httpx.AsyncClient, endpoint: Endpoint) -> None:
    path = _filled(endpoint.path)
    for kind in ("application/json", "application/json; charset=latin-1", "application/merge-patch+json", ""):
        headers = {"Content-Type": kind} if kind else {}
        answer = await http.request(endpoint.method, path, content=b"{}", headers=headers)
        assert answer.status_code != 415, kind
    for headers in ({}, {"Content-Type": "text/plain"}, {"Origin": "http://localhost:1933"}):
        empty = await http.request(endpoint.method, path, headers=headers)
        assert empty.status_code != 415, headers


async def _chunks(body: bytes) -> AsyncIterator[bytes]:
    yield body


async def test_two_content_types_must_both_be_json(http: httpx.AsyncClient) -> None:
    two = httpx.Headers([("Content-Type", "application/json"), ("Content-Type", "text/plain")])
    assert (await http.post(FIND[1], content=FIND[2], headers=two)).status_code == 415


async def test_an_upload_keeps_its_type(http: httpx.AsyncClient) -> None:
    answer = await http.post("/api/v1/resources/temp_upload", files={"file": ("a.md", b"text")})
    assert answer.status_code == 200
    foreign = await http.post(
        "/api/v1/resources/temp_upload", files={"file": ("a.md", b"text")}, headers={"Origin": EVIL}
    )
    assert foreign.status_code == 403


async def test_the_other_surface_reads_json_alone(http: httpx.AsyncClient) -> None:
    assert (await http.post("/mcp", content=b"{}", headers={"Content-Type": "text/plain"})).status_code == 415
    assert (await http.post("/mcp", content=b"{}", headers=JSON)).text == "in"
    assert (await http.post("/mcp", content=b"{}")).text == "in"


@pytest.mark.parametrize("path", ["/", "/docs", "/studio/", "/studio/a/b", "/api/v1/content/download?token=abc"])
async def test_a_link_on_another_site_may_lead_here(http: httpx.AsyncClient, path: str) -> None:
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert _header_at_fault(await http.get(path, headers=link)) == ""
    for embedded in ({"Sec-Fetch-Mode": "no-cors"}, {"Sec-Fetch-Dest": "iframe"}):
        assert (await http.get(path, headers={**link, **embedded})).status_code == 403
    assert (await http.post(path, headers=link)).status_code == 403


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/fs/ls?uri=viking://",
        "/api/v1/content/download?uri=viking://~/a.md",
        "/api/v1/content/download?token=",
        "/openapi.json",
    ],
)
async def test_a_link_on_another_site_leads_nowhere_else(http: httpx.AsyncClient, path: str) -> None:
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert (await http.get(path, headers=link)).status_code == 403


def scope(headers: list[tuple[str, str]], **more: Any) -> dict[str, Any]:
    raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]
    whole = {"type": "http", "method": "GET", "path": "/health", "scheme": "http", "query_string": b"", "headers": raw}
    return {**whole, "server": ("127.0.0.1", 1933), "client": ("127.0.0.1", 50_000), **more}


OWN = ("Host", "localhost:1933")


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("Host", "")],
        [OWN, OWN],
        [OWN, ("Host", "evil.example")],
        [("Host", "localhost, evil.example")],
        [("Host", "evil.example"), ("X-Forwarded-Host", "localhost")],
    ],
)
def test_a_host_that_is_missing_doubled_or_forged_is_refused(headers: list[tuple[str, str]]) -> None:
    problem = Policy(ServerConfig()).problem(scope(headers))
    assert problem is not None
    assert problem.details["header"] == "Host"


def test_the_host_of_an_absolute_target_is_checked() -> None:
    policy = Policy(ServerConfig())
    assert policy.problem(scope([OWN], **{TARGET: b"evil.example"})) is not None
    assert policy.problem(scope([OWN], **{TARGET: b"localhost:1933"})) is None


def test_one_of_two_origins_is_enough_to_be_refused() -> None:
    policy = Policy(ServerConfig())
    own = ("Origin", "http://localhost:1933")
    assert policy.problem(scope([OWN, own])) is None
    assert policy.problem(scope([OWN, own, ("Origin", EVIL)])) is not None
    assert policy.problem(scope([OWN, own, ("Sec-Fetch-Site", "cross-site")])) is not None


async def test_a_websocket_of_a_foreign_page_is_closed(dev: Application) -> None:
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    handshake = scope([OWN, ("Origin", EVIL)], type="websocket", scheme="ws", subprotocols=[], path="/mcp")
    await dev(handshake, receive, send)
    assert [message["type"] for message in sent] == ["websocket.close"]


async def test_listed_origins_get_cors_headers(make_app: Callable[..., Application]) -> None:
    app = make_app(cors_origins=["https://App.example/", "app://obsidian.md"])
    for one in ("https://app.example", "app://obsidian.md"):
        preflight = {
            "Origin": one,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "content-type,x-api-key",
        }
        response = await ask(app, preflight, ("OPTIONS", FIND[1], b""))
        assert response.status_code == 200
        assert response.headers["access-control-allow-origin"] == one
        assert response.headers["access-control-allow-credentials"] == "true"
        assert "x-api-key" in response.headers["access-control-allow-headers"]
        answer = await ask(app, {"Origin": one, "Sec-Fetch-Site": "cross-site"})
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, one)
    refused = await ask(app, {"Origin": EVIL, "Access-Control-Request-Method": "POST"}, ("OPTIONS", FIND[1], b""))
    assert refused.status_code == 403


async def test_any_origin_is_let_in_by_name_and_never_with_credentials(make_app: Callable[..., Application]) -> None:
    app = make_app(cors_origins=["*"])
    for one in (EVIL, "null"):
        answer = await ask(app, {"Origin": one})
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, "*")
        assert "access-control-allow-credentials" not in answer.headers
        response = await ask(app, {"Origin": one, "Access-Control-Request-Method": "POST"}, ("OPTIONS", FIND[1], b""))
        assert "access-control-allow-credentials" not in response.headers
    assert (await ask(app, {"Origin": EVIL, "Host": "evil.example"})).status_code == 421


async def test_named_hosts_are_answered(make_app: Callable[..., Application]) -> None:
    app = make_app(allowed_hosts=["mem.local", "box.local:8080"], public_url="https://mem.example/x")
    for host, status in {
        "mem.local": 200,
        "MEM.local.:1": 200,
        "box.local:8080": 200,
        "box.local": 421,
        "mem.example": 200,
        "127.0.0.1": 200,
        "sub.mem.local": 421,
    }.items():
        assert (await ask(app, {"Host": host})).status_code == status, host
    assert (await ask(app, {"Origin": "https://mem.example"})).status_code == 200
    assert (await ask(app, {"Origin": "http://mem.example"})).status_code == 403


async def test_with_keys_host_and_origin_checks_follow_the_settings(make_app: Callable[..., Application]) -> None:
    foreign = {"Host": "evil.example", "Origin": EVIL, "Sec-Fetch-Site": "cross-site"}
    cases: list[tuple[dict[str, Any], dict[str, str], int]] = [
        ({}, foreign, 401),
        ({"allowed_hosts": ["mem.local"]}, {"Host": "evil.example"}, 421),
        ({"allowed_hosts": ["mem.local"]}, {"Host": "mem.local", "Origin": EVIL}, 401),
        ({"cors_origins": ["https://app.example"]}, {"Origin": EVIL}, 403),
        ({"cors_origins": ["https://app.example"]}, {"Host": "evil.example", "Origin": "https://app.example"}, 401),
        ({"public_url": "https://mem.example"}, foreign, 401),
    ]
    for settings, headers, status in cases:
        assert (await ask(make_app(**KEYS, **settings), headers)).status_code == status, (settings, headers)


async def test_a_disallowed_preflight_is_refused_in_the_envelope(make_app: Callable[..., Application]) -> None:
    refused = await ask(
        make_app(**KEYS), {"Origin": EVIL, "Access-Control-Request-Method": "POST"}, ("OPTIONS", FIND[1], b"")
    )
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "PERMISSION_DENIED")
    assert "access-control-allow-origin" not in refused.headers


async def test_trusted_without_a_root_key_is_as_closed_as_dev(make_app: Callable[..., Application]) -> None:
    who = {"X-OpenViking-Account": "acme", "X-OpenViking-User": "ana"}
    app = make_app(auth_mode="trusted")
    assert (await ask(app, {**who, "Host": "evil.example"})).status_code == 421
    assert (await ask(app, {**who, "Origin": EVIL})).status_code == 403
    keyed = make_app(auth_mode="trusted", root_api_key="root")
    assert (await ask(keyed, {**who, "Origin": EVIL, "Host": "evil.example"})).status_code == 401


PROXY = ("X-Forwarded-Host", "mem.example"), ("X-Forwarded-Proto", "https")


@pytest.mark.parametrize(
    ("settings", "headers", "more", "url"),
    [
        ({}, [("Host", "evil.example")], {}, "http://127.0.0.1:1933"),
        ({}, [("Host", "evil.example"), *PROXY], {}, "http://127.0.0.1:1933"),
        ({}, [OWN], {"server": ("::1", 80)}, "http://[::1]:80"),
        ({}, [OWN], {"server": ("/run/recalld.sock", None)}, "http://127.0.0.1:1933"),
        ({"public_url": "https://a.example/x/"}, [OWN, *PROXY], {}, "https://a.example/x"),
        ({"trusted_proxies": ["127.0.0.1"]}, [OWN, *PROXY], {}, "https://mem.example"),
        ({"trusted_proxies": ["127.0.0.1"]}, [OWN], {}, "http://127.0.0.1:1933"),
        ({"trusted_proxies": ["10.0.0.0/8"]}, [OWN, *PROXY], {}, "http://127.0.0.1:1933"),
        (
            {"trusted_proxies": ["127.0.0.1"]},
            [("X-Forwarded-Host", "evil.example, mem.example")],
            {},
            "http://mem.example",
        ),
        ({"trusted_proxies": ["127.0.0.1"]}, [("X-Forwarded-Host", "a b")], {}, "http://127.0.0.1:1933"),
        (
            {"trusted_proxies": ["127.0.0.1"]},
            [("Forwarded", 'for=1.2.3.4;host=evil.example, for=5.6.7.8;Host="mem.example:8443";proto=https')],
            {},
            "https://mem.example:8443",
        ),
    ],
)
def test_links_lead_to_the_server_whatever_the_host_says(
    settings: dict[str, Any], headers: list[tuple[str, str]], more: dict[str, Any], url: str
) -> None:
    assert base_url(scope(headers, **more), ServerConfig(**settings)) == url


def test_a_page_behind_a_trusted_proxy_is_the_servers_own() -> None:
    policy = Policy(ServerConfig(trusted_proxies=["127.0.0.1"], allowed_hosts=["mem.example"]))
    page = ("Origin", "https://mem.example")
    assert policy.problem(scope([OWN, *PROXY, page])) is None
    assert policy.problem(scope([OWN, page])) is not None
    unknown = Policy(ServerConfig(trusted_proxies=["127.0.0.1"]))
    assert unknown.problem(scope([OWN, *PROXY, page])) is not None
