"""The server that a command uses by default."""

from __future__ import annotations

from pathlib import Path

import pytest

from recalld.surfaces.cli.options import server_url

pytestmark = pytest.mark.loop_may_block  # no loop here


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("RECALLD_URL", "RECALLD_SERVER__HOST", "RECALLD_SERVER__PORT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_usual_address() -> None:
    assert server_url() == "http://127.0.0.1:1933"


def test_the_file_that_serve_would_read(nowhere: Path) -> None:
    (nowhere / "recalld.toml").write_text('[server]\nhost = "::1"\nport = 8080\n')
    assert server_url() == "http://[::1]:8080"


def test_the_environment_wins_over_the_file(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (nowhere / "recalld.toml").write_text("[server]\nport = 8080\n")
    monkeypatch.setenv("RECALLD_SERVER__PORT", "9090")
    assert server_url() == "http://127.0.0.1:9090"
    monkeypatch.setenv("RECALLD_URL", "http://there:1")
    assert server_url() == "http://there:1"
    assert server_url("http://here:2") == "http://here:2"


def test_a_broken_config_file_is_reported_by_its_loader(nowhere: Path) -> None:
    (nowhere / "recalld.toml").write_text("[server\n")
    assert server_url() == "http://127.0.0.1:1933"


@pytest.mark.parametrize(
    ("host", "connect_host"), [("0.0.0.0", "127.0.0.1"), ("::", "[::1]"), ("10.0.0.5", "10.0.0.5")]
)
def test_a_wildcard_host_is_reached_at_loopback(
    monkeypatch: pytest.MonkeyPatch, nowhere: Path, host: str, connect_host: str
) -> None:
    monkeypatch.setenv("RECALLD_SERVER__HOST", host)
    assert server_url() == f"http://{connect_host}:1933"
