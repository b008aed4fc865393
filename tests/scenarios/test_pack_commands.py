"""Packs, downloads and the migration from OpenViking on the command line, between two running servers."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from recalld.surfaces.cli.main import main
from recalld.surfaces.client import Client
from tests.live import serving

DOCS = "viking://resources/docs"
SESSION = "viking://user/default/sessions/trip"
Run = Callable[..., Any]


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """A furnished server, and an empty one."""
    folder = tmp_path_factory.mktemp("servers")
    with serving(folder / "a") as full, serving(folder / "b") as empty:
        urls = f"http://127.0.0.1:{full.port}", f"http://127.0.0.1:{empty.port}"
        with Client(urls[0]) as client:
            client.write(f"{DOCS}/tea.md", "Ana drinks oolong at dawn.\n")
            client.write("viking://user/default/memories/preferences/ana/tea.md", "Ana likes oolong.\n")
            client.sessions.append("trip", [{"role": "user", "content": "I moved to Lisbon"}])
            client.sessions.commit("trip")
            client.wait()
            client.sessions.append("trip", [{"role": "assistant", "content": "How is it there?"}])
            client.wait()
        yield urls


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command; its result, or its error's code."""
    for name in ("RECALLD_USER", "RECALLD_ACCOUNT", "RECALLD_API_KEY"):
        monkeypatch.delenv(name, raising=False)

    def run(*words: str) -> Any:
        code = main([*words, "--json"])
        answer = json.loads(capsys.readouterr().out)
        assert (code == 0) is answer["ok"]
        return answer["result"] if answer["ok"] else answer["error"]["code"]

    return run


def test_a_directory_goes_from_one_server_to_another(servers: tuple[str, str], run: Run, tmp_path: Path) -> None:
    full, empty = servers
    file = tmp_path / "docs.ovpack"
    exported = run("export", DOCS, str(tmp_path), "--url", full)
    assert (exported["file"], exported["bytes"]) == (str(file), file.stat().st_size)
    assert run("export", DOCS, str(file), "--url", full) == "CONFLICT"
    assert run("export", DOCS, str(file), "--force", "--url", full)["bytes"] > 0
    done = run("import", str(file), "viking://resources/from-afar", "--url", empty)
    assert (done["uri"], done["files"]) == ("viking://resources/from-afar/docs", 1)
    assert run("import", str(file), "viking://resources/from-afar", "--url", empty) == "ALREADY_EXISTS"
    assert run("import", str(tmp_path / "none"), "viking://resources", "--url", empty) == "INVALID_ARGUMENT"
    assert [p.name for p in tmp_path.iterdir()] == ["docs.ovpack"]


def test_a_file_is_fetched_whole_or_not_at_all(servers: tuple[str, str], run: Run, tmp_path: Path) -> None:
    got = run("get", f"{DOCS}/tea.md", str(tmp_path), "--url", servers[0])
    assert Path(got["file"]).read_text(encoding="utf-8") == "Ana drinks oolong at dawn.\n"
    assert run("get", f"{DOCS}/none.md", str(tmp_path / "none.md"), "--url", servers[0]) == "NOT_FOUND"
    assert [p.name for p in tmp_path.iterdir()] == ["tea.md"]


def test_a_backup_is_restored_as_another_account(servers: tuple[str, str], run: Run, tmp_path: Path) -> None:
    full, empty = servers
    file = tmp_path / "all.ovpack"
    run("backup", str(file), "--url", full)
    done = run("restore", str(file), "--url", empty, "--account", "acme")
    assert (done["sessions"], done["messages"]) == (1, 2)
    with Client(empty, account="acme") as client:
        assert client.sessions.get("trip")["commit_count"] == 1
        assert client.read(f"{DOCS}/tea.md") == "Ana drinks oolong at dawn.\n"


