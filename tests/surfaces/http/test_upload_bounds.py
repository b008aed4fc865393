"""Limits of uploads: fields, form bytes, unimported bytes per user, slots; and a full disk."""

from __future__ import annotations

import asyncio
import errno
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest

from recalld.surfaces.http import multipart, resources
from recalld.surfaces.http.admission import Admission, Limits, RequestClass
from recalld.surfaces.http.app import Application
from recalld.surfaces.http.uploads import UploadQuota, finish
from tests.surfaces.http.fake_engine import FakeEngine
from tests.surfaces.http.raw import posted

UPLOAD = "/api/v1/resources/temp_upload"
FORM = [(b"content-type", b"multipart/form-data; boundary=b")]
FILE = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.md"\r\n\r\n'
ANA, BEN = {"X-OpenViking-User": "ana"}, {"X-OpenViking-User": "ben"}


def lying(engine: FakeEngine) -> set[str]:
    return {p.name for p in engine.upload_dir.iterdir()} if engine.upload_dir.exists() else set()


async def send(http: httpx.AsyncClient, content: bytes, headers: dict[str, str], **more: Any) -> httpx.Response:
    return await http.post(UPLOAD, files={"file": ("a.md", content)}, headers=headers, **more)


def fields(count: int) -> dict[str, str]:
    return {f"field{n}": "x" for n in range(count)}


async def test_eight_fields_go_with_a_file(http: httpx.AsyncClient) -> None:
    assert (await send(http, b"x", ANA, data=fields(multipart.FIELDS_MAX))).status_code == 200


async def test_more_fields_are_refused(http: httpx.AsyncClient, engine: FakeEngine) -> None:
    refused = await send(http, b"x", ANA, data=fields(multipart.FIELDS_MAX + 1))
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "INVALID_ARGUMENT")
    assert lying(engine) == set()


@pytest.mark.parametrize(
    "piece",
    [
        b'--b\r\nContent-Disposition: form-data; name="f"\r\n\r\n' + b"x" * 4_000 + b"\r\n",
        b'--b\r\nContent-Disposition: form-data; name="f"\r\n' + b"X-Y: z\r\n" * 500 + b"\r\n\r\n",
        b"--b\r\nX-A: " + b"a" * 4_000 + b"\r\n\r\nx\r\n",
    ],
    ids=["fields", "headers of parts", "long headers"],
)
async def test_every_byte_of_a_form_counts(app: Application, engine: FakeEngine, piece: bytes) -> None:
    taken = 0

    async def receive() -> dict[str, Any]:
        nonlocal taken
        taken += 1
        return {"type": "http.request", "body": piece, "more_body": taken < 1_000}

    assert await posted(app, UPLOAD, receive, FORM) == 400
    assert taken < 25
    assert lying(engine) == set()


async def test_unimported_uploads_of_a_user_are_bounded(
    app: Application, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app.app_state, "uploads", UploadQuota(10_000))
    assert (await send(http, b"x" * 6_000, ANA)).status_code == 200
    refused = await send(http, b"x" * 6_000, ANA)
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "RESOURCE_EXHAUSTED")
    assert int(refused.headers["retry-after"]) > 0
    assert (await send(http, b"x" * 3_000, ANA)).status_code == 200
    assert (await send(http, b"x" * 6_000, BEN)).status_code == 200


async def test_imported_uploads_do_not_count(
    app: Application, http: httpx.AsyncClient, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app.app_state, "uploads", UploadQuota(10_000))
    sent = await send(http, b"x" * 6_000, ANA)
    upload_id = sent.json()["result"]["temp_file_id"]
    for name in lying(engine):
        if name.startswith(upload_id):
            (engine.upload_dir / name).unlink()
    assert (await send(http, b"x" * 6_000, ANA)).status_code == 200


async def test_uploads_side_by_side_count_together(
    app: Application, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app.app_state, "uploads", UploadQuota(2_500_000))

    async def upload() -> int:
        parts = [FILE, *[b"x" * 100_000] * 10, b"\r\n--b--\r\n"]

        async def receive() -> dict[str, Any]:
            await asyncio.sleep(0)
            return {"type": "http.request", "body": parts.pop(0), "more_body": bool(parts)}

        return await posted(app, UPLOAD, receive, FORM)

    statuses = await asyncio.gather(*(upload() for _ in range(5)))
    assert 429 in statuses
    sizes = [(engine.upload_dir / name).stat().st_size for name in lying(engine) if not name.endswith(".note")]
    assert sum(sizes) <= 2_500_000
    assert not [name for name in lying(engine) if name.endswith(".part")]
    assert await upload() == (200 if sum(sizes) <= 1_500_000 else 429)


async def test_an_upload_that_was_given_up_counts_no_more(
    app: Application, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app.app_state, "uploads", UploadQuota(10_000))
    messages: list[dict[str, Any]] = [
        {"type": "http.request", "body": FILE + b"x" * 9_000, "more_body": True},
        {"type": "http.disconnect"},
    ]

    async def receive() -> dict[str, Any]:
        return messages.pop(0)

    assert await posted(app, UPLOAD, receive, FORM) == 0
    assert (await send(http, b"x" * 9_000, {})).status_code == 200


async def test_an_upload_that_has_just_ended_is_not_counted_twice(
    app: Application, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app.app_state, "uploads", UploadQuota(10_000))
    named, seen = threading.Event(), threading.Event()

    def finished(*arguments: Any) -> None:
        finish(*arguments)
        named.set()
        seen.wait(0.2)  # the folder is still being written: the other upload may look now

    monkeypatch.setattr(resources, "finish", finished)
    first = asyncio.ensure_future(send(http, b"x" * 5_500, ANA))
    await asyncio.to_thread(named.wait, 10)
    assert (await send(http, b"x" * 3_500, ANA)).status_code == 200
    assert (await first).status_code == 200
    assert (await send(http, b"x" * 3_500, ANA)).status_code == 429


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
@pytest.mark.parametrize("step", ["_open", "_close"])
async def test_a_full_disk_refuses_an_upload_in_words(
    http: httpx.AsyncClient, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch, code: int, step: str
) -> None:
    def full(*_: Any) -> None:
        raise OSError(code, "No space left on device")

    monkeypatch.setattr(multipart, step, full)
    refused = await send(http, b"x" * 100, ANA)
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "UNAVAILABLE")
    assert "the disk is full" in refused.json()["error"]["message"]
    assert lying(engine) == set()


async def test_an_upload_has_a_place_among_bulk_work_and_takes_none_of_others(app: Application) -> None:
    before, let_go = app.app_state.admission, asyncio.Event()
    app.app_state.admission = Admission(
        {one: Limits(1, 0, 1, 0) for one in RequestClass if one is not RequestClass.OPEN}
    )
    parts = [FILE + b"x", b"\r\n--b--\r\n"]

    async def slow() -> Any:
        if len(parts) == 1:
            await let_go.wait()
        return {"type": "http.request", "body": parts.pop(0), "more_body": bool(parts)}

    first = asyncio.ensure_future(posted(app, UPLOAD, slow, FORM))
    while not app.app_state.admission.loads()["bulk"].running:
        await asyncio.sleep(0)

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": FILE + b"x\r\n--b--\r\n", "more_body": False}

    assert await posted(app, UPLOAD, receive, FORM) == 429
    let_go.set()
    assert await first == 200
    app.app_state.admission = before


def test_the_owners_of_uploads_are_read_once(tmp_path: Path) -> None:
    quota = UploadQuota(10)
    assert quota.stored(tmp_path / "none", FakeEngine(tmp_path).caller) == 0
