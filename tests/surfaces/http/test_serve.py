"""Serving, from binding the port to closing the data folder."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvloop

from recalld.app.config import Config, ServerConfig, load_config
from recalld.domain.errors import Conflict, Denied, Invalid
from recalld.surfaces.http import serve as serving
from recalld.surfaces.http.serve import listen, serve
from tests.surfaces.http.fake_engine import FakeEngine


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return load_config(None, data=tmp_path, server={"port": 0, "shutdown_timeout_s": 5.0})


class Openable:
    """Stands where the engine's class stands, and says when it opens and closes."""

    def __init__(self, engine: FakeEngine) -> None:
        self.engine = engine
        self.may_open = asyncio.Event()
        self.events: list[str] = []
        self.fails: Exception | None = None

    @asynccontextmanager
    async def open(self, **how: Any) -> AsyncIterator[FakeEngine]:
        self.events.append(f"opening beside={how['worker'] == 'beside'}")
        await self.may_open.wait()
        if self.fails:
            raise self.fails
        yield self.engine
        self.events.append("closed")


@pytest.fixture
def openable(engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> Openable:
    openable = Openable(engine)
    monkeypatch.setattr(serving, "_engine_type", lambda: openable)
    return openable


ClientTask = Callable[[httpx.AsyncClient], Any]


async def during(config: Config, client_task: ClientTask) -> None:
    """Serve while ``client_task`` runs; it stops the server itself."""
    where: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(serve(config, on_listening=lambda host, port: where.set_result(f"http://{host}:{port}")))
        async with httpx.AsyncClient(base_url=await where, timeout=20) as client:
            await client_task(client)


def stop() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


async def until_ready(client: httpx.AsyncClient) -> None:
    while (await client.get("/ready")).status_code != 200:
        pass


async def test_health_answers_before_the_store_is_open_and_other_requests_wait_for_it(
    config: Config, openable: Openable
) -> None:
    async def client_task(client: httpx.AsyncClient) -> None:
        assert (await client.get("/health")).status_code == 200
        assert (await client.get("/ready")).status_code == 503
        async with asyncio.TaskGroup() as tasks:
            early = [
                tasks.create_task(client.get("/api/v1/system/status")),
                tasks.create_task(client.post("/api/v1/search/find", json={"query": "words"})),
                tasks.create_task(client.post("/api/v1/resources/temp_upload", files={"file": ("a.md", b"text")})),
            ]
            while (await client.get("/health")).status_code != 200 or openable.events != ["opening beside=True"]:
                pass
            assert not any(task.done() for task in early)
            openable.may_open.set()
        assert [task.result().status_code for task in early] == [200, 200, 200]
        stop()

    await during(config, client_task)
    assert openable.events == ["opening beside=True", "closed"]


async def test_objects_are_collected_once_the_imports_are_done(config: Config, openable: Openable) -> None:
    async def client_task(client: httpx.AsyncClient) -> None:
        while not openable.events:
            assert (await client.get("/health")).status_code == 200
        assert gc.isenabled()
        openable.may_open.set()
        stop()

    gc.disable()  # as the command does
    try:
        await during(config, client_task)
    finally:
        gc.enable()


async def test_a_request_waits_for_the_store_no_longer_than_its_deadline(tmp_path: Path, openable: Openable) -> None:
    config = load_config(None, data=tmp_path, server={"port": 0, "request_timeout_s": 0.05})

    async def client_task(client: httpx.AsyncClient) -> None:
        refused = await client.get("/api/v1/system/status")
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        openable.may_open.set()
        stop()

    await during(config, client_task)


async def test_requests_waiting_for_a_store_that_fails_to_open_get_an_error(config: Config, openable: Openable) -> None:
    openable.fails = Conflict("the data folder is in use", remedy="stop the other server")
    answers: list[int] = []

    async def client_task(client: httpx.AsyncClient) -> None:
        asking = asyncio.ensure_future(client.get("/api/v1/system/status"))
        while (await client.get("/health")).status_code == 200 and not openable.events:
            pass
        openable.may_open.set()
        answers.append((await asking).status_code)

    with pytest.raises(BaseExceptionGroup) as ended:
        await during(config, client_task)
    assert ended.value.subgroup(Conflict)
    assert answers == [503]


async def test_open_requests_end_before_the_store_closes(config: Config, openable: Openable) -> None:
    openable.may_open.set()
    begun, may_end = asyncio.Event(), asyncio.Event()

    class Slow(type(openable.engine.as_caller(openable.engine.caller))):  # type: ignore[misc]
        async def read(self, uri: str, **_: Any) -> str:
            begun.set()
            await may_end.wait()
            openable.events.append("answered")
            return "text"

    openable.engine.as_caller = lambda caller: Slow(openable.engine.state, caller)  # type: ignore[method-assign]

    async def client_task(client: httpx.AsyncClient) -> None:
        await until_ready(client)
        async with asyncio.TaskGroup() as tasks:
            reading = tasks.create_task(client.get("/api/v1/content/read", params={"uri": "viking://resources/a"}))
            await begun.wait()
            stop()
            asyncio.get_running_loop().call_later(0.3, may_end.set)
        assert reading.result().json()["result"] == "text"

    await during(config, client_task)
    assert openable.events[-2:] == ["answered", "closed"]


async def test_a_store_that_does_not_open_ends_the_server_with_its_reason(config: Config, openable: Openable) -> None:
    openable.fails = Conflict("the data folder is in use", remedy="stop the other server")
    openable.may_open.set()
    with pytest.raises(Conflict, match="in use"):
        await serve(config)


async def test_a_signal_while_the_store_opens_is_not_lost(config: Config, openable: Openable) -> None:
    async def client_task(client: httpx.AsyncClient) -> None:
        assert (await client.get("/health")).status_code == 200
        stop()
        openable.may_open.set()

    await during(config, client_task)
    assert openable.events[-1] == "closed"


def test_the_loop_is_uvloops_where_there_is_one_and_asyncios_where_not(monkeypatch: pytest.MonkeyPatch) -> None:
    assert serving.loop_factory() is uvloop.new_event_loop
    monkeypatch.setitem(sys.modules, "uvloop", None)  # as good as not installed
    assert serving.loop_factory() is asyncio.new_event_loop


async def test_signals_end_the_server_where_the_loop_takes_none(
    config: Config, openable: Openable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As asyncio's loop does on Windows."""

    def refuse(*_: Any) -> None:
        raise NotImplementedError

    monkeypatch.setattr(asyncio.get_running_loop(), "add_signal_handler", refuse)
    before = signal.getsignal(signal.SIGTERM)

    async def client_task(client: httpx.AsyncClient) -> None:
        openable.may_open.set()
        await until_ready(client)
        stop()

    await during(config, client_task)
    assert openable.events[-1] == "closed"
    assert signal.getsignal(signal.SIGTERM) is before


def test_dev_mode_listens_on_loopback_only() -> None:
    for host in ("0.0.0.0", "192.168.1.5", "::"):
        with pytest.raises(Denied, match="dev") as refused:
            listen(ServerConfig(host=host, port=0))
        assert refused.value.remedy


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.0.0.2"])
def test_loopback_has_many_names(host: str) -> None:
    listen(ServerConfig(host=host, port=0)).close()


def test_a_name_is_no_address() -> None:
    with pytest.raises(Invalid, match=r"example\.org"):
        listen(ServerConfig(host="example.org", port=0))


def test_a_port_in_use_is_one_sentence_with_a_remedy() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Conflict) as refused:
            listen(ServerConfig(port=port))
    assert str(port) in str(refused.value)
    assert "--port" in refused.value.remedy
    assert "\n" not in str(refused.value)


def test_a_server_that_lets_every_page_in_without_a_key_says_so(caplog: pytest.LogCaptureFixture) -> None:
    for settings, warned in (({}, False), ({"root_api_key": "k"}, False)):
        with listen(ServerConfig(port=0, cors_origins=("https://a.example",), **settings)):
            assert ("any website" in caplog.text) is warned
    with listen(ServerConfig(port=0, cors_origins=("*",))):
        assert "any website" in caplog.text
