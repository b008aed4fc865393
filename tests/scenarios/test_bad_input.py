"""Bad input gets the API's code and a remedy, and changes nothing."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apsw
import httpx
import pytest

from recalld.adapters.sqlite.database.schema import SCHEMA_VERSION
from recalld.adapters.sqlite.database.store import Store
from recalld.adapters.sqlite.ledger.ledger import FILE_NAME, SqliteLedger
from recalld.app.config import ServerConfig
from recalld.app.engine import Engine
from recalld.app.worker_loop import run_job
from recalld.domain.errors import Conflict, RecalldError, Upstream
from recalld.domain.policy import UPLOAD_BYTES_MAX
from recalld.surfaces.http.app import create_app
from recalld.surfaces.http.body import JSON_BYTES_MAX
from tests.harness import Harness, plant

API = "/api/v1"


@dataclass(slots=True)
class Wire:
    """An engine behind its HTTP surface."""

    harness: Harness
    http: httpx.AsyncClient

    async def refused(self, method: str, path: str, **request: Any) -> tuple[int, str]:
        """Status and code of a call that must be refused with a remedy and change nothing."""
        before = await self.harness.state()
        answer = await self.http.request(method, API + path, **request)
        assert answer.status_code >= 400, answer.text
        error = answer.json()["error"]
        assert answer.json()["status"] == "error"
        assert len(error["message"]) > 10, error
        assert "Traceback" not in answer.text
        assert await self.harness.state() == before
        return answer.status_code, error["code"]

    async def done(self, method: str, path: str, **request: Any) -> Any:
        """The result of a call that must succeed."""
        answer = await self.http.request(method, API + path, **request)
        assert answer.status_code == 200, answer.text
        return answer.json()["result"]

    async def uploaded(self, name: str, data: bytes) -> str:
        """The id of an upload."""
        sent = await self.done("POST", "/resources/temp_upload", files={"file": (name, data)})
        return str(sent["temp_file_id"])

    async def import_refused(self, name: str, data: bytes) -> tuple[int, str]:
        """An upload that may not come in."""
        return await self.refused("POST", "/resources", json={"temp_file_id": await self.uploaded(name, data)})


@asynccontextmanager
async def wired(harness: Harness) -> AsyncIterator[Wire]:
    app = create_app(harness.engine, ServerConfig())
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=60) as http:
        yield Wire(harness, http)
    app.app_state.close()


@pytest.fixture
async def wire(harness: Harness) -> AsyncIterator[Wire]:
    async with wired(harness) as client:
        yield client


# ------------------------------------------------------------------ addresses
INVALID = {
    "another scheme": "file:///etc/passwd",
    "no scheme": "resources/a.md",
    "one slash": "viking:/resources/a.md",
    "nothing": "",
    "blank": "  ",
    "unknown scope": "viking://secrets/a.md",
    "a reserved scope": "viking://temp/a.md",
    "a queue": "viking://queue/a.md",
    "an over-long name": "viking://resources/" + "n" * 256 + ".md",
    "an over-long name in bytes": "viking://resources/" + "名" * 86 + ".md",
    "an over-long address": "viking://resources/" + "/".join(["n" * 200] * 45),
    "too many levels": "viking://resources/" + "/".join("d" * 70),
    "NUL": "viking://resources/a\x00.md",
    "a newline": "viking://resources/a\n.md",
    "escape": "viking://resources/a\x1b[2J.md",
    "bidi override": "viking://resources/\u202edm.a",
    "bidi isolate": "viking://resources/\u2066a.md",
    "zero width": "viking://resources/a\u200b.md",
    "byte order mark": "viking://resources/\ufeffa.md",
    "a calendar that is none": "viking://resources/{calendar:someday}/a.md",
}
UNSAFE = {
    "up": "viking://resources/../user/x.md",
    "up at the end": "viking://resources/x/..",
    "here": "viking://resources/./x.md",
    "backslash": "viking://resources/..\\x.md",
    "drive": "viking://resources/C:/x.md",
}


@pytest.mark.parametrize("uri", INVALID.values(), ids=INVALID.keys())
async def test_an_address_that_is_none_is_400_everywhere(wire: Wire, uri: str) -> None:
    assert (await wire.refused("GET", "/fs/stat", params={"uri": uri}))[0] == 400
    assert (await wire.refused("POST", "/content/write", json={"uri": uri, "content": "x"}))[0] == 400
    assert (await wire.refused("POST", "/fs/mkdir", json={"uri": uri}))[0] == 400
    assert (await wire.refused("POST", "/fs/mv", json={"from_uri": "viking://resources/a", "to_uri": uri}))[0] == 400


@pytest.mark.parametrize("uri", UNSAFE.values(), ids=UNSAFE.keys())
async def test_an_unsafe_address_is_403_and_400_where_content_is_written(wire: Wire, uri: str) -> None:
    denied = (403, "PERMISSION_DENIED")
    assert await wire.refused("GET", "/fs/stat", params={"uri": uri}) == denied
    assert await wire.refused("GET", "/content/read", params={"uri": uri}) == denied
    assert await wire.refused("DELETE", "/fs", params={"uri": uri}) == denied
    assert await wire.refused("POST", "/search/find", json={"query": "x", "target_uri": uri}) == denied
    status, code = await wire.refused("POST", "/content/write", json={"uri": uri, "content": "x"})
    assert (status, code) == (400, "INVALID_URI")


@pytest.mark.parametrize("name", [".relations.json", ".watch_tasks.json"])
async def test_a_reserved_name_is_not_written(wire: Wire, name: str) -> None:
    body = {"uri": f"viking://resources/{name}", "content": "x"}
    assert await wire.refused("POST", "/content/write", json=body) == (400, "INVALID_ARGUMENT")


async def test_a_lone_surrogate_is_no_name(harness: Harness) -> None:
    before = await harness.state()
    with pytest.raises(RecalldError):
        await harness.write("viking://resources/\ud83d.md", "x")
    assert await harness.state() == before


# --------------------------------------------------------------------- bodies
async def test_an_empty_body_is_refused(wire: Wire) -> None:
    assert await wire.refused("POST", "/content/write", content=b"") == (400, "INVALID_ARGUMENT")
    assert await wire.refused("POST", "/sessions/s/messages", content=b"   ") == (400, "INVALID_ARGUMENT")
    assert await wire.refused("POST", "/search/find", json={"query": ""}) == (400, "INVALID_ARGUMENT")


@pytest.mark.parametrize(
    "body",
    [b"{", b"not json", b"[1,2]", b'"text"', b"\xff\xfe\x00", b'{"uri": NaN}', b"null", b'{"uri": "a", }', b"\x00"],
)
async def test_a_malformed_body_is_refused(wire: Wire, body: bytes) -> None:
    headers = {"content-type": "application/json"}
    assert await wire.refused("POST", "/content/write", content=body, headers=headers) == (400, "INVALID_ARGUMENT")


async def test_a_gigabyte_is_refused_by_its_declared_size_before_a_byte_is_read(wire: Wire) -> None:
    read = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal read
        read += 1
        yield b"x"

    gigabyte = str(1 << 30)
    headers = {"content-length": gigabyte, "content-type": "application/json"}
    assert (await wire.refused("POST", "/content/write", content=body(), headers=headers))[0] in {400, 413}
    form = {"content-length": gigabyte, "content-type": "multipart/form-data; boundary=b"}
    assert UPLOAD_BYTES_MAX < 1 << 30
    assert (await wire.refused("POST", "/resources/temp_upload", content=body(), headers=form))[0] in {400, 413}
    assert read <= 2
    assert list(wire.harness.engine.upload_dir.glob("*")) == []


async def test_a_body_that_hides_its_size_is_counted(wire: Wire) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 1 << 30:
            sent += 1 << 20
            yield b" " * (1 << 20)

    status, _ = await wire.refused(
        "POST", "/content/write", content=endless(), headers={"content-type": "application/json"}
    )
    assert status in {400, 413}
    assert sent <= JSON_BYTES_MAX + (4 << 20)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/search/find", {"query": "x", "colour": "red"}),
        ("/content/write", {"uri": "viking://resources/a.md", "content": "x", "colour": "red"}),
        ("/resources", {"temp_file_id": "upload_" + "0" * 32, "colour": "red"}),
    ],
)
async def test_an_unknown_field_is_named_on_strict_routes(wire: Wire, path: str, body: dict[str, Any]) -> None:
    before = await wire.harness.state()
    answer = await wire.http.post(API + path, json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "INVALID_ARGUMENT")
    assert "colour" in answer.text
    assert await wire.harness.state() == before


@pytest.mark.parametrize(
    "body",
    [{"query": 7}, {"query": "x", "limit": "many"}, {"query": "x", "limit": 0}, {"query": "x", "limit": 10**9},
     {"query": "x", "filter": {"op": "xor"}}, {"query": "x", "filter": {"op": "must", "field": "colour", "conds": []}},
     {"query": "x", "filter": {"op": "range", "field": "updated_at", "gte": "soon"}}, {"query": "x", "since": "soon"},
     {"query": "x", "filter": {"op": "and", "conds": 7}}, {"query": "x", "filter": {"op": "must", "field": "uri", "conds": 7}},
     {"query": "x", "filter": {"op": "range", "field": "updated_at", "gte": [1]}},
     {"query": "x", "filter": {"op": "must", "field": "level", "conds": ["two", "\u00b2"]}},
     {"query": "x", "context_type": "colour"}, {"query": "x", "level": [7]}, {"query": "x", "tags": ["no-equals"]}],
)  # fmt: skip
async def test_a_question_with_a_wrong_part_is_400(wire: Wire, body: dict[str, Any]) -> None:
    assert (await wire.refused("POST", "/search/find", json=body))[0] == 400


async def test_json_ten_thousand_deep_is_refused_as_a_body(wire: Wire) -> None:
    deep = b'{"uri":"viking://resources/a.md","content":' + b"[" * 10_000 + b"]" * 10_000 + b"}"
    headers = {"content-type": "application/json"}
    assert await wire.refused("POST", "/content/write", content=deep, headers=headers) == (400, "INVALID_ARGUMENT")


@pytest.mark.parametrize("ending", [".json", ".yaml", ".toml", ".html", ".md", ".jsonl", ".csv", ".py", ".xml"])
@pytest.mark.parametrize("mark", ["[", "{", "<div>", "- ", "> ", "(", "*"])
async def test_a_file_ten_thousand_deep_is_stored_and_found(
    harness: Harness, ending: str, mark: str, tmp_path: Path
) -> None:
    deep = "quicksilver " + mark * 10_000
    task = await harness.add(plant(tmp_path / "deep", {f"a{ending}": deep}), split=False)
    assert task.status == "completed", task.error
    assert await harness.engine.read(f"viking://resources/deep/a{ending}") == deep


# ---------------------------------------------------------------------- zips
def zipped(fill: Callable[[zipfile.ZipFile], None]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        fill(archive)
    return out.getvalue()


def link(archive: zipfile.ZipFile) -> None:
    info = zipfile.ZipInfo("docs/link")
    info.external_attr = 0o120777 << 16
    archive.writestr(info, "/etc/passwd")


def encrypted(data: bytes) -> bytes:
    """The flag that says so, set in both headers."""
    changed = bytearray(data)
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        changed[data.index(mark) + offset] |= 1
    return bytes(changed)


ZIPS = {
    "a bomb": zipped(lambda z: z.writestr("zeros.txt", b"0" * (64 << 20))),
    "a way out": zipped(lambda z: z.writestr("../../etc/cron.d/x", "x")),
    "an absolute path": zipped(lambda z: z.writestr("/etc/x", "x")),
    "a drive": zipped(lambda z: z.writestr("C:\\x.md", "x")),
    "a link": zipped(link),
    "encrypted": encrypted(zipped(lambda z: z.writestr("a.md", "secret"))),
    "cut short": zipped(lambda z: z.writestr("a.md", "text" * 100))[:60],
    "no zip at all": b"this is no archive",
    "empty": zipped(lambda z: None),
}


@pytest.mark.parametrize("data", ZIPS.values(), ids=ZIPS.keys())
async def test_a_hostile_archive_is_refused_whole(wire: Wire, data: bytes) -> None:
    assert (await wire.import_refused("docs.zip", data))[0] == 400


async def test_invalid_and_expired_upload_ids_have_different_errors(wire: Wire) -> None:
    gone = {"temp_file_id": "upload_" + "0" * 32}
    assert await wire.refused("POST", "/resources", json=gone) == (403, "PERMISSION_DENIED")
    for bad in ("../../etc/passwd", "/etc/passwd", "upload_x", "upload_" + "0" * 32 + ".note/../x"):
        assert await wire.refused("POST", "/resources", json={"temp_file_id": bad}) == (400, "INVALID_ARGUMENT")


async def test_a_path_of_the_servers_own_disk_is_not_read(wire: Wire) -> None:
    assert await wire.refused("POST", "/resources", json={"path": "/etc/passwd"}) == (403, "PERMISSION_DENIED")


# --------------------------------------------------------------------- files
async def test_a_single_line_of_100_megabytes_is_refused_by_its_size(harness: Harness, tmp_path: Path) -> None:
    path = tmp_path / "line.txt"
    with open(path, "wb") as file:
        file.write(b"one long line " * 1_000)
        file.truncate(100 << 20)
    before = await harness.state()
    with pytest.raises(RecalldError, match="too large") as refused:
        await harness.engine.add(path)
    assert (refused.value.code, await harness.state()) == ("INVALID_ARGUMENT", before)


async def test_beside_a_file_too_large_the_rest_comes_in(harness: Harness, tmp_path: Path) -> None:
    folder = plant(tmp_path / "src", {"a.md": "heron", "line.txt": "one long line " * 1_000})
    with open(folder / "line.txt", "r+b") as file:
        file.truncate(100 << 20)
    task = await harness.add(folder)
    assert "line.txt: too large" in " ".join((task.result or {})["warnings"])
    assert list(await harness.texts_below("viking://resources/src")) == ["a.md"]


async def test_bytes_that_are_no_utf8_are_read_and_reported(harness: Harness, tmp_path: Path) -> None:
    task = await harness.add(
        plant(tmp_path / "src", {"a.md": b"caf\xe9 heron \xff\xfe", "b.md": "苍鹭站着".encode("gb18030")})
    )
    assert len((task.result or {})["warnings"]) == 2
    assert await harness.found("heron") == ["viking://resources/src/a.md"]
    assert await harness.found("苍鹭") == ["viking://resources/src/b.md"]


async def test_bytes_that_are_no_utf8_in_a_write_are_kept_as_they_are(harness: Harness) -> None:
    await harness.write("viking://resources/a.md", b"heron \xff\xfe\xfa")
    assert await harness.engine.read_bytes("viking://resources/a.md") == b"heron \xff\xfe\xfa"
    assert "heron" in await harness.engine.read("viking://resources/a.md")


# ------------------------------------------------------------------ patterns
async def test_a_pattern_that_backtracks_without_end_ends(wire: Wire) -> None:
    await wire.harness.write("viking://resources/a.md", "a" * 50_000 + "b")
    body = {"uri": "viking://resources", "pattern": "(a*)*$|(a|aa)+$|(a+)+$"}
    assert (await wire.done("POST", "/search/grep", json=body))["count"] in {0, 1}


@pytest.mark.parametrize(
    "pattern",
    [
        "(?=x)y",
        "(?<!x)y",
        r"(x)\1",
        "(?P<a>x",
        "[z-a]",
        "x{1,100000}",
        "*",
        "(?>x)",
        "a" * 2_001,
        "((a{1,500}){1,500})",
    ],
)
async def test_a_pattern_that_is_beyond_re2_is_400(wire: Wire, pattern: str) -> None:
    body = {"uri": "viking://resources", "pattern": pattern}
    assert await wire.refused("POST", "/search/grep", json=body) == (400, "INVALID_ARGUMENT")


@pytest.mark.parametrize("pattern", ["", "{a,b}" * 20, "x" * 1_001, "[z-a]"])
async def test_a_glob_that_is_none_is_400(wire: Wire, pattern: str) -> None:
    assert (await wire.refused("POST", "/search/glob", json={"pattern": pattern}))[0] == 400


# --------------------------------------------------------------------- disks
async def _set_pages_max(harness: Harness, count: int) -> None:
    ledger = harness.ports.ledger
    assert isinstance(ledger, SqliteLedger)
    assert isinstance(ledger.access.readers, Store)

    def work(c: apsw.Connection) -> None:
        c.execute(f"PRAGMA max_page_count = {count}").fetchall()

    await ledger.access.write(work)


async def test_a_full_disk_is_a_clear_refusal_and_nothing_is_lost(wire: Wire) -> None:
    harness = wire.harness
    await harness.write("viking://resources/a.md", "the heron stood still")
    await harness.append("s", "the stork flew")
    await _set_pages_max(harness, 1)
    body = {"uri": "viking://resources/b.md", "content": "crane " * 10_000}
    assert await wire.refused("POST", "/content/write", json=body) == (503, "UNAVAILABLE")
    with pytest.raises(Upstream, match="disk is full"):
        await harness.append("s", "words " * 20_000)
    assert await harness.found("heron") == ["viking://resources/a.md"]
    assert (await harness.engine.sessions.get("s")).message_count == 1
    await _set_pages_max(harness, 1_000_000)
    await harness.write("viking://resources/b.md", "crane")
    await harness.settle()
    assert await harness.found("crane") == ["viking://resources/b.md"]
    assert await harness.engine.check() == []


async def test_an_import_that_meets_a_full_disk_is_tried_again(harness: Harness, tmp_path: Path) -> None:
    added = await harness.engine.add(
        plant(tmp_path / "src", {f"{i}.md": f"heron {i} " + "wide " * 5_000 for i in range(9)}), split=False
    )
    job = await harness.lease_of("import")
    await _set_pages_max(harness, 1)
    await run_job(job, harness.ports)
    assert (await harness.engine.tasks.get(added.task_id)).status in {"pending", "running"}
    await _set_pages_max(harness, 1_000_000)
    await harness.settle()
    assert (await harness.engine.tasks.get(added.task_id)).status == "completed"
    assert len(await harness.texts_below("viking://resources/src")) == 9


async def test_a_folder_that_is_open_is_refused_in_one_sentence(harness: Harness) -> None:
    with pytest.raises(Conflict, match="another recalld has .* open") as refused:
        async with Engine.open(harness.folder, embedder={"provider": "none"}):
            pass
    assert (refused.value.code, "\n" in str(refused.value)) == ("FAILED_PRECONDITION", False)
    await harness.write("viking://resources/a.md", "the first one goes on")


@pytest.mark.loop_may_block  # the test itself prepares the file
async def test_a_store_of_a_newer_version_is_refused_untouched(tmp_path: Path) -> None:
    async with Engine.open(tmp_path, embedder={"provider": "none"}, worker="none") as engine:
        await engine.write("viking://resources/a.md", "heron")
    c = apsw.Connection(str(tmp_path / FILE_NAME))
    c.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}").fetchall()
    c.close()
    before = (tmp_path / FILE_NAME).read_bytes()
    with pytest.raises(Conflict, match="newer recalld") as refused:
        async with Engine.open(tmp_path, embedder={"provider": "none"}):
            pass
    assert refused.value.remedy.startswith("upgrade")
    assert (tmp_path / FILE_NAME).read_bytes() == before


async def test_a_message_with_a_field_of_the_wrong_kind_is_named(wire: Wire) -> None:
    for bad in ({"role": "user"}, {"role": 7, "content": "x"}, {"role": "user", "parts": "x"}, {"content": "x"}):
        assert (await wire.refused("POST", "/sessions/s/messages", json=bad))[0] == 400
    long = json.dumps({"role": "user", "content": "x" * (3 << 20)})
    headers = {"content-type": "application/json"}
    status, code = await wire.refused("POST", "/sessions/s/messages", content=long, headers=headers)
    assert (status, code) == (413, "RESOURCE_EXHAUSTED")
