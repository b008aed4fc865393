"""Loading of plugins by entry point."""

from __future__ import annotations

from importlib.metadata import EntryPoints, entry_points
from typing import cast

import pytest

from recalld.app import plugins


def test_the_metadata_of_installed_packages_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    reads = 0

    def read() -> EntryPoints:
        nonlocal reads
        reads += 1
        return cast(EntryPoints, entry_points())

    monkeypatch.setattr(plugins, "entry_points", read)
    plugins._installed.cache_clear()
    plugins._entries.cache_clear()
    assert "hash" in plugins.names("embedder")
    assert plugins.load_all("parser")
    assert reads == 1
