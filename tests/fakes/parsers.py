"""The parsers a store has without further plugins."""

from __future__ import annotations

from recalld.adapters.parser.registry import ParserSet
from recalld.app.plugins import load_all


def built_in() -> ParserSet:
    """All installed parsers."""
    return ParserSet(plugin.make(plugin.settings()) for plugin in load_all("parser"))
