"""The table of tools, and one call of one of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from recalld.domain.errors import Invalid, RecalldError

from . import arguments as args
from . import change, fetch, recall, skills
from .desk import Desk


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool: what it takes and what it runs; its description is the run's docstring."""

    name: str
    takes: type[args.Arguments]
    run: Callable[[Desk, Any], Awaitable[str]]

    @property
    def description(self) -> str:
        """What agents are told."""
        return self.run.__doc__ or ""


TOOLS: tuple[Tool, ...] = (
    Tool("find", args.Find, recall.find),
    Tool("search", args.Search, recall.search),
    Tool("read", args.Read, recall.read),
    Tool("list", args.List, recall.list_),
    Tool("tree", args.Tree, recall.tree),
    Tool("remember", args.Remember, change.remember),
    Tool("write", args.Write, change.write),
    Tool("edit", args.Edit, change.edit),
    Tool("add_resource", args.AddResource, change.add_resource),
    Tool("add_skill", args.AddSkill, skills.add_skill),
    Tool("download", args.Download, fetch.download),
    Tool("list_watches", args.Nothing, change.list_watches),
    Tool("cancel_watch", args.CancelWatch, change.cancel_watch),
    Tool("grep", args.Grep, recall.grep),
    Tool("glob", args.Glob, recall.glob),
    Tool("forget", args.Forget, change.forget),
    Tool("health", args.Nothing, recall.health),
)
_BY_NAME = {tool.name: tool for tool in TOOLS}


async def call(desk: Desk, name: str, given: dict[str, Any]) -> tuple[str, bool]:
    """Run a tool: its text, and whether that text tells of a failure."""
    try:
        tool = _BY_NAME.get(name)
        if tool is None:
            raise Invalid(f"there is no tool {name[:80]!r}", remedy="tools/list names them")
        return await tool.run(desk, args.checked(tool.takes, given)), False
    except RecalldError as error:
        return f"Error [{error.code}]: {error}", True
