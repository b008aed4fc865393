"""Every Python block and every console line of the documentation works as written."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from recalld.surfaces.cli.main import main
from scripts.demo_server import Server, served

ROOT = Path(__file__).parents[2]
PAGES = ("README.md", "docs/getting-started.md", "docs/embedded.md", "docs/python.md", "docs/cli.md")
# Said to a shell, or running until stopped; the fixture stands for the server.
NOT_RUN = ("pip install", "export ", "recalld serve", "recalld doctor")


def blocks(page: str, language: str) -> list[str]:
    return re.findall(
        rf"^```{language}\n(.*?)^```", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )


def python_blocks() -> Iterator[object]:
    for page in PAGES:
        for number, block in enumerate(blocks(page, "python"), 1):
            yield pytest.param(block, id=f"{page}-{number}")


def console_lines(page: str) -> list[str]:
    lines = [line[2:] for block in blocks(page, "console") for line in block.splitlines() if line.startswith("$ ")]
    return [line for line in lines if not line.startswith(NOT_RUN)]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with served(tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place with a ``docs`` folder, as the pages assume, far from this project's own settings."""
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("RECALLD_")]:
        monkeypatch.delenv(name)
    return tmp_path


@pytest.mark.parametrize("block", list(python_blocks()))
def test_a_python_block_runs(block: str, folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", block],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


@pytest.mark.parametrize("page", [page for page in PAGES if console_lines(page)])
def test_console_lines_run_in_their_order(
    page: str, folder: Path, server: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RECALLD_URL", server.url)
    monkeypatch.setenv("RECALLD_ACCOUNT", Path(page).stem)  # to each page a world of its own
    for line in console_lines(page):
        assert line.startswith("recalld ")
        code = _run(shlex.split(line)[1:])
        printed = capsys.readouterr()
        assert code == 0, f"{line}\n{printed.out}\n{printed.err}"
        assert printed.out.strip(), f"{line} printed nothing\n{printed.err}"


def _run(words: list[str]) -> int:
    try:
        return main(words)
    except SystemExit as ended:
        return int(ended.code or 0)
