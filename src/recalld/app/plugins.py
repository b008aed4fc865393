"""Plugins by entry point; built-in ones are registered the same way as external ones."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import Any

from pydantic import ValidationError

from recalld.domain.errors import Invalid
from recalld.ports.plugin import Plugin

GROUP = "recalld."


def names(kind: str) -> list[str]:
    """Names of the plugins of a port, sorted."""
    return sorted(e.name for e in entry_points(group=GROUP + kind))


def load(kind: str, name: str) -> Plugin:
    """The plugin of this name. Raises ``Invalid`` naming those there are."""
    for entry in entry_points(group=GROUP + kind):
        if entry.name == name:
            found = entry.load()
            if isinstance(found, Plugin):
                return found
            raise Invalid(
                f"entry point {entry.value} is no Plugin", remedy=f"mend or uninstall the package that brings {name}"
            )
    raise Invalid(
        f"{kind}.kind {name!r} is unknown",
        remedy=f"use one of {', '.join(names(kind))}",
        details={"field": f"{kind}.kind"},
    )


def load_all(kind: str) -> list[Plugin]:
    """Every plugin of a port, by name."""
    return [load(kind, name) for name in names(kind)]


def make(kind: str, name: str, options: Mapping[str, Any]) -> Any:
    """The adapter with these settings. Raises ``Invalid`` for keys it does not know."""
    plugin = load(kind, name)
    try:
        settings = plugin.settings(**options)
    except ValidationError as bad:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in bad.errors(include_input=False))
        raise Invalid(
            f"[{kind}] does not fit {name}: {problems}",
            remedy=f"docs/providers.md tells what {name} takes",
            details={"field": kind},
        ) from None  # it quotes values, keys among them
    except TypeError as bad:
        raise Invalid(
            f"[{kind}] has a setting that {name} does not know: {bad}",
            remedy=f"it takes {', '.join(plugin.settings.__annotations__) or 'none'}",
            details={"field": kind},
        ) from bad
    return plugin.make(settings)
