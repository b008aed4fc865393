"""An OpenViking configuration given to ``recalld serve``."""

from __future__ import annotations

import json
from pathlib import Path

from tests.scenarios.test_serve_start import refused, sentences


def test_a_misspelt_key_stops_the_start_and_is_named(tmp_path: Path) -> None:
    file = tmp_path / "ov.conf"
    file.write_text(json.dumps({"server": {"prot": 0}, "vlm": {"api_key": "hush"}}), encoding="utf-8")
    done = refused("--config", str(file))
    assert done.returncode != 0
    assert "server.prot: unknown key" in sentences(done)[0]
    assert "hush" not in done.stderr + done.stdout


def test_settings_without_effect_are_named_before_other_errors(tmp_path: Path) -> None:
    file = tmp_path / "ov.conf"
    settings = {
        "server": {"host": "192.0.2.1", "auth_mode": "dev", "workers": 4},
        "storage": {"workspace": str(tmp_path)},
    }
    file.write_text(json.dumps(settings), encoding="utf-8")
    lines = sentences(refused("--config", str(file)))
    assert lines[0] == "ov.conf: server.workers has no effect here"
    assert "auth_mode dev" in lines[1]
