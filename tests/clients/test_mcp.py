"""The official MCP clients, 1.x and 2.x, and the inspector's command line against a running server."""

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
TEA = "viking://resources/notes/tea.md"
NAMES = "find search read list tree remember write edit add_resource list_watches cancel_watch grep glob forget health"


@pytest.fixture(scope="module", params=["mcp1", "mcp2"])
def session(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """What a client of each line saw, each on a server of its own."""
    folder = tmp_path_factory.mktemp(request.param)
    with serving(folder / "data", **DEFAULTS) as running:
        url = f"http://127.0.0.1:{running.port}/mcp"
        script = "mcp_1.py" if request.param == "mcp1" else "mcp_2.py"
        yield drive(request.param, script, folder / "home", url, "ana")["session"]


def test_it_is_offered_the_tools(session: dict[str, Any]) -> None:
    names = {name for name, _ in session["tools"]}
    assert set(NAMES.split()) <= names
    assert session["server"]


def test_their_schemas_are_flat(session: dict[str, Any]) -> None:
    for name, schema in session["tools"]:
        assert schema["type"] == "object", name
        assert not any(word in json.dumps(schema) for word in ("$ref", "anyOf", "oneOf")), name


@pytest.mark.parametrize(
    "tool",
    [
        *("health", "write", "edit", "find", "find_level", "search", "context", "read_one", "list", "tree", "grep"),
        *("glob", "remember", "add_resource", "list_watches", "forget", "find_nothing"),
    ],
)
def test_a_tool_answers_text(session: dict[str, Any], tool: str) -> None:
    failed, text = session["calls"][tool]
    assert not failed, text
    assert text


def test_hits_are_listed_one_per_line(session: dict[str, Any]) -> None:
    text = session["calls"]["find"][1]
    assert text.startswith("Found ")
    assert f"%] {TEA}" in text
    assert session["calls"]["find_nothing"][1].startswith("No matching context found.")


def test_texts_are_read_one_or_many(session: dict[str, Any]) -> None:
    assert "Ana drinks oolong at dawn." in session["calls"]["read_one"][1]
    many = session["calls"]["read_many"][1]
    assert f"=== {TEA} ===" in many
    assert "The crane is green." in many


def test_lists_and_patterns_name_addresses(session: dict[str, Any]) -> None:
    assert "[file]" in session["calls"]["list"][1]
    assert "notes" in session["calls"]["tree"][1]
    assert TEA in session["calls"]["grep"][1]
    assert TEA in session["calls"]["glob"][1]


def test_a_local_path_gets_instructions_for_an_upload(session: dict[str, Any]) -> None:
    assert "temp_upload?token=" in session["calls"]["add_resource"][1]


@pytest.mark.parametrize("tool", ["gone", "missing", "bad_uri"])
def test_a_refusal_is_marked(session: dict[str, Any], tool: str) -> None:
    failed, text = session["calls"][tool]
    assert failed or "not found" in text.lower() or "invalid" in text.lower()


class Inspector:
    def __init__(self, url: str, home: Path) -> None:
        bins = client("inspector") / "node_modules" / ".bin"
        self._command = [str(bins / "node"), str(bins / "mcp-inspector"), "--cli", url, "--transport", "http"]
        self._home = home

    def __call__(self, method: str, *more: str) -> tuple[int, str, str]:
        ran = run([*self._command, "--header", "X-OpenViking-User: ana", "--method", method, *more], self._home)
        return ran.exit, ran.out, ran.err


@pytest.fixture
def inspector(server: Server, tmp_path: Path) -> Inspector:
    return Inspector(f"http://127.0.0.1:{server.port}/mcp", tmp_path / "home")


def test_the_inspector_lists_portable_tools(inspector: Inspector) -> None:
    code, out, err = inspector("tools/list", "--strict")
    assert code == 0, err
    names = {tool["name"] for tool in json.loads(out)["tools"]}
    assert set(NAMES.split()) <= names


def test_the_inspector_calls_tools(inspector: Inspector) -> None:
    wrote = inspector("tools/call", "--tool-name", "write", "--tool-arg", f"uri={TEA}", "content=Ana drinks oolong.")
    assert wrote[0] == 0, wrote
    code, out, err = inspector("tools/call", "--tool-name", "find", "--tool-arg", "query=oolong", "min_score=0")
    assert code == 0, err
    assert TEA in json.loads(out)["content"][0]["text"]
