"""The table of tools, and one call of one of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from recalld.domain.errors import Invalid, RecalldError

from . import arguments as args
from . import change, fetch, past, recall, skills
from .desk import Desk


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool: what it takes and what it runs; its description is the run's docstring. ``kind``: its request class."""

    kind: str
    name: str
    takes: type[args.Arguments]
    run: Callable[[Desk, Any], Awaitable[str]]

    @property
    def description(self) -> str:
        """What agents are told."""
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
    Tool("ingest", "add_skill", args.AddSkill, skills.add_skill),
    Tool("recall", "download", args.Download, fetch.download),
    Tool("open", "list_watches", args.Nothing, change.list_watches),
    Tool("open", "cancel_watch", args.CancelWatch, change.cancel_watch),
    Tool("recall", "grep", args.Grep, recall.grep),
    Tool("recall", "glob", args.Glob, recall.glob),
    Tool("ingest", "forget", args.Forget, change.forget),
    Tool("recall", "history", args.History, past.history),
    Tool("ingest", "undo", args.Undo, past.undo),
    Tool("ingest", "restore", args.Restore, past.restore),
    Tool("open", "health", args.Nothing, recall.health),
)
_BY_NAME = {tool.name: tool for tool in TOOLS}


async def call(desk: Desk, name: str, given: dict[str, Any]) -> tuple[str, bool]:
    """Run a tool: its text, and whether that text tells of a failure."""
    try:
        tool = _BY_NAME.get(name)
        if tool is None:
            raise Invalid(f"there is no tool {name[:80]!r}", remedy="tools/list names them")
        asked = args.checked(tool.takes, given)
        async with desk.slot(tool.kind, getattr(asked, "wait", False)):
            return await tool.run(desk, asked), False
    except RecalldError as error:
        return f"Error [{error.code}]: {error}", True
