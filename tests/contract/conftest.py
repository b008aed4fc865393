from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.contract.ledger_house import House, open_house


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """An open ledger."""
    house = await open_house(tmp_path / "data")
    yield house
    await house.ledger.close()
