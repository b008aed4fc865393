"""Settings for agents: printed, or merged into their files, where everything else stays."""

from __future__ import annotations

import json
import stat
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recalld.domain.errors import Conflict
from recalld.surfaces.cli.agent_settings import AGENTS, HIDDEN, Part, Server, merged, put
from recalld.surfaces.cli.main import main
from tests.surfaces.recording_server import Canned, Wire, serving

URL = "https://recall.example.org"
CODEX = Part("mcp", None, "toml", ("mcp_servers", "recalld"), {"url": "u", "http_headers": {"X-API-Key": "k"}})
CURSOR = Part("mcp", None, "json", ("mcpServers", "recalld"), {"url": "u"})


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("RECALLD_USER", "RECALLD_ACCOUNT", "CODEX_HOME", "XDG_CONFIG_HOME", "OPENVIKING_CLI_CONFIG_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RECALLD_URL", URL)
    monkeypatch.setenv("RECALLD_API_KEY", "secret-key")
    return tmp_path


class Ran:
    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    def run(*words: str) -> Ran:
        try:
            code = main(["agent", *words])
        except SystemExit as ended:
            code = int(ended.code or 0)
        printed = capsys.readouterr()
        return Ran(code, printed.out, printed.err)

    return run


def written(home: Path) -> dict[str, str]:
    return {str(p.relative_to(home)): p.read_text() for p in home.rglob("*") if p.is_file()}


@pytest.mark.parametrize("name", AGENTS)
def test_printing_writes_nothing_and_hides_the_key(home: Path, run: Callable[..., Ran], name: str) -> None:
    shown = run("install", name)
    assert shown.code == 0
    assert URL in shown.out
    assert "secret-key" not in shown.out
    assert "secret-key" in run("install", name, "--show-key").out
    assert written(home) == {}


PLACES = {
    "claude-code": (".claude.json", ("mcpServers", "recalld")),
    "codex": (".codex/config.toml", ("mcp_servers", "recalld")),
    "cursor": (".cursor/mcp.json", ("mcpServers", "recalld")),
    "openclaw": (".openclaw/openclaw.json", ("mcp", "servers", "recalld")),
    "opencode": (".config/opencode/opencode.json", ("mcp", "recalld")),
    "vscode": (".config/Code/User/mcp.json", ("servers", "recalld")),
}


@pytest.mark.parametrize("name", PLACES)
def test_an_agents_own_file_names_the_tools_and_the_key(home: Path, run: Callable[..., Ran], name: str) -> None:
    file, at = PLACES[name]
    assert run("install", name, "--write", "--user", "ana").code == 0
    text = (home / file).read_text()
    tree: Any = tomllib.loads(text) if file.endswith("toml") else json.loads(text)
    for key in at:
        tree = tree[key]
    assert tree["url"] == f"{URL}/mcp"
    assert tree["http_headers" if name == "codex" else "headers"] == {
        "X-API-Key": "secret-key",
        "X-OpenViking-User": "ana",
    }


@pytest.mark.parametrize("name", [name for name, one in AGENTS.items() if one.plugin])
def test_published_plugins_find_the_server_too(home: Path, run: Callable[..., Ran], name: str) -> None:
    run("install", name, "--write", "--user", "ana", "--only", "plugin")
    assert json.loads((home / ".openviking/ovcli.conf").read_text()) == {
        "url": URL,
        "api_key": "secret-key",
        "user": "ana",
    }
    assert list(written(home)) == [".openviking/ovcli.conf"]


@pytest.mark.parametrize("name", [name for name in AGENTS if name != "generic"])
def test_a_second_time_changes_nothing(home: Path, run: Callable[..., Ran], name: str) -> None:
    run("install", name, "--write")
    before = written(home)
    again = run("install", name, "--write", "--json").json["result"]
    assert [file["changed"] for file in again] == [False] * len(again)
    assert written(home) == before


def test_other_settings_stay_and_the_old_file_is_backed_up(home: Path, run: Callable[..., Ran]) -> None:
    conf = home / ".openviking/ovcli.conf"
    conf.parent.mkdir()
    conf.write_text('{"url":"http://old","plugin":{"recall":true},"timeout":5}')
    conf.chmod(0o640)
    (result,) = run("install", "pi", "--write", "--json").json["result"]
    assert json.loads(conf.read_text()) == {
        "url": URL,
        "plugin": {"recall": True},
        "timeout": 5,
        "api_key": "secret-key",
    }
    assert json.loads(Path(result["backup"]).read_text())["url"] == "http://old"
    assert stat.S_IMODE(conf.stat().st_mode) == 0o640


def test_a_new_file_with_a_key_is_its_owners_alone(home: Path, run: Callable[..., Ran]) -> None:
    run("install", "cursor", "--write")
    assert stat.S_IMODE((home / ".cursor/mcp.json").stat().st_mode) == 0o600


def test_a_link_stays_a_link(home: Path, run: Callable[..., Ran]) -> None:
    real = home / "dotfiles.json"
    real.write_text("{}")
    (home / ".cursor").mkdir()
    (home / ".cursor/mcp.json").symlink_to(real)
    run("install", "cursor", "--write")
    assert (home / ".cursor/mcp.json").is_symlink()
    assert "recalld" in real.read_text()


@pytest.mark.parametrize("text", ["// mine\n{}", "{", "[]", '{"mcpServers": 3}', '{"mcpServers": []}'])
def test_a_file_that_could_lose_something_is_left_alone(home: Path, run: Callable[..., Ran], text: str) -> None:
    (home / ".cursor").mkdir()
    (home / ".cursor/mcp.json").write_text(text)
    refused = run("install", "cursor", "--write")
    assert refused.code == 5
    assert "by hand" in refused.err
    assert written(home) == {".cursor/mcp.json": text}


