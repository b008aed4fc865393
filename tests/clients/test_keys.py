"""Other projects' clients with keys: the root key administers; a user's key reaches only that user's data."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.clients.conftest import DEFAULTS
from tests.clients.running import client, drive, run
from tests.live import Server, serving

pytestmark = pytest.mark.clients
ROOT_KEY = "the-root-key-of-these-tests"
NOTE = "viking://~/memories/preferences/note.md"


@pytest.fixture(scope="module")
def resilient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    settings = {"RECALLD_SERVER__AUTH_MODE": "api_key", "RECALLD_SERVER__ROOT_API_KEY": ROOT_KEY}
    with serving(tmp_path_factory.mktemp("keys") / "data", **DEFAULTS, **settings) as running:
        yield running


class Ov:
    """The binary with a user's key, or none."""

    def __init__(self, port: int, home: Path, key: str = "", root: str = "") -> None:
        home.mkdir(parents=True, exist_ok=True)
        settings = {"url": f"http://127.0.0.1:{port}", "timeout": 60}
        settings |= {"api_key": key} if key else {}
        settings |= {"root_api_key": root} if root else {}
        self._settings, self._home = home / "ovcli.conf", home
        self._settings.write_text(json.dumps(settings))
        self._binary = str(client("ov") / "openviking" / "bin" / "ov")
        self.run("language", "en")

    def run(self, *words: str) -> tuple[int, dict[str, Any]]:
        command = [self._binary, *words] if words[0] == "language" else [self._binary, "-o", "json", *words]
        ran = run(command, self._home, OPENVIKING_CLI_CONFIG_FILE=str(self._settings))
        lines = [line for line in (ran.out + ran.err).splitlines() if line.startswith("{")]
        return ran.exit, json.loads(lines[-1]) if lines else {}

    def __call__(self, *words: str) -> Any:
        code, payload = self.run(*words)
        assert code == 0, f"ov {' '.join(words)}: {payload}"
        return payload.get("result")

    def refused(self, *words: str) -> str:
        code, payload = self.run(*words)
        assert code == 1, f"ov {' '.join(words)} ended with {code}: {payload}"
        return str(payload["error"]["code"])


@pytest.fixture(scope="module")
def keys(resilient: Server, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An account with an administrator and a user, made with ``ov --sudo``: a key each."""
    ov = Ov(resilient.port, tmp_path_factory.mktemp("root") / "home", key=ROOT_KEY, root=ROOT_KEY)
    account = ov("--sudo", "admin", "create-account", "acme", "--admin", "ana")
    bob = ov("--sudo", "admin", "register-user", "acme", "bob")
    other = ov("--sudo", "admin", "create-account", "globex", "--admin", "eve")
    assert [one["account_id"] for one in ov("--sudo", "admin", "list-accounts")].count("acme") == 1
    assert {one["user_id"] for one in ov("--sudo", "admin", "list-users", "acme")} == {"ana", "bob"}
    return {"ana": account["user_key"], "bob": bob["user_key"], "eve": other["user_key"]}


@pytest.fixture
def ovs(resilient: Server, keys: dict[str, str], tmp_path: Path) -> dict[str, Ov]:
    return {name: Ov(resilient.port, tmp_path / name, key=key) for name, key in keys.items()}


def test_a_key_identifies_the_caller(ovs: dict[str, Ov]) -> None:
    for name, ov in ovs.items():
        assert ov("system", "status")["user"] == name
        assert ov("health")["user_id"] == name
        assert ov.run("config", "validate")[0] == 0


def test_a_missing_or_wrong_key_gets_no_data(resilient: Server, tmp_path: Path) -> None:
    for number, key in enumerate(("", "not-a-key")):
        ov = Ov(resilient.port, tmp_path / str(number), key=key)
        assert ov("health")["healthy"] is True
        assert ov.refused("ls", "viking://resources") == "UNAUTHENTICATED"


def test_the_root_key_administers_and_reads_nothing(resilient: Server, tmp_path: Path) -> None:
    ov = Ov(resilient.port, tmp_path / "root", key=ROOT_KEY, root=ROOT_KEY)
    assert ov.refused("ls", "viking://resources") == "PERMISSION_DENIED"
    assert ov("observer", "system")["is_healthy"] is True


def test_users_share_resources_and_nothing_else(ovs: dict[str, Ov]) -> None:
    shared = "viking://resources/shared/plan.md"
    ovs["ana"]("write", shared, "--content", "The plan is oolong.", "--mode", "create", "--wait")
    ovs["ana"]("write", NOTE, "--content", "Ana hides the key under the fern.", "--mode", "create", "--wait")
    assert ovs["bob"]("read", shared) == "The plan is oolong."
    assert ovs["bob"].refused("read", NOTE) == "NOT_FOUND"
    assert ovs["bob"].refused("read", NOTE.replace("~", "user/ana")) == "PERMISSION_DENIED"
    assert "fern" not in json.dumps(ovs["bob"]("find", "where is the key hidden"))
    assert ovs["eve"].refused("read", shared) == "NOT_FOUND"
    assert "oolong" not in json.dumps(ovs["eve"]("find", "what is the plan"))


def test_an_administrator_renews_a_key_and_the_old_one_is_dead(
    resilient: Server, ovs: dict[str, Ov], tmp_path: Path
) -> None:
    new_key = ovs["ana"]("admin", "register-user", "acme", "carl")["user_key"]
    renewed = ovs["ana"]("admin", "regenerate-key", "acme", "carl")["user_key"]
    assert Ov(resilient.port, tmp_path / "old", key=new_key).refused("ls", "viking://resources") == "UNAUTHENTICATED"
    assert Ov(resilient.port, tmp_path / "new", key=renewed)("system", "status")["user"] == "carl"
    assert ovs["ana"]("admin", "remove-user", "acme", "carl")["status"] == "deleting"
    assert ovs["bob"].refused("admin", "list-users", "acme") == "PERMISSION_DENIED"
    assert ovs["eve"].refused("admin", "list-users", "acme") == "PERMISSION_DENIED"


def test_the_sdk_lives_its_whole_story_with_a_key(resilient: Server, keys: dict[str, str], tmp_path: Path) -> None:
    results = drive(
        "sdk", "sdk_keys.py", tmp_path / "home", f"http://127.0.0.1:{resilient.port}", keys["bob"], ROOT_KEY
    )
    assert results["own"] == ["viking://user/bob/memories/events/pin.md", "The pin is 4711."]
    assert results.raised("without")["type"] == "UnauthenticatedError"
    assert results.raised("another")["type"] == "PermissionDeniedError"
    assert results.raised("root_reads")["type"] == "PermissionDeniedError"
    assert {"acme", "globex"} <= {one["account_id"] for one in results["root_lists"]}
    where, text = results["pack"]
    assert where.startswith("viking://resources/copied")
    assert text == "# Page\n"


def test_mcp_clients_bring_their_key(resilient: Server, keys: dict[str, str], tmp_path: Path) -> None:
    results = drive("mcp1", "mcp_key.py", tmp_path / "home", f"http://127.0.0.1:{resilient.port}/mcp", keys["bob"])
    assert results["with_key"] > 10
    assert "401" in results.raised("without")["says"]
