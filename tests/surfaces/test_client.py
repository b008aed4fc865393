"""The HTTP client against a server of canned answers."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest

from recalld.domain.errors import (
    Busy,
    Closed,
    Conflict,
    Denied,
    Invalid,
    NotFound,
    RecalldError,
    Upstream,
)
from recalld.surfaces.client import Client
from tests.surfaces.recording_server import Canned, Wire, serving


@pytest.fixture
def wire() -> Iterator[Wire]:
    with serving() as wire:
        yield wire


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture
def client(wire: Wire, pauses: list[float]) -> Iterator[Client]:
    with Client(wire.url, user="ana", account="acme", pause=pauses.append) as client:
        yield client


def test_identity_travels_in_headers(wire: Wire) -> None:
    wire.ok("GET /api/v1/fs/ls", [])
    with Client(wire.url, user="ana", account="acme", api_key="k") as client:
        client.ls()
    named = {key: wire.last.headers.get(key) for key in ("X-OpenViking-User", "X-OpenViking-Account", "X-API-Key")}
    assert named == {"X-OpenViking-User": "ana", "X-OpenViking-Account": "acme", "X-API-Key": "k"}


def _keyed(wire: Wire, *answers: dict[str, str]) -> None:
    wire.put("GET /health", *(Canned(200, {"status": "ok", "healthy": True, **one}) for one in answers))
    wire.ok("GET /api/v1/system/status", {"initialized": True, "user": "ana"})
    wire.ok("GET /api/v1/fs/ls", [])


ANA = {"auth_mode": "api_key", "account_id": "acme", "user_id": "ana", "role": "user"}
ROOT = {"auth_mode": "api_key", "account_id": "default", "user_id": "default", "role": "root"}


@pytest.mark.parametrize(
    ("whose", "claimed", "names"),
    [
        (ANA, {"user": "bob"}, ("bob", "ana", "--user", "RECALLD_API_KEY")),
        (ANA, {"user": "ana", "account": "globex"}, ("globex", "acme", "--account")),
        (ANA, {"account": "globex"}, ("globex", "acme", "--account")),
        (ROOT, {"user": "bob"}, ("bob", "root key", "--user")),
        (ROOT, {"user": "default"}, ("root key",)),
    ],
)
def test_a_key_acts_only_as_its_owner(
    wire: Wire, whose: dict[str, str], claimed: dict[str, str], names: tuple[str, ...]
) -> None:
    _keyed(wire, whose)
    with Client(wire.url, api_key="k" * 20, **claimed) as client:  # type: ignore[arg-type]
        for ask in (client.ls, lambda: client.fetch("/api/v1/x"), lambda: client.save("GET", "/api/v1/x", BytesIO())):
            with pytest.raises(Denied) as refused:
                ask()
            assert [name for name in names if name not in str(refused.value)] == []
    assert {request.path for request in wire.requests} == {"/health"}


@pytest.mark.parametrize(
    ("whose", "claimed"),
    [
        (ANA, {"user": "ana"}),
        (ANA, {"account": "acme"}),
        (ANA, {"user": "ana", "account": "acme"}),
        ({"auth_mode": "dev"}, {"user": "bob"}),
        ({"auth_mode": "trusted"}, {"user": "bob", "account": "globex"}),
        ({}, {"user": "bob"}),
        (None, {"user": "bob"}),
    ],
)
def test_a_member_key_acts_as_its_owner_and_other_keys_as_any_user(
    wire: Wire, whose: dict[str, str] | None, claimed: dict[str, str]
) -> None:
    _keyed(wire, *([] if whose is None else [whose]))
    with Client(wire.url, api_key="k" * 20, **claimed) as client:  # type: ignore[arg-type]
        assert (client.ls(), client.ls()) == ([], [])
    assert [request.path for request in wire.requests].count("/health") == 1


def test_a_server_that_does_not_know_yet_whose_key_it_is_is_waited_for(wire: Wire) -> None:
    _keyed(wire, {"auth_mode": "api_key"}, ANA)
    with Client(wire.url, user="bob", api_key="k" * 20) as client, pytest.raises(Denied, match="bob"):
        client.ls()


def test_without_a_user_the_key_is_not_checked(wire: Wire) -> None:
    wire.ok("GET /api/v1/fs/ls", [])
    with Client(wire.url, api_key="k" * 20) as client:
        client.ls()
    assert len(wire.requests) == 1


def test_omitted_options_are_not_sent(wire: Wire, client: Client) -> None:
    wire.ok("POST /api/v1/search/find", {"memories": [], "resources": [], "skills": [], "total": 0})
    client.find("a question")
    assert wire.last.body == {"query": "a question", "target_uri": "", "limit": 10}


def test_booleans_are_sent_in_lower_case(wire: Wire, client: Client) -> None:
    wire.ok("GET /api/v1/fs/ls", [])
    client.ls("viking://resources/a b", hidden=True)
    assert wire.last.query == {
        "uri": "viking://resources/a b",
        "limit": "1000",
        "show_all_hidden": "true",
        "recursive": "false",
    }


def test_degraded_parts_are_on_the_answer(wire: Wire, client: Client) -> None:
    wire.ok("POST /api/v1/search/find", {"total": 0}, X_Recalld_Degraded="embedder, reranker", X_Process_Time="0.25")
    reply = client.find("x")
    assert (reply.degraded, reply.server_s) == (("embedder", "reranker"), 0.25)


def test_a_question_within_a_session_goes_to_search(wire: Wire, client: Client) -> None:
    wire.ok("POST /api/v1/search/search", {"total": 0})
    client.find("x", session_id="s1")
    assert wire.last.body["session_id"] == "s1"


def test_an_answer_without_nulls_is_understood(wire: Wire, client: Client) -> None:
    wire.put("GET /api/v1/fs/stat", Canned(200, {"status": "ok"}))
    assert client.call("GET", "/api/v1/fs/stat").result is None


def test_an_answer_without_an_envelope_is_the_whole_body(wire: Wire, client: Client) -> None:
    wire.put("GET /health", Canned(200, {"status": "ok", "healthy": True, "version": "1"}))
    assert client.health()["version"] == "1"


def test_not_ready_is_an_answer(wire: Wire, client: Client) -> None:
    wire.put("GET /ready", Canned(503, {"status": "not_ready", "reason": "initializing"}, {"Retry-After": "1"}))
    assert client.ready()["reason"] == "initializing"
    assert len(wire.requests) == 1


@pytest.mark.parametrize(
    ("status", "code", "family"),
    [
        (400, "INVALID_URI", Invalid),
        (403, "PERMISSION_DENIED", Denied),
        (401, "UNAUTHENTICATED", Denied),
        (404, "NOT_FOUND", NotFound),
        (409, "ALREADY_EXISTS", Conflict),
        (412, "FAILED_PRECONDITION", Conflict),
        (429, "RESOURCE_EXHAUSTED", Busy),
        (503, "UNAVAILABLE", Upstream),
        (504, "DEADLINE_EXCEEDED", Upstream),
        (500, "INTERNAL", RecalldError),
    ],
)
def test_a_wire_error_rises_as_its_family(
    wire: Wire, client: Client, status: int, code: str, family: type[RecalldError]
) -> None:
    wire.fail("GET /api/v1/fs/stat", status, code, "it went wrong", resource="viking://x")
    with pytest.raises(RecalldError) as caught:
        client.stat("viking://x")
    assert type(caught.value) is family
    assert (caught.value.code, caught.value.message) == (code, "it went wrong")
    assert caught.value.details == {"resource": "viking://x"}


def test_a_gateway_that_speaks_html_is_still_a_family(wire: Wire, client: Client) -> None:
    wire.put("GET /api/v1/fs/stat", Canned(403, b"<html>no</html>"))
    with pytest.raises(Denied, match="answered 403"):
        client.stat("viking://x")


def test_a_success_that_is_no_json_is_not_taken_for_an_answer(wire: Wire, client: Client) -> None:
    wire.put("GET /api/v1/fs/stat", Canned(200, b"<html>hello</html>"))
    with pytest.raises(Upstream, match="no JSON"):
        client.stat("viking://x")


_BUSY = Canned(503, {"status": "error", "error": {"code": "UNAVAILABLE", "message": "full"}}, {"Retry-After": "2"})
_FOUND = Canned(200, {"status": "ok", "result": {"total": 0}})


def test_a_busy_server_is_retried_after_retry_after(wire: Wire, client: Client, pauses: list[float]) -> None:
    wire.put("POST /api/v1/search/find", _BUSY, _BUSY, _FOUND)
    assert client.find("x").result == {"total": 0}
    assert pauses == [2.0, 2.0]


def test_a_busy_server_is_retried_a_limited_number_of_times(wire: Wire, client: Client) -> None:
    wire.put("POST /api/v1/search/find", _BUSY)
    with pytest.raises(Busy):
        client.find("x")
    assert len(wire.requests) == 4


def test_a_write_is_not_repeated_when_the_server_is_busy(wire: Wire, client: Client) -> None:
    wire.put("POST /api/v1/content/write", _BUSY)
    with pytest.raises(Busy) as caught:
        client.write("viking://resources/a.md", "x")
    assert (len(wire.requests), caught.value.retry_after_s) == (1, 2.0)


def test_messages_carry_ids_so_that_a_repeated_append_adds_nothing(wire: Wire, client: Client) -> None:
    added = Canned(200, {"status": "ok", "result": {"added": 1, "message_count": 1, "pending_tokens": 1}})
    wire.put("POST /api/v1/sessions/s/messages/batch", _BUSY, added)
    client.sessions.append("s", [{"role": "user", "content": "hello"}])
    first, second = (request.body["messages"][0]["id"] for request in wire.requests)
    assert first == second != ""


def test_more_than_a_hundred_messages_go_in_several_calls(wire: Wire, client: Client) -> None:
    for count in (100, 100, 50):
        wire.put("POST /api/v1/sessions/s/messages/batch", Canned(200, {"status": "ok", "result": {"added": count}}))
    assert client.sessions.append("s", [{"role": "user", "content": str(n)} for n in range(250)])["added"] == 250
    sent = [message["content"] for request in wire.requests for message in request.body["messages"]]
    assert sent == [str(n) for n in range(250)]


def test_a_broken_connection_is_made_again_for_a_read(wire: Wire, client: Client) -> None:
    wire.put("GET /api/v1/fs/stat", Canned(drop=True), Canned(200, {"status": "ok", "result": {"name": "a"}}))
    assert client.stat("viking://x") == {"name": "a"}


def test_a_write_whose_connection_broke_is_not_repeated(wire: Wire, client: Client) -> None:
    wire.put("POST /api/v1/fs/mkdir", Canned(drop=True))
    with pytest.raises(Closed, match="broke"):
        client.mkdir("viking://resources/a")
    assert len(wire.requests) == 1


def test_a_refused_connection_names_the_serve_command(pauses: list[float]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(Closed, match="no server answers") as caught, Client(url, pause=pauses.append) as client:
            client.health()
    assert "recalld serve" in caught.value.remedy
    assert len(pauses) == 2


@pytest.mark.parametrize("url", ["", "ftp://host", "http://", "http://host:99999", "http://host:x"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(Invalid, match="not a server address"):
        Client(url)


def test_an_upload_arrives_whole_and_tells_how_far_it_is(wire: Wire, client: Client, tmp_path: Path) -> None:
    file = tmp_path / 'a "strange" 名字.bin'
    data = bytes(range(256)) * 1000
    file.write_bytes(data)
    wire.ok("POST /api/v1/resources/temp_upload", {"temp_file_id": "upload_1"})
    seen: list[tuple[int, int]] = []
    assert client.upload(file, progress=lambda sent, total: seen.append((sent, total))) == "upload_1"
    assert data in wire.last.raw
    assert seen[-1] == (len(data), len(data))
    assert [sent for sent, _ in seen] == sorted({sent for sent, _ in seen})


def test_an_upload_of_nothing_is_refused(client: Client, tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="cannot read"):
        client.upload(tmp_path / "missing")


def test_waiting_for_a_task_ends_when_it_has_ended(wire: Wire, client: Client, pauses: list[float]) -> None:
    for status in ("pending", "running", "completed"):
        wire.ok("GET /api/v1/tasks/t", {"task_id": "t", "status": status})
    seen: list[str] = []
    assert client.tasks.wait("t", on_state=lambda task: seen.append(task["status"]))["status"] == "completed"
    assert seen == ["pending", "running", "completed"]
    assert len(pauses) == 2


def test_a_download_is_streamed_and_a_broken_one_raises(wire: Wire) -> None:
    wire.put("GET /file", Canned(200, {"a": 1}), Canned(200, {"a": 1}, {"Content-Length": "99", "Connection": "close"}))
    with Client(wire.url) as client:
        seen: list[tuple[int, int]] = []
        whole = BytesIO()
        client.save("GET", "/file", whole, progress=lambda got, total: seen.append((got, total)))
        assert json.loads(whole.getvalue()) == {"a": 1}
        assert seen[-1] == (len(whole.getvalue()), len(whole.getvalue()))
        with pytest.raises(Closed):
            client.save("GET", "/file", BytesIO())


def test_a_refused_download_is_an_error_of_its_family_and_nothing_is_written(wire: Wire) -> None:
    wire.fail("POST /pack", 404, "NOT_FOUND", "it is not there")
    with Client(wire.url) as client:
        file = BytesIO()
        with pytest.raises(NotFound, match="not there"):
            client.save("POST", "/pack", file, body={"uri": "viking://resources/none"})
        assert file.getvalue() == b""
