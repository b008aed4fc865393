"""The table of tools, and one call of one of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from recalld.domain.errors import Invalid, RecalldError

from . import arguments as args
from . import change, recall
from .tool_context import ToolContext


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool: what it takes and what it runs; its description is the run's docstring. ``kind``: its request class."""

    kind: str
    name: str
    takes: type[args.Arguments]
    run: Callable[[ToolContext, Any], Awaitable[str]]

    @property
    def description(self) -> str:
        """The description that agents read."""
        return self.run.__doc__ or ""


TOOLS: tuple[Tool, ...] = (
    Tool("recall", "find", args.Find, recall.find),
    Tool("recall", "search", args.Search, recall.search),
    Tool("recall", "read", args.Read, recall.read),
    Tool("recall", "list", args.List, recall.list_),
    Tool("recall", "tree", args.Tree, recall.tree),
    Tool("ingest", "remember", args.Remember, change.remember),
    Tool("ingest", "write", args.Write, change.write),
    Tool("ingest", "edit", args.Edit, change.edit),
    Tool("bulk", "add_resource", args.AddResource, change.add_resource),
    Tool("ingest", "add_skill", args.AddSkill, change.add_skill),
    Tool("recall", "download", args.Download, recall.download),
    Tool("open", "list_watches", args.Nothing, change.list_watches),
    Tool("open", "cancel_watch", args.CancelWatch, change.cancel_watch),
    Tool("recall", "grep", args.Grep, recall.grep),
    Tool("recall", "glob", args.Glob, recall.glob),
    Tool("ingest", "forget", args.Forget, change.forget),
    Tool("recall", "history", args.History, change.history),
    Tool("ingest", "undo", args.Undo, change.undo),
    Tool("ingest", "restore", args.Restore, change.restore),
    Tool("open", "health", args.Nothing, recall.health),
)
_BY_NAME = {tool.name: tool for tool in TOOLS}


async def call(context: ToolContext, name: str, arguments: dict[str, Any]) -> tuple[str, bool]:
    """Run a tool. Returns its text, and whether it failed."""
    try:
        tool = _BY_NAME.get(name)
        if tool is None:
            raise Invalid(f"there is no tool {name[:80]!r}", remedy="tools/list names them")
        params = args.checked(tool.takes, arguments)
        async with context.slot(tool.kind, getattr(params, "wait", False)):
            return await tool.run(context, params), False
    except RecalldError as error:
        return f"Error [{error.code}]: {error}", True
