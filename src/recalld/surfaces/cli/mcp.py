"""``recalld mcp``: the MCP tools on stdin and stdout, for a data folder on this machine."""

from __future__ import annotations

import asyncio
import importlib
from pathlib import Path
from typing import Annotated, Any

import typer

from recalld.domain.errors import RecalldError

from .exit_codes import report

app = typer.Typer()


@app.command(
    epilog="""
Examples:

recalld mcp --data ./store

While recalld serve has the folder, agents use its /mcp instead.
"""
)
def mcp(
    data: Annotated[Path | None, typer.Option(help="Folder of the store (default ~/.recalld).")] = None,
    config: Annotated[Path | None, typer.Option("--config", "-c", help="Settings (default ./recalld.toml).")] = None,
) -> None:
    """Serve an agent on this machine over stdin and stdout (Model Context Protocol). Logs go to stderr."""
    try:
        settings = importlib.import_module("recalld.app.config").load_config(config, data=data)
        logs = importlib.import_module("recalld.infra.logs").setup(level=settings.log.level, json=True)
        try:
            asyncio.run(_serve(settings))
        finally:
            logs.close()
    except RecalldError as error:
        raise typer.Exit(report(error, as_json=False)) from error


async def _serve(settings: Any) -> None:
    engine_type = importlib.import_module("recalld.app.engine").Engine
    protocol = importlib.import_module("recalld.surfaces.mcp.protocol")
    context = importlib.import_module("recalld.surfaces.mcp.tool_context").ToolContext
    async with engine_type.open(config=settings) as engine:
        await protocol.serve_stdio(context(engine, engine))
