"""``recalld doctor`` over real data folders: healthy, in use, of a newer version, damaged."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import pytest

from recalld.adapters.sqlite.database.connection import lock_data_dir
from recalld.app.engine import Engine
from recalld.infra.thread_pool import LoopThread
from recalld.surfaces.cli.main import main
from tests.fakes.provider import WIDTH, Provider, provider

_NOBODY = "http://127.0.0.1:1"


@pytest.fixture
def doctor(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[[], tuple[int, dict[str, Any]]]:
    """Examine ``tmp_path / "store"``; returns the exit code and the findings by name."""
    monkeypatch.setenv("RECALLD_EMBEDDER__PROVIDER", "none")
    monkeypatch.setenv("RECALLD_SERVER__PORT", "0")

    def doctor() -> tuple[int, dict[str, Any]]:
        code = main(["doctor", "--data", str(tmp_path / "store"), "--url", _NOBODY, "--json"])
        report = json.loads(capsys.readouterr().out)["result"]
        assert report["healthy"] == (code == 0)
        return code, {check["name"]: check for check in report["checks"]}

    return doctor


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder that ``store`` copies: written once, in 140 ms."""
    folder = tmp_path_factory.mktemp("filled") / "store"

    async def fill() -> None:
        async with Engine.open(folder, worker="none", embedder={"provider": "none"}) as engine:
            for number in range(20):
                await engine.write(f"viking://resources/{number}.md", f"number {number} " * 500)

    asyncio.run(fill())
    return folder


@pytest.fixture
def store(filled: Path, tmp_path: Path) -> Path:
    """A closed data folder with something in it."""
    return shutil.copytree(filled, tmp_path / "store")


Doctor = Callable[[], tuple[int, dict[str, Any]]]


def test_a_machine_without_a_store_is_healthy_and_gets_none(doctor: Doctor, tmp_path: Path) -> None:
    assert doctor()[0] == 0
    assert not (tmp_path / "store").exists()


def test_a_store_that_is_well_is_counted(doctor: Doctor, store: Path) -> None:
    code, found = doctor()
    assert (code, found["store"]["level"]) == (0, "ok")
    assert "entries" in found["store"]["text"]


def test_a_store_in_use_is_a_warning(doctor: Doctor, store: Path) -> None:
    lock = lock_data_dir(store)
    code, found = doctor()
    os.close(lock)
    assert (code, found["store"]["level"]) == (0, "warn")


def test_a_store_of_a_newer_version_fails_and_says_to_upgrade(doctor: Doctor, store: Path) -> None:
    apsw.Connection(str(store / "recalld.db")).pragma("user_version", 99)
    code, found = doctor()
    assert (code, found["store"]["level"]) == (1, "fail")
    assert "upgrade" in found["store"]["remedy"]


def test_a_damaged_store_fails(doctor: Doctor, store: Path) -> None:
    file = store / "recalld.db"
    data = bytearray(file.read_bytes())
    data[4096 * 2 : 4096 * 12] = b"\xaa" * (4096 * 10)
    file.write_bytes(data)
    code, found = doctor()
    assert (code, found["store"]["level"]) == (1, "fail")
    assert found["store"]["remedy"]


def test_settings_that_are_wrong_are_refused_before_anything_is_examined(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "c.toml").write_text("colour = 'red'\n")
    assert main(["doctor", "--config", str(tmp_path / "c.toml"), "--json"]) == 2
    assert "colour" in capsys.readouterr().out


def test_files_readable_by_others_are_named(doctor: Doctor, store: Path) -> None:
    assert doctor()[1]["folder"]["level"] == "ok"
    (store / "notes.txt").write_text("x")  # so that a start leaves the folder's own mode alone
    store.chmod(0o755)
    code, found = doctor()
    assert (code, found["folder"]["level"]) == (0, "warn")
    assert str(store) in found["folder"]["text"]


PARTS = {"model": ("embedder", "openai"), "reranker": ("reranker", "tei"), "writer": ("model", "openai")}
FAILING = [
    ("model", fault) for fault in ("quotes 401", "quotes 500", "garbage", "hang", "reset", "dimensions", "refused")
]
FAILING += [(line, fault) for line in ("reranker", "writer") for fault in ("quotes 401", "garbage", "refused")]


@pytest.mark.parametrize(("line", "fault"), FAILING)
def test_a_provider_that_fails_is_one_line_with_its_remedy(
    doctor: Doctor, store: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], line: str, fault: str,
) -> None:  # fmt: skip
    """Said once, in words: no traceback, nothing on stderr, and no second line for what follows from it."""
    part, kind = PARTS[line]
    thread = LoopThread("fake")
    fake = thread.enter(provider(fault="ok" if fault == "refused" else fault))
    if fault == "refused":
        thread.close()
    settings = {"PROVIDER": kind, "BASE_URL": fake.url, "REQUEST_TIMEOUT_S": "0.3", "API_KEY": "a-key-of-mine"}
    settings |= {"MODEL": "m"} if part != "reranker" else {}
    settings |= {"DIMENSIONS": str(WIDTH)} if part == "embedder" else {}
    for name, value in settings.items():
        monkeypatch.setenv(f"RECALLD_{part.upper()}__{name}", value)
    code, found = doctor()
    failed = [one for one in found.values() if one["level"] == "fail"]
    assert code == 1
    assert [(one["name"], bool(one["remedy"])) for one in failed] == [(line, True)]
    with pytest.raises(SystemExit, match="1"):
        main(["doctor", "--data", str(store), "--url", _NOBODY])
    printed = capsys.readouterr()
    if fault != "refused":
        thread.call(_let_go(fake))
        thread.close()
    assert [text.split()[1] for text in printed.out.splitlines() if text.startswith("FAIL")] == [line]
    assert printed.err == ""
    assert "a-key-of-mine" not in printed.out


async def _let_go(fake: Provider) -> None:
    fake.let_go.set()
