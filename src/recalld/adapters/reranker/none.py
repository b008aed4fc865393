"""No reranker: the fused order stays."""

from __future__ import annotations

from recalld.ports.plugin import NoSettings, Plugin

plugin = Plugin("reranker", "none", NoSettings, lambda _: None)
