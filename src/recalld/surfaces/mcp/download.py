"""The tool that returns a download address for a file that is too large or not text."""

from __future__ import annotations

from recalld.domain.errors import Invalid

from . import arguments as args
from .tool_context import ToolContext


async def download(context: ToolContext, params: args.Download) -> str:
    """Return an address from which a file can be fetched once, within ten minutes, without a key."""
    node = await context.workspace.stat(params.uri)
    if node.is_dir:
        raise Invalid(f"{node.uri} is a directory", remedy="name a file in it; list shows them")
    if context.ticket is None:
        raise Invalid(
            "there is no server to download from: this agent is on the store's own machine",
            remedy="read the file, or run recalld get while recalld serve has the store",
            code="UNIMPLEMENTED",
        )
    address = context.ticket(str(node.uri))
    return f"{node.uri} ({node.size} bytes) can be fetched once, within ten minutes, from:\n{address}"
