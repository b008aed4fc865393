"""Uploads and imports over HTTP."""

from __future__ import annotations

import asyncio
import os
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from recalld.domain.policy import UPLOAD_BYTES_MAX
from recalld.surfaces.http import endpoint, resources
from recalld.surfaces.http.app import Application
from recalld.surfaces.http.uploads import TTL_S
from tests.surfaces.http.fake_engine import FakeEngine
from tests.surfaces.http.raw import posted

UPLOAD = "/api/v1/resources/temp_upload"
ADD = "/api/v1/resources"


async def send(http: httpx.AsyncClient, name: str = "page.md", data: bytes = b"# Page", **more: Any) -> str:
    answer = await http.post(UPLOAD, files={"file": (name, data)}, **more)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["result"]["temp_file_id"])


def lying(engine: FakeEngine) -> set[str]:
    return {p.name for p in engine.upload_dir.iterdir()} if engine.upload_dir.exists() else set()


async def test_an_upload_lies_whole_under_its_id(http: httpx.AsyncClient, engine: FakeEngine) -> None:
    data = os.urandom(3_500_000) + b"\r\n--not-the-boundary\r\n"
    upload_id = await send(http, "Big.TAR.GZ", data)
    assert (engine.upload_dir / upload_id).read_bytes() == data
    assert upload_id.endswith(".tar.gz")


@pytest.mark.parametrize(
    ("mode", "pattern"), [("local", r"upload_[0-9a-f]{32}\.md"), ("shared", r"shared_[0-9]{13}-[0-9a-f]{32}")]
)
async def test_ids_have_the_contracts_shape(http: httpx.AsyncClient, mode: str, pattern: str) -> None:
    answer = await http.post(
        UPLOAD, files={"file": ("page.md", b"x")}, data={"upload_mode": mode, "telemetry": "false"}
    )
    assert re.fullmatch(pattern, answer.json()["result"]["temp_file_id"])


@pytest.mark.parametrize("name", ["../../etc/passwd.md", "a\\b\\c.md", "x.md\x00", "a/b.verylongextensionindeed1"])
async def test_no_name_leads_out_of_the_folder(http: httpx.AsyncClient, engine: FakeEngine, name: str) -> None:
    upload_id = await send(http, name)
    assert "/" not in upload_id
    assert (engine.upload_dir / upload_id).is_file()


async def refused(http: httpx.AsyncClient, engine: FakeEngine, **request: Any) -> None:
    answer = await http.post(UPLOAD, **request)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "INVALID_ARGUMENT")
    assert lying(engine) == set()


async def test_malformed_uploads_leave_nothing(http: httpx.AsyncClient, engine: FakeEngine) -> None:
    multipart = {"Content-Type": "multipart/form-data; boundary=b"}
    await refused(http, engine, json={"file": "x"})
    await refused(http, engine, content=b"x", headers={"Content-Type": "multipart/form-data"})
    await refused(http, engine, content=b"nonsense", headers=multipart)
    await refused(
        http, engine, content=b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\ncut', headers=multipart
    )
    await refused(http, engine, files={"document": ("a.md", b"x")})
    await refused(http, engine, files=[("file", ("a.md", b"x")), ("file", ("b.md", b"x"))])
    await refused(http, engine, files={"file": ("a.md", b"")})
    await refused(http, engine, files={"file": ("a.md", b"x")}, data={"upload_mode": "cloud"})
    await refused(http, engine, files={"file": ("a.md", b"x")}, data={"note": "x" * 5000})


async def test_a_declared_gigabyte_is_refused_before_it_is_sent(http: httpx.AsyncClient, engine: FakeEngine) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=b", "Content-Length": str(1 << 30)}
    await refused(http, engine, content=b"", headers=headers)
    assert UPLOAD_BYTES_MAX == 512 * 1024 * 1024


