"""``recalld fsck`` over real data folders: whole, damaged, mended, in use."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import apsw
import pytest

from recalld.app.engine import Engine
from recalld.infra.datafile import hold
from recalld.surfaces.cli.main import main


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A closed data folder with something in it."""
    monkeypatch.setenv("RECALLD_EMBEDDER__KIND", "none")

    async def fill() -> None:
        async with Engine.open(tmp_path / "store", worker="none", embedder={"kind": "none"}) as engine:
            await engine.write("viking://resources/a.md", "the heron stood still")
            await engine.say("s", [{"role": "user", "content": "hello"}])

    asyncio.run(fill())
    return tmp_path / "store"


def fsck(folder: Path, capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, dict[str, Any]]:
    code = main(["fsck", "--data", str(folder), "--json", *options])
    return code, json.loads(capsys.readouterr().out)


def damage(folder: Path) -> None:
    c = apsw.Connection(str(folder / "recalld.db"))
    c.execute("UPDATE session SET live = 7")
    c.close()


def test_a_whole_store_is_consistent(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert fsck(store, capsys) == (0, {"ok": True, "result": {"consistent": True, "found": [], "left": []}})


def test_a_fault_is_told_mended_only_if_asked_and_gone_then(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    damage(store)
    for _ in range(2):
        code, told = fsck(store, capsys)
        assert (code, told["result"]["left"]) == (1, ["1 sessions miscount their messages"])
    code, told = fsck(store, capsys, "--repair")
    assert (code, told["result"]["left"], len(told["result"]["found"])) == (0, [], 1)
    assert fsck(store, capsys)[0] == 0


def test_for_people_it_says_what_helps(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    damage(store)
    with pytest.raises(SystemExit, match="1"):
        main(["fsck", "--data", str(store)])
    assert "--repair" in capsys.readouterr().out


def test_a_store_in_use_is_left_alone(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    held = hold(store)
    try:
        code, told = fsck(store, capsys)
    finally:
        os.close(held)
    assert (code, told["ok"]) == (5, False)


def test_where_no_store_is_none_is_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert fsck(tmp_path / "never", capsys)[0] == 3
    assert not (tmp_path / "never").exists()
