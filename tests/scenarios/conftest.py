"""Tests on a real engine: see ``tests/harness.py``."""

from __future__ import annotations

from tests.harness import dense_harness, harness

__all__ = ["dense_harness", "harness"]
