"""Child processes: their greeting, what they do not inherit, and their import path."""

from __future__ import annotations

from pathlib import Path

import pytest

from recalld.domain.errors import Invalid
from recalld.infra.child_process import GREETING_BYTES_MAX, Child, child_environment, spawn

TELLS = """
import os, sys
from recalld.infra.child_process import inherited_socket
sock, greeting = inherited_socket()
names = sorted(name for name in os.environ if "KEY" in name)
sock.sendall(repr((greeting, os.getcwd(), "" in sys.path or os.getcwd() in sys.path, names)).encode())
"""


async def greeting_of(child: Child) -> str:
    child.sock.setblocking(True)
    child.sock.settimeout(20)
    try:
        return child.sock.recv(65_536).decode()
    finally:
        assert await child.end(20) == 0


@pytest.mark.loop_may_block  # the test itself reads its socket
async def test_a_child_is_greeted_and_inherits_no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECALLD_SERVER__ROOT_API_KEY", "root")
    monkeypatch.setenv("OPENVIKING_API_KEY", "users")
    monkeypatch.setenv("MY_KEY", "prefix-sk-123")
    monkeypatch.setenv("OTHER_KEY", "kept")
    child = await spawn(["-c", TELLS], b"x" * 60_000, {"sk-123"})
    greeting, folder, looks_there, names = eval(await greeting_of(child))
    assert greeting == b"x" * 60_000
    assert (folder, looks_there) == ("/", False)
    assert "OTHER_KEY" in names
    assert not {"RECALLD_SERVER__ROOT_API_KEY", "OPENVIKING_API_KEY", "MY_KEY"} & set(names)


@pytest.mark.loop_may_block  # as above
async def test_a_child_runs_nothing_from_where_we_were_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("secrets", "json", "struct"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit(9)")
    monkeypatch.chdir(tmp_path)
    child = await spawn(["-c", "import secrets, json, struct\n" + TELLS])
    assert (await greeting_of(child)).startswith("(b''")


async def test_a_greeting_has_a_limit() -> None:
    with pytest.raises(Invalid):
        await spawn(["-c", ""], b"x" * (GREETING_BYTES_MAX + 1))


def test_the_environment_a_child_needs_stays() -> None:
    environment = {"PATH": "/bin", "LANG": "C.UTF-8", "HTTPS_PROXY": "http://proxy", "recalld_model__api_key": "k"}
    assert child_environment(environment, ()) == {"PATH": "/bin", "LANG": "C.UTF-8", "HTTPS_PROXY": "http://proxy"}
