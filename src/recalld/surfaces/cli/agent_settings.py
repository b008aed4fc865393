"""The settings of each agent: which file, where in it, under which names; an entry is put in and everything else stays."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from recalld.domain.errors import Conflict, Invalid, Upstream
from recalld.rules.encoding import settings_text

ENTRY = "recalld"
"""The name of our entry among an agent's servers."""
HIDDEN = "(your key: --show-key)"


@dataclass(frozen=True, slots=True)
class Server:
    """The server to use, the user, and the key ("" = none)."""

    url: str
    api_key: str = ""
    user: str = ""
    account: str = ""

    @property
    def mcp(self) -> str:
        """Where its tools are."""
        return f"{self.url.rstrip('/')}/mcp"

    @property
    def headers(self) -> dict[str, str]:
        """Who calls, as headers."""
        named = {"X-API-Key": self.api_key, "X-OpenViking-User": self.user, "X-OpenViking-Account": self.account}
        return {name: value for name, value in named.items() if value}


@dataclass(frozen=True, slots=True)
class Part:
    """An entry of one file: ``value`` at ``at`` (keys from the top). Other keys stay as they are.

    ``path`` None: the agent's file is unknown. ``whole``: the entry is replaced; else its keys are merged."""

    kind: Literal["mcp", "plugin"]
    path: Path | None
    form: Literal["json", "toml"]
    at: tuple[str, ...]
    value: dict[str, Any]
    whole: bool = True


@dataclass(frozen=True, slots=True)
class Agent:
    """An agent we know. ``plugin``: OpenViking publishes one for it, which reads ovcli.conf and the environment."""

    name: str
    title: str
    mcp: Callable[[Server], Part] | None
    plugin: bool = True
    then: str = "start it anew"

    def parts(self, server: Server) -> tuple[Part, ...]:
        """All it reads."""
        tools = (self.mcp(server),) if self.mcp is not None else ()
        return (*tools, _ovcli(server)) if self.plugin else tools


def agent(name: str) -> Agent:
    """Return an agent by name. Raises ``Invalid`` for an unknown one."""
    if name not in AGENTS:
        raise Invalid(f"there is no agent {name[:60]!r}", remedy=", ".join(AGENTS), details={"field": "name"})
    return AGENTS[name]


def environment(server: Server) -> dict[str, str]:
    """What published plugins read from the environment; it goes before ovcli.conf."""
    named = {
        "OPENVIKING_URL": server.url,
        "OPENVIKING_API_KEY": server.api_key,
        "OPENVIKING_ACCOUNT": server.account,
        "OPENVIKING_USER": server.user,
    }
    return {name: value for name, value in named.items() if value}


def _ovcli(server: Server) -> Part:
    named = {"url": server.url, "api_key": server.api_key, "account": server.account, "user": server.user}
    path = Path(os.environ.get("OPENVIKING_CLI_CONFIG_FILE") or Path.home() / ".openviking" / "ovcli.conf")
    return Part("plugin", path, "json", (), {k: v for k, v in named.items() if v}, whole=False)


def _entry(server: Server, headers: str = "headers", **more: Any) -> dict[str, Any]:
    return {**more, "url": server.mcp, **({headers: server.headers} if server.headers else {})}


def _json(path: Path | None, value: dict[str, Any], *at: str) -> Part:
    return Part("mcp", path, "json", (*at, ENTRY), value)


def _codex(server: Server) -> Part:
    folder = Path(os.environ.get("CODEX_HOME") or Path.home() / ".codex")
    return Part("mcp", folder / "config.toml", "toml", ("mcp_servers", ENTRY), _entry(server, "http_headers"))


def _vscode() -> Path:
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support"
    if sys.platform == "win32":
        return Path(os.environ.get("APPDATA") or Path.home() / "AppData" / "Roaming")
    return _xdg()


def _xdg() -> Path:
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")


AGENTS: Mapping[str, Agent] = {
    one.name: one
    for one in (
        Agent(
            "claude-code",
            "Claude Code",
            lambda s: _json(Path.home() / ".claude.json", _entry(s, type="http"), "mcpServers"),
        ),
        Agent("codex", "Codex", _codex),
        Agent("cursor", "Cursor", lambda s: _json(Path.home() / ".cursor" / "mcp.json", _entry(s), "mcpServers")),
        Agent(
            "openclaw",
            "OpenClaw",
            lambda s: _json(
                Path.home() / ".openclaw" / "openclaw.json", _entry(s, transport="streamable-http"), "mcp", "servers"
            ),
            then="run openclaw gateway restart",
        ),
        Agent(
            "opencode",
            "opencode",
            lambda s: _json(_xdg() / "opencode" / "opencode.json", _entry(s, type="remote", enabled=True), "mcp"),
        ),
        Agent("pi", "pi", None),
        Agent(
            "vscode",
            "VS Code",
            lambda s: _json(_vscode() / "Code" / "User" / "mcp.json", _entry(s, type="http"), "servers"),
            plugin=False,
            then="run MCP: List Servers in it",
        ),
        Agent(
            "generic",
            "any agent that speaks MCP or reads ovcli.conf",
            lambda s: _json(None, _entry(s, type="http"), "mcpServers"),
        ),
    )
}


_PRIVATE = 0o600
_BARE = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Put:
    """What was done to a file: whether it changed, and the backup of the former one (None: it is new)."""

    path: Path
    changed: bool
    backup: Path | None = None


