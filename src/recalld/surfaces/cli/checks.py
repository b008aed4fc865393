"""The examinations behind ``recalld doctor``: each looks at one thing and suggests how to repair it."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from recalld.adapters.sqlite.database.connection import lock_data_dir
from recalld.app.config import Config, ServerConfig
from recalld.app.engine import Engine
from recalld.app.folder import check_there, loose_files, reserve_bytes
from recalld.app.plugins import load, make
from recalld.app.store_maintenance import DISK_FREE_MIN
from recalld.domain.document import Document
from recalld.domain.errors import Conflict, NotFound, RecalldError, Upstream
from recalld.ports.embedder import Embedder
from recalld.ports.model import CallBudget, Writer
from recalld.ports.reranker import Reranker
from recalld.rules.wording import worded
from recalld.surfaces.client import Client

from .exit_codes import WORDS

OK, WARN, FAIL = "ok", "warn", "fail"
DISK_FREE_WARN = 1_000_000_000
FSYNC_WARN_MS = 20.0
FSYNC_ROUNDS = 16
NOT_BEFORE = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
MODEL_WITHIN_S = 30.0
ONE_CALL_TOKENS = 20_000
_SENTENCE = "The harbour master feeds three grey cats every morning."
_QUESTION = "Who gives food to animals at the port?"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing examined: ``level`` ok, warn or fail; ``says`` what was seen; ``remedy`` how to repair it."""

    name: str
    level: str
    says: str
    remedy: str = ""


def examine(config: Config, client: Client) -> list[Finding]:
    """All examinations, in an order in which the first failure explains the later ones."""
    folder = config.folder
    state = _server_state(client)
    return [
        python_version(sys.version_info[:3]),
        clock(time.time, time.monotonic),
        permissions(folder),
        callers(config.server),
        disk_space(folder, lambda path: shutil.disk_usage(path).free),
        disk_speed(folder),
        port(config, client.url, state),
        store(folder, config, state),
        model(config),
        *model_checks(config),
    ]


def python_version(version: tuple[int, int, int]) -> Finding:
    """At least 3.11."""
    says = "Python " + ".".join(str(part) for part in version)
    if version < (3, 11, 0):
        return Finding("python", FAIL, says, "install Python 3.11 or newer")
    return Finding("python", OK, says)


def clock(wall: Callable[[], float], monotonic: Callable[[], float]) -> Finding:
    """Not before this program was made, and never running backwards."""
    before, now, after = monotonic(), wall(), monotonic()
    shown = datetime.fromtimestamp(now, UTC).isoformat(timespec="seconds")
    if now < NOT_BEFORE:
        return Finding("clock", FAIL, f"it says {shown}, before this program was made", "set the clock")
    if after < before:
        return Finding("clock", FAIL, "the monotonic clock ran backwards", "restart the machine")
    return Finding("clock", OK, shown)


def permissions(folder: Path) -> Finding:
    """The data folder (or where it will be) can be written by us, and others can neither read nor write what is in it."""
    place = _nearest(folder)
    if not place.is_dir():
        return Finding("folder", FAIL, f"{place} is no folder", "choose another --data")
    if not os.access(place, os.R_OK | os.W_OK | os.X_OK):
        return Finding("folder", FAIL, f"{place} cannot be written", "chown or chmod it, or choose another --data")
    if place == folder and (loose := loose_files(folder)):
        shown = ", ".join(str(path) for path in loose[:3]) + (f" and {len(loose) - 3} more" if len(loose) > 3 else "")
        return Finding("folder", WARN, f"other users of this machine can read {shown}", f"chmod -R go-rwx {folder}")
    return Finding("folder", OK, f"{folder}" + ("" if place == folder else " (not made yet)"))


