"""Plugins by entry point: built-ins come in by the same door as strangers."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import Any

from pydantic import ValidationError

from recalld.domain.errors import Invalid
from recalld.ports.plugin import Plugin

GROUP = "recalld."


def names(door: str) -> list[str]:
    """What may be chosen behind a door."""
    return sorted(e.name for e in entry_points(group=GROUP + door))


def load(door: str, name: str) -> Plugin:
    """The plugin of this name. Raises ``Invalid`` naming those there are."""
    for entry in entry_points(group=GROUP + door):
        if entry.name == name:
            found = entry.load()
            if isinstance(found, Plugin):
                return found
            raise Invalid(
                f"entry point {entry.value} is no Plugin", remedy=f"mend or uninstall the package that brings {name}"
            )
    raise Invalid(
        f"{door}.kind {name!r} is unknown",
        remedy=f"use one of {', '.join(names(door))}",
        details={"field": f"{door}.kind"},
    )


def load_all(door: str) -> list[Plugin]:
    """Every plugin behind a door, by name."""
    return [load(door, name) for name in names(door)]


def make(door: str, name: str, options: Mapping[str, Any]) -> Any:
    """The adapter with these settings. Raises ``Invalid`` for keys it does not know."""
    plugin = load(door, name)
    try:
        settings = plugin.settings(**options)
    except ValidationError as bad:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in bad.errors(include_input=False))
        raise Invalid(
            f"[{door}] does not fit {name}: {problems}",
            remedy=f"docs/providers.md tells what {name} takes",
            details={"field": door},
        ) from None  # it quotes values, keys among them
    except TypeError as bad:
        raise Invalid(
            f"[{door}] has a setting that {name} does not know: {bad}",
            remedy=f"it takes {', '.join(plugin.settings.__annotations__) or 'none'}",
            details={"field": door},
        ) from bad
    return plugin.make(settings)
