"""The reranker ``none``: the fused order stays."""

from __future__ import annotations

from recalld.adapters.reranker.none import plugin
from recalld.app.plugins import make, names


def test_no_reranker_is_a_choice_by_name() -> None:
    assert "none" in names("reranker")


def test_no_reranker_gives_no_adapter() -> None:
    assert plugin.make(plugin.settings()) is None
    assert make("reranker", "none", {}) is None