def disk_space(folder: Path, free_bytes: Callable[[Path], int]) -> Finding:
    """Room to grow."""
    free = free_bytes(_nearest(folder))
    reserve = reserve_bytes(folder)
    says = f"{free / 1e9:.1f} GB free" + (f", {reserve / 1e6:.0f} MB set aside for removals" if reserve else "")
    if free < DISK_FREE_MIN:
        return Finding("disk", FAIL, says, "free some space, or move the data folder: it holds only plain files")
    if reserve == 0:
        return Finding("disk", WARN, f"{says}, the space set aside for removals is used", "free some space soon")
    if free < DISK_FREE_WARN:
        return Finding("disk", WARN, says, "free some space soon; writes are refused when it is full")
    return Finding("disk", OK, says)


def disk_speed(folder: Path) -> Finding:
    """How long a small durable write takes: every acknowledged write waits for one."""
    try:
        times = _fsync_ms(_nearest(folder))
    except OSError as broken:
        return Finding("fsync", FAIL, f"a test file could not be written: {broken.strerror}", "see the two lines above")
    median = statistics.median(times)
    says = f"{median:.2f} ms a durable write (worst of {FSYNC_ROUNDS}: {max(times):.2f})"
    if median > FSYNC_WARN_MS:
        return Finding("fsync", WARN, says, "put the data folder on a local SSD rather than on a network or slow disk")
    return Finding("fsync", OK, says)


def _fsync_ms(folder: Path) -> list[float]:
    times = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(FSYNC_ROUNDS):
            began = time.perf_counter()
            file.write(b"\0" * 4096)
            file.flush()
            os.fsync(file.fileno())
            times.append((time.perf_counter() - began) * 1000)
    return times


def _server_state(client: Client) -> dict[str, object] | None:
    """What /ready says; None if no server of ours answers there."""
    try:
        client.health()
        return client.ready()
    except (RecalldError, KeyError, TypeError, ValueError):
        return None


def port(config: Config, url: str, state: dict[str, object] | None) -> Finding:
    """Free to listen on, or in use by a recalld."""
    if state is not None:
        word = str(state.get("state") or state.get("status"))
        if word == "ready":
            return Finding("server", OK, f"a server answers at {url} and is ready")
        return Finding("server", WARN, f"a server answers at {url}: {word}, {_listed(state)}", "see recalld status")
    host, number = config.server.host, config.server.port
    try:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as test:
            test.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            test.bind((host, number))
    except OSError as taken:
        says = f"{host}:{number} cannot be listened on: {taken.strerror}"
        return Finding("server", FAIL, says, "stop what uses it, or choose --port")
    return Finding("server", OK, f"not running; {host}:{number} is free (start it with: recalld serve)")


def callers(server: ServerConfig) -> Finding:
    """Who may ask this server, and whether every web page is among them."""
    if server.asks_for_keys:
        return Finding("callers", OK, f"auth_mode {server.mode}: every caller needs a key")
    if "*" in server.cors_origins:
        says = (
            f"auth_mode {server.mode} asks for no key and server.cors_origins has *: every web page may read this store"
        )
        return Finding("callers", WARN, says, "name the origins in server.cors_origins, or set server.root_api_key")
    listed = ", ".join(server.cors_origins) or "none"
    return Finding("callers", OK, f"auth_mode {server.mode}: programs of this machine; web origins: {listed}")


def _listed(state: dict[str, object]) -> str:
    """Why a server is not at its best, in its own words."""
    reasons = state.get("reasons") or state.get("reason") or ""
    return ", ".join(str(reason) for reason in reasons) if isinstance(reasons, list) else str(reasons)


def store(folder: Path, config: Config, state: dict[str, object] | None) -> Finding:
    """Opens, is of our version, verifies. A store that a server has open is judged by that server."""
    try:
        check_there(folder)
        os.close(lock_data_dir(folder))
    except NotFound:
        return Finding("store", OK, "not made yet; the first start makes it")
    except Conflict as held:
        if state is not None:
            return Finding("store", OK, f"open in the running server: {_listed(state) or 'all well'}")
        return Finding("store", WARN, held.message, "stop what has it open, or give doctor its server's --url")
    except RecalldError as shut:
        return Finding("store", FAIL, shut.message, worded(shut.remedy, WORDS))
    try:
        return asyncio.run(_open_store(folder, config))
    except RecalldError as broken:
        return Finding("store", FAIL, broken.message, worded(broken.remedy, WORDS) or "restore the folder from a copy")