@pytest.mark.parametrize(("words", "code"), [(("emacs",), 2), (("pi", "--only", "mcp"), 2), (("pi", "--only", "x"), 2)])
def test_unknown_agents_are_refused(home: Path, run: Callable[..., Ran], words: tuple[str, ...], code: int) -> None:
    assert run("install", *words, "--write").code == code
    assert written(home) == {}


def test_an_agent_without_a_known_file_is_only_printed(home: Path, run: Callable[..., Ran]) -> None:
    assert run("install", "generic", "--only", "mcp", "--write").code == 2
    assert '"mcpServers"' in run("install", "generic").out


# ------------------------------------------------------------------------------------------------------------- merging
TREES = st.recursive(
    st.integers() | st.text(max_size=5) | st.booleans(),
    lambda inner: st.dictionaries(st.text("abc", min_size=1, max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text("abc", min_size=1, max_size=3), TREES, max_size=4))
def test_json_keeps_every_other_key(tree: dict[str, Any]) -> None:
    after = json.loads(merged(CURSOR, json.dumps(tree), Path()))
    assert after.pop("mcpServers") == {"recalld": {"url": "u"}}
    assert after == tree


TOML = """# my settings
model = "o9" # the good one

[mcp_servers.other]
command = "x"

[mcp_servers.recalld]
url = "http://old"
[mcp_servers.recalld.http_headers]
"X-API-Key" = "old"

[profiles.fast]
model = "mini"
"""


def test_a_toml_table_is_replaced_and_all_else_kept_to_the_letter() -> None:
    after = merged(CODEX, TOML, Path())
    assert tomllib.loads(after)["mcp_servers"] == {"other": {"command": "x"}, "recalld": CODEX.value}
    for row in ("# my settings", 'model = "o9" # the good one', "[profiles.fast]", 'command = "x"'):
        assert row in after
    assert "old" not in after
    assert merged(CODEX, after, Path()) == after


@pytest.mark.parametrize("text", ['mcp_servers = { recalld = { url = "x" } }', 'mcp_servers.recalld.url = "x"', "a = "])
def test_toml_that_cannot_be_changed_safely_is_left_alone(text: str) -> None:
    with pytest.raises(Conflict, match=r"config\.toml is left as it is"):
        merged(CODEX, text, Path("config.toml"))


def test_a_heading_inside_a_text_is_not_mistaken_for_one() -> None:
    text = 'note = """\n[mcp_servers.recalld]\n"""\n'
    with pytest.raises(Conflict):
        merged(CODEX, text, Path("config.toml"))


def test_backups_never_overwrite_each_other(tmp_path: Path) -> None:
    path = tmp_path / "mcp.json"
    path.write_text("{}")
    backups = {put(Part("mcp", path, "json", ("s", "recalld"), {"n": n}), path).backup for n in range(5)}
    assert len(backups) == 5
    assert all(backup is not None and backup.is_file() for backup in backups)


def test_headers_name_the_caller_only_where_there_is_one() -> None:
    assert Server(URL).headers == {}
    assert HIDDEN not in Server(URL, "k").headers.values()


# ------------------------------------------------------------------------------------------------------------- checking
@pytest.fixture
def wire(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Wire]:
    with serving() as wire:
        monkeypatch.setenv("RECALLD_URL", wire.url)
        yield wire


def answering(wire: Wire) -> None:
    wire.put("GET /health", Canned(200, {"status": "ok", "healthy": True, "version": "1"}))
    tools = [{"name": name} for name in ("find", "search", "read", "remember")]
    hello = {"serverInfo": {"name": "openviking"}, "protocolVersion": "2025-06-18"}
    wire.put(
        "POST /mcp",
        Canned(200, {"jsonrpc": "2.0", "id": 1, "result": hello}),
        Canned(200, {"jsonrpc": "2.0", "id": 1, "result": {"tools": tools}}),
    )


def test_a_server_that_is_away_ends_the_check_with_its_remedy(
    home: Path, run: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RECALLD_URL", "http://127.0.0.1:9")
    ended = run("check", "codex", "--json")
    assert ended.code == 6
    (step,) = ended.json["result"]["steps"]
    assert (step["step"], step["ok"], bool(step["remedy"])) == ("health", False, True)


def test_the_first_failure_decides_the_exit_and_the_rest_is_tried(wire: Wire, run: Callable[..., Ran]) -> None:
    answering(wire)
    ended = run("check", "codex", "--json")
    assert ended.code == 3
    assert [(s["step"], s["ok"]) for s in ended.json["result"]["steps"]] == [
        ("health", True),
        ("initialize", True),
        ("tools/list", True),
        ("capture", False),
    ]
    sent = [request for request in wire.requests if request.path == "/mcp"][0]
    assert sent.headers["X-API-Key"] == "secret-key"


def test_a_rejected_key_is_reported(wire: Wire, run: Callable[..., Ran]) -> None:
    wire.put("GET /health", Canned(200, {"status": "ok", "healthy": True, "version": "1"}))
    wire.put("POST /mcp", Canned(401, {"jsonrpc": "2.0", "id": None, "error": {"code": -32001, "message": "bad key"}}))
    shown = run("check", "codex")
    assert "failed  initialize  initialize: bad key" in shown.out
    assert "is the key right?" in shown.out
