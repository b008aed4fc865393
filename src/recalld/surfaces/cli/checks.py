"""The checks of ``recalld doctor``. Each checks one thing and suggests a remedy."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from recalld.adapters.sqlite.database.connection import lock_data_dir
from recalld.app.config import Config, EmbedderConfig, ModelConfig, RerankerConfig, ServerConfig
from recalld.app.engine import Engine
from recalld.app.plugins import load, make
from recalld.app.store_maintenance import DISK_FREE_MIN, check_there, loose_files, reserve_bytes
from recalld.domain.document import Document
from recalld.domain.errors import Conflict, NotFound, RecalldError, Upstream
from recalld.ports.embedder import Embedder
from recalld.ports.model import CallBudget, Writer
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
Section = EmbedderConfig | RerankerConfig | ModelConfig
_SENTENCE = "The harbour master feeds three grey cats every morning."
_QUESTION = "Who gives food to animals at the port?"


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of a check. ``level`` is ok, warn or fail."""

    name: str
    level: str
    text: str
    remedy: str = ""


def examine(config: Config, client: Client) -> list[Finding]:
    """Return all checks, in an order in which the first failure explains later ones."""
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
    text = "Python " + ".".join(str(part) for part in version)
    if version < (3, 11, 0):
        return Finding("python", FAIL, text, "install Python 3.11 or newer")
    return Finding("python", OK, text)


def clock(wall: Callable[[], float], monotonic: Callable[[], float]) -> Finding:
    """The clock is not before the release of this program, and never runs backwards."""
    before, now, after = monotonic(), wall(), monotonic()
    shown = datetime.fromtimestamp(now, UTC).isoformat(timespec="seconds")
    if now < NOT_BEFORE:
        return Finding("clock", FAIL, f"it shows {shown}, before this program was released", "set the clock")
    if after < before:
        return Finding("clock", FAIL, "the monotonic clock ran backwards", "restart the machine")
    return Finding("clock", OK, shown)


def permissions(folder: Path) -> Finding:
    """The data folder is writable for this user, and closed to others."""
    place = _nearest(folder)
    if not place.is_dir():
        return Finding("folder", FAIL, f"{place} is not a folder", "choose another --data")
    if not os.access(place, os.R_OK | os.W_OK | os.X_OK):
        return Finding("folder", FAIL, f"{place} cannot be written", "chown or chmod it, or choose another --data")
    if place == folder and (loose := loose_files(folder)):
        shown = ", ".join(str(path) for path in loose[:3]) + (f" and {len(loose) - 3} more" if len(loose) > 3 else "")
        return Finding("folder", WARN, f"other users of this machine can read {shown}", f"chmod -R go-rwx {folder}")
    return Finding("folder", OK, f"{folder}" + ("" if place == folder else " (not created yet)"))


def disk_space(folder: Path, free_bytes: Callable[[Path], int]) -> Finding:
    """The disk has space to grow."""
    free = free_bytes(_nearest(folder))
    reserve = reserve_bytes(folder)
    text = f"{free / 1e9:.1f} GB free" + (f", {reserve / 1e6:.0f} MB set aside for removals" if reserve else "")
    if free < DISK_FREE_MIN:
        return Finding("disk", FAIL, text, "free some space, or move the data folder: it holds only plain files")
    if reserve == 0:
        return Finding("disk", WARN, f"{text}, the space set aside for removals is used", "free some space soon")
    if free < DISK_FREE_WARN:
        return Finding("disk", WARN, text, "free some space soon; writes are refused when it is full")
    return Finding("disk", OK, text)


def disk_speed(folder: Path) -> Finding:
    """The duration of a small durable write. Every acknowledged write waits for one."""
    try:
        times = _fsync_ms(_nearest(folder))
    except OSError as broken:
        return Finding(
            "fsync", FAIL, f"a test file could not be written: {broken.strerror}", "see the two checks above"
        )
    median = statistics.median(times)
    text = f"{median:.2f} ms a durable write (worst of {FSYNC_ROUNDS}: {max(times):.2f})"
    if median > FSYNC_WARN_MS:
        return Finding("fsync", WARN, text, "put the data folder on a local SSD rather than on a network or slow disk")
    return Finding("fsync", OK, text)


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
    """Return the body of /ready; None if no recalld server answers there."""
    try:
        client.health()
        return client.ready()
    except (RecalldError, KeyError, TypeError, ValueError):
        return None