async def _open_store(folder: Path, config: Config) -> Finding:
    whole = config.model_copy(update={"data": folder})
    async with Engine.open(config=whole, worker="none") as engine:
        faults = await engine.check(contents=False)  # fsck reads every content
        if faults:
            more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
            return Finding("store", FAIL, faults[0] + more, "restore the folder from a copy, or let it be rebuilt")
        usage = await engine.usage()
        held = f"{usage.nodes} entries, {usage.messages} messages"
        if usage.files is not None:
            held = f"version {usage.files.schema}: {held}, {usage.files.file_bytes / 1e6:.1f} MB"
        return Finding("store", OK, held)


def model(config: Config) -> Finding:
    """The embedder answers a question and a text with vectors. It is asked directly: no store, no jobs."""
    kind = config.embedder.kind
    if kind == "none":
        return Finding("model", OK, "none: recall is by words alone, as configured")
    found = _answers("model", kind, _try_embedder(config))
    if found.level == FAIL and not found.remedy:
        remedy = f'reinstall recalld with what embedder {kind!r} needs, or set embedder.kind = "none"'
        return Finding(found.name, FAIL, found.says, remedy)
    return found


async def _try_embedder(config: Config) -> None:
    embedder: Embedder = make("embedder", config.embedder.kind, config.embedder.options())
    try:
        async with asyncio.timeout(MODEL_WITHIN_S):
            text, question = await embedder.embed([_SENTENCE]), await embedder.embed([_QUESTION], query=True)
    finally:
        await embedder.close()
    if not text.any() or not question.any():
        raise Upstream(f"{embedder.name} gives vectors without length", remedy="check embedder.model")


def model_checks(config: Config) -> list[Finding]:
    """The reranker and the language model, where one is configured: each is asked once, which costs a few hundred tokens."""
    found = []
    if config.reranker.kind != "none":
        found.append(_answers("reranker", config.reranker.kind, _try_reranker(config)))
    if load("model", config.model.kind).remote:
        found.append(_answers("writer", config.model.kind, _try_writer(config)))
    return found


def _answers(name: str, kind: str, trial: Coroutine[Any, Any, None]) -> Finding:
    began = time.monotonic()
    try:
        asyncio.run(trial)
    except RecalldError as broken:
        return Finding(name, FAIL, f"{kind}: {broken.message}", worded(broken.remedy, WORDS))
    except TimeoutError:
        return Finding(
            name, FAIL, f"{kind} gave no answer in {MODEL_WITHIN_S:g} s", "check its base_url and its status page"
        )
    return Finding(name, OK, f"{kind} answers ({time.monotonic() - began:.1f} s)")


async def _try_reranker(config: Config) -> None:
    reranker: Reranker = make("reranker", config.reranker.kind, config.reranker.options())
    try:
        async with asyncio.timeout(MODEL_WITHIN_S):
            await reranker.rerank(_QUESTION, [_SENTENCE, "Rain is expected."])
    finally:
        await reranker.close()


async def _try_writer(config: Config) -> None:
    writer: Writer = make("model", config.model.kind, config.model.options())
    try:
        async with asyncio.timeout(MODEL_WITHIN_S):
            await writer.on(CallBudget(ONE_CALL_TOKENS, 3, 0.0)).tiers_of_document(
                "note.md", Document("text/plain", _SENTENCE)
            )
    finally:
        await writer.close()


def _nearest(folder: Path) -> Path:
    """``folder``, or the closest parent of it that is there."""
    return next((place for place in (folder, *folder.parents) if place.exists()), Path("/"))
