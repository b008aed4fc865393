"""Stories on a real engine: see ``tests/house_fixture.py``."""

from __future__ import annotations

from tests.house_fixture import dense_house, house

__all__ = ["dense_house", "house"]
