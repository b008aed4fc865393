"""Syntax trees are cached while the architecture tests run, and freed after them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.architecture.project import nodes, parsed


@pytest.fixture(scope="package", autouse=True)
def trees() -> Iterator[None]:
    """Free 190 MB of syntax trees, which every later full garbage collection would traverse in 0.4 s."""
    yield
    nodes.cache_clear()
    parsed.cache_clear()
