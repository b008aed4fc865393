"""The settings of each agent: which file, where in it, and under which names."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from recalld.domain.errors import Invalid

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


def _claude(server: Server) -> Part:
    return Part("mcp", Path.home() / ".claude.json", "json", ("mcpServers", ENTRY), _entry(server, type="http"))


def _codex(server: Server) -> Part:
    folder = Path(os.environ.get("CODEX_HOME") or Path.home() / ".codex")
    return Part("mcp", folder / "config.toml", "toml", ("mcp_servers", ENTRY), _entry(server, "http_headers"))


def _cursor(server: Server) -> Part:
    return Part("mcp", Path.home() / ".cursor" / "mcp.json", "json", ("mcpServers", ENTRY), _entry(server))


def _openclaw(server: Server) -> Part:
    value = _entry(server, transport="streamable-http")
    return Part("mcp", Path.home() / ".openclaw" / "openclaw.json", "json", ("mcp", "servers", ENTRY), value)


def _opencode(server: Server) -> Part:
    value = _entry(server, type="remote", enabled=True)
    return Part("mcp", _xdg() / "opencode" / "opencode.json", "json", ("mcp", ENTRY), value)


def _vscode(server: Server) -> Part:
    if sys.platform == "darwin":
        folder = Path.home() / "Library" / "Application Support"
    elif sys.platform == "win32":
        folder = Path(os.environ.get("APPDATA") or Path.home() / "AppData" / "Roaming")
    else:
        folder = _xdg()
    return Part("mcp", folder / "Code" / "User" / "mcp.json", "json", ("servers", ENTRY), _entry(server, type="http"))


def _generic(server: Server) -> Part:
    return Part("mcp", None, "json", ("mcpServers", ENTRY), _entry(server, type="http"))


def _xdg() -> Path:
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")


AGENTS: Mapping[str, Agent] = {
    one.name: one
    for one in (
        Agent("claude-code", "Claude Code", _claude),
        Agent("codex", "Codex", _codex),
        Agent("cursor", "Cursor", _cursor),
        Agent("openclaw", "OpenClaw", _openclaw, then="run openclaw gateway restart"),
        Agent("opencode", "opencode", _opencode),
        Agent("pi", "pi", None),
        Agent("vscode", "VS Code", _vscode, plugin=False, then="run MCP: List Servers in it"),
        Agent("generic", "any agent that speaks MCP or reads ovcli.conf", _generic),
    )
}