def port(config: Config, url: str, state: dict[str, object] | None) -> Finding:
    """The port is free, or a recalld server uses it."""
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
        text = f"{host}:{number} cannot be listened on: {taken.strerror}"
        return Finding("server", FAIL, text, "stop what uses it, or choose --port")
    return Finding("server", OK, f"not running; {host}:{number} is free (start it with: recalld serve)")


def callers(server: ServerConfig) -> Finding:
    """Who may use this server, and whether every web page may."""
    if server.requires_key:
        return Finding("callers", OK, f"auth_mode {server.mode}: every caller needs a key")
    if "*" in server.cors_origins:
        text = (
            f"auth_mode {server.mode} requires no key and server.cors_origins has *: every web page may read this store"
        )
        return Finding("callers", WARN, text, "name the origins in server.cors_origins, or set server.root_api_key")
    listed = ", ".join(server.cors_origins) or "none"
    return Finding("callers", OK, f"auth_mode {server.mode}: programs of this machine; web origins: {listed}")


def _listed(state: dict[str, object]) -> str:
    """The reasons that a server gives for its state."""
    reasons = state.get("reasons") or state.get("reason") or ""
    return ", ".join(str(reason) for reason in reasons) if isinstance(reasons, list) else str(reasons)


def store(folder: Path, config: Config, state: dict[str, object] | None) -> Finding:
    """The store opens, has our version, and is consistent. For a store that a server has open, ask the server."""
    try:
        check_there(folder)
        os.close(lock_data_dir(folder))
    except NotFound:
        return Finding("store", OK, "not created yet; the first start creates it")
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
    """The embedder returns vectors for a query and a text. It is called directly, without a store."""
    provider = config.embedder.provider
    if provider == "none":
        return Finding("model", OK, "none: search is lexical, as configured")
    found = _answers("model", "embedder", config.embedder, _embeds)
    if found.level == FAIL and not found.remedy:
        remedy = f'reinstall recalld with what embedder {provider!r} needs, or set embedder.provider = "none"'
        return Finding(found.name, FAIL, found.text, remedy)
    return found


async def _embeds(client: Embedder) -> None:
    text, question = await client.embed([_SENTENCE]), await client.embed([_QUESTION], query=True)
    if not text.any() or not question.any():
        raise Upstream(f"{client.name} returns zero vectors", remedy="check embedder.model")


async def _writes(client: Writer) -> None:
    await client.on(CallBudget(ONE_CALL_TOKENS, 3, 0.0)).tiers_of_document("note.md", Document("text/plain", _SENTENCE))


def model_checks(config: Config) -> list[Finding]:
    """The reranker and the language model, if configured. One request each, of a few hundred tokens."""
    found = []
    if config.reranker.provider != "none":
        found.append(
            _answers(
                "reranker", "reranker", config.reranker, lambda r: r.rerank(_QUESTION, [_SENTENCE, "Rain is expected."])
            )
        )
    if load("model", config.model.provider).remote:
        found.append(_answers("writer", "model", config.model, _writes))
    return found


def _answers(name: str, kind: str, section: Section, trial: Callable[[Any], Awaitable[object]]) -> Finding:
    provider, began = section.provider, time.monotonic()
    try:
        asyncio.run(_try(kind, section, trial))
    except RecalldError as broken:
        return Finding(name, FAIL, f"{provider}: {broken.message}", worded(broken.remedy, WORDS))
    except TimeoutError:
        return Finding(
            name,
            FAIL,
            f"{provider} did not answer within {MODEL_WITHIN_S:g} s",
            "check its base_url and its status page",
        )
    return Finding(name, OK, f"{provider} answers ({time.monotonic() - began:.1f} s)")


async def _try(kind: str, section: Section, trial: Callable[[Any], Awaitable[object]]) -> None:
    client = make(kind, section.provider, section.options())
    try:
        async with asyncio.timeout(MODEL_WITHIN_S):
            await trial(client)
    finally:
        await client.close()


def _nearest(folder: Path) -> Path:
    """``folder``, or its closest existing parent."""
    return next((place for place in (folder, *folder.parents) if place.exists()), Path("/"))
