"""``recalld fsck`` over real data folders: consistent, damaged, repaired, in use."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import pytest

from recalld.adapters.sqlite.database.connection import lock_data_dir
from recalld.app.engine import Engine
from recalld.surfaces.cli.main import main


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A closed data folder with something in it."""
    monkeypatch.setenv("RECALLD_EMBEDDER__PROVIDER", "none")

    async def fill() -> None:
        async with Engine.open(tmp_path / "store", worker="none", embedder={"provider": "none"}) as engine:
            await engine.write("viking://resources/a.md", "the heron stood still")
            await engine.sessions.append("s", [{"role": "user", "content": "hello"}])

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


def test_a_fault_is_reported_and_repaired_only_with_repair(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    damage(store)
    for _ in range(2):
        code, report = fsck(store, capsys)
        assert (code, report["result"]["left"]) == (1, ["1 sessions miscount their messages"])
    code, report = fsck(store, capsys, "--repair")
    assert (code, report["result"]["left"], len(report["result"]["found"])) == (0, [], 1)
    assert fsck(store, capsys)[0] == 0


def test_text_output_names_the_remedy(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    damage(store)
    with pytest.raises(SystemExit, match="1"):
        main(["fsck", "--data", str(store)])
    assert "--repair" in capsys.readouterr().out


def test_a_store_in_use_is_left_alone(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    held = lock_data_dir(store)
    try:
        code, report = fsck(store, capsys)
    finally:
        os.close(held)
    assert (code, report["ok"]) == (5, False)


def test_a_missing_store_is_not_created(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert fsck(tmp_path / "never", capsys)[0] == 3
    assert not (tmp_path / "never").exists()


# ------------------------------------------------------------------ folders that cannot be opened
def test_a_missing_database_is_refused_without_new_store(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    blob = store / "blobs" / "ab" / "cd" / ("abcd" + "0" * 60)
    blob.parent.mkdir(parents=True)
    blob.write_bytes(b"content")
    (store / "recalld.db").unlink()
    code, report = fsck(store, capsys)
    assert (code, report["ok"]) == (8, False)
    assert "--new-store" in report["error"]["remedy"]
    assert fsck(store, capsys, "--new-store") == (0, {"ok": True, "result": {"set_aside": 1}})
    assert fsck(store, capsys)[0] == 0
    assert (store / "lost+found" / blob.name).read_bytes() == b"content"


def test_a_store_that_is_there_is_never_begun_again(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert fsck(store, capsys, "--new-store")[0] == 5
    assert fsck(store, capsys)[0] == 0


def damaged_header(path: Path) -> None:
    path.write_bytes(b"\xff" * 100 + path.read_bytes()[100:])


def cut_in_half(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2 // 4096 * 4096)


@pytest.mark.parametrize("damage", [damaged_header, cut_in_half])
@pytest.mark.parametrize("command", ["fsck", "doctor"])
def test_a_damaged_file_is_reported_without_a_traceback(
    store: Path, capsys: pytest.CaptureFixture[str], damage: Callable[[Path], None], command: str
) -> None:
    damage(store / "recalld.db")
    with pytest.raises(SystemExit) as ended:
        main([command, "--data", str(store)])
    output = capsys.readouterr()
    assert ended.value.code == (8 if command == "fsck" else 1)
    assert str(store / "recalld.db") in output.out + output.err
    assert "Traceback" not in output.out + output.err


def test_a_file_in_place_of_a_folder_is_reported_without_a_traceback(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("x")
    code, report = fsck(tmp_path / "file", capsys)
    assert (code, "is a file" in report["error"]["message"]) == (2, True)
