"""``recalld serve``, ``recalld mcp`` and the worker: each loads its machinery only when it runs."""

from __future__ import annotations

import asyncio
import gc
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

recalld serve

recalld serve --data ./store --port 8080

recalld serve --config recalld.toml

recalld serve --config ov.conf

Settings: arguments > RECALLD_... environment > recalld.toml > defaults; see docs/configuration.md.
"""
)
def serve(
    data: Annotated[Path | None, typer.Option(help="Folder of the store (default ~/.recalld).")] = None,
    config: Annotated[Path | None, typer.Option("--config", "-c", help="Settings (default ./recalld.toml).")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on (default 127.0.0.1).")] = None,
    port: Annotated[int | None, typer.Option(help="TCP port (default 1933; 0 picks a free one).")] = None,
) -> None:
    """Run the server until Ctrl-C or SIGTERM."""
    gc.disable()  # collections while modules are imported take a tenth of the start
    place = {key: value for key, value in {"host": host, "port": port}.items() if value is not None}
    try:
        settings = importlib.import_module("recalld.app.config").load_config(config, data=data, server=place or None)
        mounted_apps = {"/mcp": importlib.import_module("recalld.surfaces.mcp.mount").Mcp}
        importlib.import_module("recalld.surfaces.http.serve").run(settings, mounted_apps=mounted_apps)
    except RecalldError as error:
        raise typer.Exit(report(error, as_json=False)) from error


@app.command(hidden=True, context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def work(ctx: typer.Context) -> None:
    """Run a worker. A server starts it itself."""
    raise typer.Exit(int(importlib.import_module("recalld.app.worker_process").main(list(ctx.args)) or 0))


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
            asyncio.run(_serve_stdio(settings))
        finally:
            logs.close()
    except RecalldError as error:
        raise typer.Exit(report(error, as_json=False)) from error


async def _serve_stdio(settings: Any) -> None:
    engine_type = importlib.import_module("recalld.app.engine").Engine
    protocol = importlib.import_module("recalld.surfaces.mcp.protocol")
    context = importlib.import_module("recalld.surfaces.mcp.tool_context").ToolContext
    async with engine_type.open(config=settings) as engine:
        await protocol.serve_stdio(context(engine, engine))