def put(part: Part, path: Path) -> Put:
    """Write a part into its file. The former file is backed up beside it; a part that is there already changes nothing.

    Raises ``Conflict`` for a file that cannot be changed without losing something, ``Upstream`` for one that cannot be
    read or written."""
    try:
        # A link (dot files often are) stays one.
        real = path.resolve()
        before = _text_of(real) if real.is_file() else None
        after = merged(part, before or "", path)
        if before is not None and after == before:
            return Put(path, False)
        backup = _backup(real) if before is not None else None
        _replace(real, after)
    except (OSError, UnicodeDecodeError) as error:
        raise Upstream(f"cannot write {path}: {error}", remedy="check its rights and its folder's") from error
    return Put(path, True, backup)


def _text_of(path: Path) -> str:
    return settings_text(path.read_bytes()).replace("\r\n", "\n")


def holds(part: Part, path: Path) -> bool:
    """True if the file has the part already."""
    try:
        before = _text_of(path)
        return merged(part, before, path) == before
    except (OSError, UnicodeDecodeError, Conflict):
        return False


def merged(part: Part, text: str, path: Path) -> str:
    """The file's text with the part in it; the same text if it is there. Raises ``Conflict``."""
    return _merged_toml(part, text, path) if part.form == "toml" else _merged_json(part, text, path)


def shown(part: Part) -> str:
    """The part alone, as a file that held nothing else would read."""
    return merged(part, "", Path())


def _merged_json(part: Part, text: str, path: Path) -> str:
    try:
        tree = json.loads(text) if text.strip() else {}
    except ValueError as bad:
        raise _unclear(path, f"it is no plain JSON ({bad})") from bad
    if _with(tree, part, path):
        return json.dumps(tree, indent=2, ensure_ascii=False) + "\n"
    return text


def _with(tree: Any, part: Part, path: Path) -> bool:
    """Put the value into the tree; False if it stood there."""
    place = tree
    for key in part.at[:-1] if part.whole else part.at:
        if not isinstance(place, dict):
            break
        place = place.setdefault(key, {})
    if not isinstance(place, dict):
        raise _unclear(path, f"{'.'.join(part.at) or 'its top'} is not where an entry can be")
    wanted = {part.at[-1]: part.value} if part.whole else part.value
    if all(place.get(key) == value for key, value in wanted.items()):
        return False
    place.update(wanted)
    return True


def _merged_toml(part: Part, text: str, path: Path) -> str:
    before = _toml(text, path)
    if _at(before, part.at) == part.value:
        return text
    rest = _without_table(text, part.at)
    gap = "" if not rest.strip() else "\n" if rest.endswith("\n") else "\n\n"
    after = f"{rest}{gap}{_table(part)}"
    # What cannot be cut out by its headings alone (an inline table, dotted keys) shows here.
    if _at(_toml(after, path), part.at) != part.value or _but(_toml(after, path), part.at) != _but(before, part.at):
        raise _unclear(path, f"{'.'.join(part.at)} is written in a way that cannot be replaced safely")
    return after


def _toml(text: str, path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except ValueError as bad:
        raise _unclear(path, f"it is no TOML that can be changed ({bad})") from bad


def _without_table(text: str, at: Sequence[str]) -> str:
    """The text without the table ``at`` and those below it."""
    name = r"\s*\.\s*".join(f'"?{re.escape(key)}"?' for key in at)
    ours = re.compile(rf"\s*\[\s*{name}\s*(?:\.[^\]]*)?\]\s*(?:#.*)?$")
    rest: list[str] = []
    inside = False
    for row in text.splitlines(keepends=True):
        if row.lstrip().startswith("["):
            inside = bool(ours.match(row.rstrip("\r\n")))
        if not inside:
            rest.append(row)
    return "".join(rest)


def _table(part: Part) -> str:
    rows = [f"{_key(key)} = {_inline(value)}" for key, value in part.value.items()]
    return "\n".join([f"[{'.'.join(_key(key) for key in part.at)}]", *rows]) + "\n"


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else json.dumps(key)


def _inline(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(k)} = {_inline(v)}" for k, v in value.items()) + " }"
    return json.dumps(value)


def _at(tree: Any, at: Sequence[str]) -> Any:
    for key in at:
        tree = tree.get(key) if isinstance(tree, dict) else None
    return tree


def _but(tree: dict[str, Any], at: Sequence[str]) -> dict[str, Any]:
    """The tree without what stands at ``at``, and without the tables that held nothing else."""
    if len(at) == 1:
        return {key: value for key, value in tree.items() if key != at[0]}
    inner = tree.get(at[0])
    rest = _but(inner, at[1:]) if isinstance(inner, dict) else inner
    return {key: value for key, value in {**tree, at[0]: rest}.items() if key != at[0] or rest}


def _backup(path: Path) -> Path:
    stamp = time.strftime("%Y%m%d-%H%M%S")
    backup = path.with_name(f"{path.name}.{stamp}.bak")
    number = 1
    while backup.exists():
        backup = path.with_name(f"{path.name}.{stamp}.{number}.bak")
        number += 1
    shutil.copy2(path, backup)
    return backup


def _replace(path: Path, text: str) -> None:
    """Whole or not at all. It may hold a key: a new file is its owner's alone, an old one keeps its rights."""
    path.parent.mkdir(parents=True, exist_ok=True)
    mode = path.stat().st_mode & 0o777 if path.exists() else _PRIVATE
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, mode)
        os.replace(name, path)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise


def _unclear(path: Path, why: str) -> Conflict:
    return Conflict(
        f"{path} is left as it is: {why}",
        remedy="add the entry by hand: the same command without --write prints it",
        details={"path": str(path)},
    )