def brought(url: str, account: str, quiet: int = 0) -> None:
    with Client(url, account=account) as client:
        assert client.read(f"{DOCS}/tea.md") == "Ana drinks oolong at dawn.\n"
        assert "oolong" in client.read("viking://user/default/memories/preferences/ana/tea.md")
        session = client.sessions.get("trip")
        assert (session["message_count"], session["total_message_count"], session["commit_count"]) == (
            1 + quiet,
            2 + quiet,
            1,
        )
        assert client.find("who moved to Lisbon", limit=3).result["total"] > 0


def test_a_workspace_comes_over_from_a_server(servers: tuple[str, str], run: Run) -> None:
    full, empty = servers
    done = run("import-openviking", full, "--url", empty, "--account", "from-server")
    assert (done["sessions"], done["messages"]) == (1, 2)
    brought(empty, "from-server")


def test_a_workspace_comes_over_from_a_pack(servers: tuple[str, str], run: Run, tmp_path: Path) -> None:
    full, empty = servers
    run("backup", str(tmp_path / "all.ovpack"), "--url", full)
    run("import-openviking", str(tmp_path / "all.ovpack"), "--url", empty, "--account", "from-backup")
    brought(empty, "from-backup")
    run("export", DOCS, str(tmp_path / "docs.ovpack"), "--url", full)
    done = run("import-openviking", str(tmp_path / "docs.ovpack"), "--url", empty, "--account", "from-pack")
    assert done["uri"] == DOCS


def unpacked(pack: Path, folder: Path) -> None:
    """A workspace's data folder with what a backup holds."""
    with zipfile.ZipFile(pack) as archive:
        for name in archive.namelist():
            if "/files/" in name:
                path = folder / name.partition("/files/")[2]
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(archive.read(name))


def test_a_workspace_comes_over_from_its_folder(servers: tuple[str, str], run: Run, tmp_path: Path) -> None:
    full, empty = servers
    run("backup", str(tmp_path / "all.ovpack"), "--url", full)
    home = tmp_path / "data" / "local" / "acme"
    unpacked(tmp_path / "all.ovpack", home)
    (home / "_system").mkdir()
    (home / "resources" / "docs" / ".relations.json").write_text("[]")
    (home / "resources" / "link").symlink_to("/etc")
    (home / "resources" / "docs" / "odd\\name.md").write_text("odd")
    (home / "agent" / "nobody" / "memories").mkdir(parents=True)
    (home / "agent" / "nobody" / "memories" / "old.md").write_text("old")
    with (home / "user/default/sessions/trip/messages.jsonl").open("a") as transcript:
        transcript.write('{"id":"msg_quiet","role":"user","parts":[]}\n{"id":"msg_torn","role":"us')
    done = run("import-openviking", str(tmp_path / "data"), "--url", empty, "--account", "from-folder")
    brought(empty, "from-folder", quiet=1)
    not_read = " ".join(done["not_read"])
    assert all(name in not_read for name in ("_system", "resources/link", "odd", "1 of its 3 lines"))
    assert any(".relations.json" in one for one in done["left_out"])
    assert any("agent/nobody/memories/old.md" in one for one in done["left_out"])
    assert (
        run("import-openviking", str(tmp_path / "data"), "--url", empty, "--account", "from-folder") == "ALREADY_EXISTS"
    )
    again = run(
        "import-openviking",
        str(tmp_path / "data"),
        "--on-conflict",
        "overwrite",
        "--url",
        empty,
        "--account",
        "from-folder",
    )
    assert again["messages"] == 0


def test_a_folder_without_a_workspace_is_refused(servers: tuple[str, str], run: Run, tmp_path: Path) -> None:
    assert run("import-openviking", str(tmp_path), "--url", servers[1]) == "INVALID_ARGUMENT"
    for account in ("one", "two"):
        (tmp_path / "local" / account / "resources").mkdir(parents=True)
    assert run("import-openviking", str(tmp_path), "--url", servers[1]) == "INVALID_ARGUMENT"
    assert run("import-openviking", str(tmp_path), "--only", "else", "--url", servers[1]) == "INVALID_ARGUMENT"
