"""No embedding model: search is lexical only."""

from __future__ import annotations

from recalld.ports.plugin import NoSettings, Plugin

plugin = Plugin("embedder", "none", NoSettings, lambda _: None)
