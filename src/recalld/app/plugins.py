"""Plugins by entry point; built-in ones are registered the same way as external ones."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.metadata import EntryPoint, EntryPoints, entry_points
from typing import Any, cast

from pydantic import ValidationError

from recalld.domain.errors import Invalid
from recalld.ports.plugin import Plugin

GROUP = "recalld."


@cache
def _installed() -> EntryPoints:
    # Reads the metadata of every installed package: 5 ms for a hundred of them.
    return cast(
        EntryPoints, entry_points()
    )  # Python 3.11 has a class of its own for all groups, with the same `select`


@cache
def _entries(kind: str) -> tuple[EntryPoint, ...]:
    # A selection compares every entry of every package, and opening a store loads a dozen plugins.
    return tuple(_installed().select(group=GROUP + kind))


def names(kind: str) -> list[str]:
    """Names of the plugins of a port, sorted."""
    return sorted(e.name for e in _entries(kind))


def load(kind: str, name: str) -> Plugin:
    """Return the plugin of this name. Raises ``Invalid`` naming the available ones."""
    for entry in _entries(kind):
        if entry.name == name:
            found = entry.load()
            if isinstance(found, Plugin):
                return found
            raise Invalid(
                f"entry point {entry.value} is not a Plugin", remedy=f"fix or uninstall the package of {name}"
            )
    raise Invalid(
        f"{kind}.provider {name!r} is unknown",
        remedy=f"use one of {', '.join(names(kind))}",
        details={"field": f"{kind}.provider"},
    )


def load_all(kind: str) -> list[Plugin]:
    """Every plugin of a port, by name."""
    return [load(kind, name) for name in names(kind)]


def make(kind: str, name: str, options: Mapping[str, Any]) -> Any:
    """Return the adapter with these settings. Raises ``Invalid`` for unknown keys."""
    plugin = load(kind, name)
    try:
        settings = plugin.settings(**options)
    except ValidationError as bad:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in bad.errors(include_input=False))
        raise Invalid(
            f"[{kind}] does not fit {name}: {problems}",
            remedy=f"docs/providers.md lists the settings of {name}",
            details={"field": kind},
        ) from None  # it quotes values, which may be keys
    except TypeError as bad:
        raise Invalid(
            f"[{kind}] has a setting that {name} does not know: {bad}",
            remedy=f"it takes {', '.join(plugin.settings.__annotations__) or 'none'}",
            details={"field": kind},
        ) from bad
    return plugin.make(settings)