async def test_an_undeclared_size_is_counted(
    app: Application, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client wants to send a hundred megabytes; reading stops at the third."""
    monkeypatch.setattr(resources, "UPLOAD_BYTES_MAX", 3_000_000)
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.md"\r\n\r\n'
    taken = 0

    async def receive() -> dict[str, Any]:
        nonlocal taken
        taken += 1
        return {"type": "http.request", "body": head if taken == 1 else b"x" * 1_000_000, "more_body": taken < 100}

    status = await posted(app, UPLOAD, receive, [(b"content-type", b"multipart/form-data; boundary=b")])
    assert (status, taken, lying(engine)) == (400, 5, set())


async def test_an_upload_that_takes_its_time_arrives_whole(
    app: Application, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever looks after clients that leave must not take what this one still sends."""
    monkeypatch.setattr(endpoint, "DISCONNECT_CHECK_AFTER_S", 0.0)
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.md"\r\n\r\n'
    parts = [head, *[b"x" * 1_000] * 20, b"\r\n--b--\r\n"]
    left = asyncio.Event()

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(0.001)
        if not parts:
            await left.wait()
        return {"type": "http.request", "body": parts.pop(0), "more_body": bool(parts)}

    assert await posted(app, UPLOAD, receive, [(b"content-type", b"multipart/form-data; boundary=b")]) == 200
    assert 20_000 in {(engine.upload_dir / name).stat().st_size for name in lying(engine)}


async def test_an_upload_whose_sender_goes_leaves_nothing(app: Application, engine: FakeEngine) -> None:
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.md"\r\n\r\n'
    messages = [
        {"type": "http.request", "body": head + b"x" * 2_000_000, "more_body": True},
        {"type": "http.disconnect"},
    ]

    async def receive() -> dict[str, Any]:
        return messages.pop(0)

    assert await posted(app, UPLOAD, receive, [(b"content-type", b"multipart/form-data; boundary=b")]) == 0
    assert lying(engine) == set()


async def test_an_import_gets_the_upload_and_its_name(http: httpx.AsyncClient, engine: FakeEngine) -> None:
    body = {
        "temp_file_id": await send(http, "docs/Page One.md"),
        "parent": "viking://resources/x",
        "create_parent": True,
        "include": "*.md, *.txt",
        "exclude": ["drafts"],
        "ignore_dirs": "node_modules",
        "tags": ["team=a"],
        "strict": True,
        "args": {
            "parse_mode": "no_split",
            "origin": "/home/ana/docs",
            "keep_removed": True,
            "confirm_removals": True,
            "left_out": ["x/"],
            "incomplete": "y.md: cannot be read",
            "as_file": True,
        },
        "tag_mode": "append",
        "reason": "because",
    }
    answer = await http.post(ADD, json=body)
    assert answer.json()["result"] == {
        "status": "success",
        "root_uri": "viking://resources/page",
        "task_id": "task_1",
        "errors": [],
        "warnings": ["skipped x.bin: no document"],
    }
    ((data, options),) = engine.state.added
    assert data == b"# Page"
    assert options == {
        "name": "Page One.md",
        "to": "",
        "parent": "viking://resources/x",
        "create_parent": True,
        "include": ("*.md", "*.txt"),
        "exclude": ("drafts",),
        "ignore_dirs": ("node_modules",),
        "strict": True,
        "split": False,
        "tags": ("team=a",),
        "origin": "/home/ana/docs",
        "wait": False,
        "timeout_s": None,
        "unwrap": True,
        "tag_mode": "append",
        "keep_removed": True,
        "confirm_removals": True,
        "left_out": ("x/",),
        "incomplete": "y.md: cannot be read",
        "as_file": True,
    }


@pytest.mark.parametrize(
    "wrong", [{"keep_removed": "yes"}, {"confirm_removals": 1}, {"left_out": "a"}, {"left_out": [1]}]
)
async def test_a_field_of_an_import_that_is_of_another_type_is_refused(
    http: httpx.AsyncClient, engine: FakeEngine, wrong: dict[str, Any]
) -> None:
    answer = await http.post(ADD, json={"temp_file_id": await send(http, "a.md"), "args": wrong})
    assert (answer.status_code, engine.state.added) == (400, [])


async def test_a_source_name_wins(http: httpx.AsyncClient, engine: FakeEngine) -> None:
    await http.post(ADD, json={"temp_file_id": await send(http), "source_name": "guide.md"})
    assert engine.state.added[0][1]["name"] == "guide.md"


async def test_an_import_that_waits_answers_its_result(http: httpx.AsyncClient, engine: FakeEngine) -> None:
    result = (await http.post(ADD, json={"temp_file_id": await send(http), "wait": True})).json()["result"]
    assert (result["status"], result["context_count"]) == ("success", 3)
    assert {"Semantic", "Embedding"} <= set(result["queue_status"])


async def test_a_failed_import_that_was_waited_for_is_an_error(http: httpx.AsyncClient, engine: FakeEngine) -> None:
    engine.state.add_result = {"status": "failed", "error": "the zip is broken"}
    answer = await http.post(ADD, json={"temp_file_id": await send(http), "wait": True})
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "PROCESSING_ERROR")
    assert "the zip is broken" in answer.json()["error"]["message"]
    engine.state.add_result = {"status": "cancelled", "error": ""}
    answer = await http.post(ADD, json={"temp_file_id": await send(http), "wait": True})
    assert answer.json()["result"]["status"] == "cancelled"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 400, "INVALID_ARGUMENT"),
        ({"path": "x", "colour": 1}, 400, "INVALID_ARGUMENT"),
        ({"path": "/etc/passwd"}, 403, "PERMISSION_DENIED"),
        ({"path": "file:///etc/passwd"}, 403, "PERMISSION_DENIED"),
        ({"path": "https://example.org/a"}, 400, "UNSUPPORTED_URI"),
        ({"path": "git@example.org:a/b.git"}, 400, "UNSUPPORTED_URI"),
        ({"path": "http://127.0.0.1:9/page"}, 403, "PERMISSION_DENIED"),
        ({"path": "http://[::1]/page"}, 403, "PERMISSION_DENIED"),
        ({"path": "http://169.254.169.254/meta"}, 403, "PERMISSION_DENIED"),
        ({"path": "https://localhost/a"}, 403, "PERMISSION_DENIED"),
        ({"path": "git@intranet:a/b.git"}, 403, "PERMISSION_DENIED"),
        ({"path": "https://example.org/a", "watch_interval": 5}, 400, "UNSUPPORTED_MODE"),
        ({"temp_file_id": "upload_" + "0" * 32, "watch_interval": 5}, 400, "INVALID_ARGUMENT"),
        ({"temp_file_id": "upload_" + "0" * 32 + ".md"}, 403, "PERMISSION_DENIED"),
        ({"temp_file_id": "../../etc/passwd"}, 400, "INVALID_ARGUMENT"),
        ({"temp_file_id": "upload_" + "0" * 32 + "/../x"}, 400, "INVALID_ARGUMENT"),
        (
            {"temp_file_id": "upload_" + "0" * 32, "to": "viking://resources/a", "parent": "viking://resources"},
            400,
            "INVALID_ARGUMENT",
        ),
    ],
)
async def test_refusals(
    http: httpx.AsyncClient, engine: FakeEngine, body: dict[str, Any], status: int, code: str
) -> None:
    answer = await http.post(ADD, json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert engine.state.added == []


async def test_another_users_upload_is_not_there(http: httpx.AsyncClient) -> None:
    upload_id = await send(http, headers={"X-OpenViking-User": "ana"})
    bob = await http.post(ADD, json={"temp_file_id": upload_id}, headers={"X-OpenViking-User": "bob"})
    ana = await http.post(ADD, json={"temp_file_id": upload_id}, headers={"X-OpenViking-User": "ana"})
    assert (bob.status_code, ana.status_code) == (403, 200)


async def test_an_old_upload_is_not_there(http: httpx.AsyncClient, engine: FakeEngine, tmp_path: Path) -> None:
    upload_id = await send(http)
    path = engine.upload_dir / upload_id
    os.utime(path, (path.stat().st_atime, path.stat().st_mtime - TTL_S - 60))
    assert (await http.post(ADD, json={"temp_file_id": upload_id})).status_code == 403
