"""``recalld serve``: open the port, answer /health, open the data folder, serve until a signal."""

from __future__ import annotations

import asyncio
import errno
import gc
import importlib
import importlib.util
import ipaddress
import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

import uvicorn

from recalld.app.config import Config, ServerConfig
from recalld.domain.errors import Conflict, Denied, Invalid, RecalldError
from recalld.infra import cpu_affinity, fd_limit, malloc_tuning
from recalld.infra.file_permissions import OTHERS
from recalld.infra.logs import get_logger, setup
from recalld.surfaces.http.app import Application, create_app
from recalld.surfaces.http.connection import Connection
from recalld.surfaces.http.connections import BACKLOG, Bounds, Connections, bounds, files_wanted
from recalld.surfaces.http.middleware import OnRequest
from recalld.surfaces.http.mounts import MountedApps

if TYPE_CHECKING:
    from recalld.app.engine import Engine

_log = get_logger("recalld.serve")
_KEEP_ALIVE_S = 5
_LAST_REQUESTS_S = 0.25
"""How long after the signal an idle connection may still send a request. Its response closes the connection."""
_CLOSE = (b"connection", b"close")

OnListening = Callable[[str, int], None]
"""Called with host and port once the port answers."""


def run(
    config: Config,
    *,
    on_request: OnRequest | None = None,
    on_listening: OnListening | None = None,
    mounted_apps: MountedApps | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT, with the ``mounted_apps`` of ``create_app``.

    Raises ``Denied`` for a host that is not loopback in dev mode, and ``Conflict`` for a port or a data folder in use.
    """
    os.umask(OTHERS)  # only this user may read what the process creates
    malloc_tuning.tune_malloc()
    fd_limit.raise_limit(files_wanted(config.server.connections_max))
    cpu_affinity.shorten_switch_interval()
    chosen = cpu_affinity.pin_process() if config.server.pin_cpu else None
    logs = setup(level=config.log.level, json=config.log.format == "json")
    try:
        if chosen is not None:
            _log.info("threads pinned to a CPU", cpu=chosen)
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(serve(config, on_request=on_request, on_listening=on_listening, mounted_apps=mounted_apps))
    finally:
        logs.close()


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """Return uvloop's; asyncio's own where there is no uvloop (Windows)."""
    if importlib.util.find_spec("uvloop") is None:
        return asyncio.new_event_loop
    chosen: Callable[[], asyncio.AbstractEventLoop] = importlib.import_module("uvloop").new_event_loop
    return chosen


async def serve(
    config: Config,
    *,
    on_request: OnRequest | None = None,
    on_listening: OnListening | None = None,
    mounted_apps: MountedApps | None = None,
) -> None:
    """Serve inside a running loop. Returns after a signal, when open requests have ended and everything is closed."""
    bound = _bounds(config.server)
    listening = listen(config.server, backlog=bound.backlog)
    app = create_app(None, config.server, on_request=on_request, mounted_apps=mounted_apps)
    server = _Server(_uvicorn_config(app, config.server, bound))
    failed: RecalldError | None = None
    try:
        async with asyncio.TaskGroup() as tasks:
            serving = tasks.create_task(server.serve(sockets=[listening]), name="http")
            with _stopped_by_signals(server):
                _announce(listening, on_listening)
                try:
                    await _with_engine(app, config, serving)
                except RecalldError as error:  # outside the group, so that it is not wrapped in an ExceptionGroup
                    failed = error
                    app.app_state.open(None)
                server.should_exit = True
                await serving
    finally:
        listening.close()
        app.app_state.close()
    if failed is not None:
        raise failed


async def _with_engine(app: Application, config: Config, serving: asyncio.Task[None]) -> None:
    """Open the data folder while the port answers already. Close it when the last request has ended."""
    engine_type = await app.app_state.disk.run(_engine_type)
    gc.freeze()
    gc.enable()  # the command has disabled it for the imports
    async with engine_type.open(config=config, worker="beside") as engine:
        # Objects from the start-up stay for good. Without this, every full collection would traverse them and stall the loop.
        gc.freeze()
        app.app_state.open(engine)
        _log.info("ready", data=str(config.folder))
        await serving
        app.app_state.engine = None


def _engine_type() -> type[Engine]:
    """Import the engine on a thread of the pool: its libraries must not delay the listening port."""
    loaded: type[Engine] = importlib.import_module("recalld.app.engine").Engine
    cpu_affinity.limit_blas_threads()
    return loaded


def _bounds(server: ServerConfig) -> Bounds:
    """Return the limits of this process. Logs a warning if they are below the configured ones."""
    allowed = fd_limit.limit()
    bound = bounds(server.connections_max, server.connections_per_address_max, allowed)
    if bound.total < server.connections_max:
        _log.warning(
            "server.connections_max lowered to fit the limit of open files (ulimit -n)",
            connections=bound.total,
            files=allowed,
        )
    return bound


def listen(server: ServerConfig, *, backlog: int = BACKLOG) -> socket.socket:
    """Open the port. Raises ``Denied``, ``Invalid`` and ``Conflict``."""
    host = "127.0.0.1" if server.host == "localhost" else server.host
    try:
        address = ipaddress.ip_address(host)
    except ValueError as bad:
        raise Invalid(
            f"server.host {server.host!r} is not an IP address", remedy="use 127.0.0.1, ::1 or localhost"
        ) from bad
    _check_guarded(server, loopback=address.is_loopback)
    if not server.requires_key and "*" in server.cors_origins:  # ``recalld doctor`` reports it too
        _log.warning(
            "any website can read this store",
            auth_mode=server.mode,
            remedy="name the origins in server.cors_origins",
        )
    listening = socket.socket(socket.AF_INET6 if address.version == 6 else socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, server.port))
        listening.listen(backlog)
    except OSError as taken:
        listening.close()
        raise _cannot_listen(server, taken) from taken
    listening.setblocking(False)
    return listening


def _check_guarded(server: ServerConfig, *, loopback: bool) -> None:
    """Raise ``Denied`` for an address beyond loopback without authentication."""
    if loopback or server.mode == "api_key" or (server.mode == "trusted" and server.root_key):
        return
    what = "requires no key" if server.mode == "dev" else "without a root key trusts every client"
    raise Denied(
        f"auth_mode {server.mode} {what}, so it does not listen on {server.host}",
        remedy="set server.root_api_key, or use server.host 127.0.0.1 and reach it through a tunnel",
    )


def _cannot_listen(server: ServerConfig, why: OSError) -> RecalldError:
    place = f"{server.host}:{server.port}"
    if why.errno == errno.EADDRINUSE:
        return Conflict(
            f"{place} is in use by another program", remedy="stop it, or choose another port with --port or server.port"
        )
    if why.errno == errno.EACCES:
        return Denied(f"this user may not listen on {place}", remedy="choose a port above 1023")
    return Invalid(f"cannot listen on {place}: {why.strerror}", remedy="check server.host and server.port")


def _announce(listening: socket.socket, on_listening: OnListening | None) -> None:
    host, port = listening.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    _log.info("listening", url=f"http://{shown}:{port}")
    if on_listening is not None:
        on_listening(host, port)


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: they raise the signal again before the data folder is closed."""

    draining = False

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    def stop(self) -> None:
        """Stop without cutting off a request: accept no new connections, close each connection after its response, and close
        those that stay silent for a moment. A second call stops at once.
        """
        self.force_exit = self.draining or self.should_exit
        if self.draining or not self.started:
            self.should_exit = True
            return
        self.draining = True
        for listening in self.servers:
            listening.close()
        # Both lists: uvicorn rebuilds the second from the first every second.
        self.config.encoded_headers.append(_CLOSE)
        self.server_state.default_headers = [*self.server_state.default_headers, _CLOSE]
        asyncio.get_running_loop().call_later(_LAST_REQUESTS_S, self._end)

    def _end(self) -> None:
        self.should_exit = True


@contextmanager
def _stopped_by_signals(server: _Server) -> Iterator[None]:
    """The first signal lets open requests end, a second one does not wait for them."""
    loop = asyncio.get_running_loop()
    signals = (signal.SIGTERM, signal.SIGINT)
    try:
        for one in signals:
            loop.add_signal_handler(one, server.stop)
    except RuntimeError:  # asyncio's loop on Windows takes none
        before = {one: signal.signal(one, lambda *_: loop.call_soon_threadsafe(server.stop)) for one in signals}
        try:
            yield
        finally:
            for one, handler in before.items():
                signal.signal(one, handler)
        return
    try:
        yield
    finally:
        for one in signals:
            loop.remove_signal_handler(one)


def _uvicorn_config(app: Application, server: ServerConfig, bound: Bounds) -> uvicorn.Config:
    app.app_state.connections = Connections(bound)
    return uvicorn.Config(
        app,
        http=partial(Connection, connections=app.app_state.connections),  # type: ignore[arg-type]
        backlog=bound.backlog,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,  # read by ``crossorigin.py``, and from ``server.trusted_proxies`` alone
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=max(1, round(server.shutdown_timeout_s)),
    )
