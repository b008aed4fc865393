"""``recalld config``: the settings in force."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated, Any

import typer

from recalld.app.config import load_config

from .options import Call, with_client
from .render import echo

app = typer.Typer(help="Show the settings in force and their sources.")
FileOption = Annotated[
    Path | None, typer.Option("--config", "-c", help="Settings file, TOML or ov.conf (default: ./recalld.toml).")
]
_SECRET = re.compile(r"(key|secret|token|password)$")
_STARS = "**********"


@app.command()
@with_client
def show(call: Call, config: FileOption = None) -> None:
    """Print every setting as a server started here would use it. Secrets are masked."""
    call.answer(
        _hidden(json.loads(load_config(config).model_dump_json())), lambda settings: print("\n".join(_toml(settings)))
    )


@app.command()
@with_client
def path(call: Call, config: FileOption = None) -> None:
    """Print the settings file, and whether it exists."""
    chosen = (config or Path("recalld.toml")).resolve()
    call.answer(
        {"path": str(chosen), "exists": chosen.is_file(), "data": str(load_config(config).folder)},
        lambda facts: echo(f"{chosen}" + ("" if facts["exists"] else "  (not there: defaults apply)")),
    )


def _hidden(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings of plugins are plain values here. Secret ones are recognised by their names."""
    return {
        key: _hidden(value) if isinstance(value, dict) else _STARS if value and _SECRET.search(key) else value
        for key, value in settings.items()
    }


def _toml(settings: dict[str, Any]) -> list[str]:
    """Lines of TOML: plain values first, then one table for each nested group."""
    plain = [
        f"{key} = {json.dumps(value, ensure_ascii=False)}"
        for key, value in settings.items()
        if not isinstance(value, dict)
    ]
    tables = [(key, value) for key, value in settings.items() if isinstance(value, dict)]
    return plain + [line for key, value in tables for line in ("", f"[{key}]", *_toml(value))]
