"""Commands by name. The module of a command is imported when it is called, so that each starts fast."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any, cast

import typer
from typer.core import TyperGroup

COMMANDS: Mapping[str, str] = {
    "serve": "serve",
    "mcp": "serve",
    "agent": "agent",
    "add": "add",
    "find": "browse",
    "ls": "browse",
    "tree": "browse",
    "stat": "browse",
    "read": "browse",
    "abstract": "browse",
    "overview": "browse",
    "grep": "browse",
    "glob": "browse",
    "write": "edit",
    "mkdir": "edit",
    "mv": "edit",
    "cp": "edit",
    "rm": "edit",
    "undo": "edit",
    "history": "history",
    "session": "session",
    "task": "task",
    "export": "packs",
    "import": "packs",
    "backup": "packs",
    "restore": "packs",
    "get": "packs",
    "import-openviking": "migrate",
    "snapshot": "snapshot",
    "skills": "skills",
    "status": "status",
    "top": "top",
    "usage": "status",
    "doctor": "doctor",
    "fsck": "doctor",
    "config": "config",
    "version": "status",
    "work": "serve",
}
"""Command -> module of this package, in the order help shows them. A module named like its only command is a group."""

GROUPS = frozenset({"session", "task", "config", "skills", "agent", "snapshot", "history"})


class LazyGroup(TyperGroup):
    """The top of the command tree, filled from ``COMMANDS`` on demand."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        # Names alone are enough for "did you mean"; the values are never used.
        self.commands = cast(Any, dict.fromkeys(COMMANDS))

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]
        """All names, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: typer.Context, cmd_name: str) -> Any:  # type: ignore[override]
        """Import the module that holds ``cmd_name``; None if there is no such command."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"recalld.surfaces.cli.{COMMANDS[cmd_name]}")
        group = typer.main.get_group(module.app)
        if cmd_name in GROUPS:
            group.name = cmd_name
            return group
        return group.get_command(ctx, cmd_name)
