"""Settings of an agent, and the check that proves them against a running server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.live import serving


def agent(home: Path, url: str, *words: str) -> Any:
    command = [sys.executable, "-m", "recalld", "agent", *words, "--url", url, "--user", "ana", "--json"]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, env={**os.environ, "HOME": str(home)}
    )
    return {"exit": done.returncode, **json.loads(done.stdout)}


def test_installed_checked_and_nothing_left_behind(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    with serving(tmp_path / "data") as server:
        url = f"http://127.0.0.1:{server.port}"
        assert agent(home, url, "install", "codex", "--write")["exit"] == 0
        checked = agent(home, url, "check", "codex")
        assert checked["exit"] == 0, checked
        steps = checked["result"]["steps"]
        assert [s["step"] for s in steps] == ["health", "initialize", "tools/list", "capture", "find", "delete"]
        assert all(s["ok"] for s in steps)
        assert all(part["installed"] for part in checked["result"]["settings"])
        assert server.line("ana").ask("GET", "/sessions").result == []
