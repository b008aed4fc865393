from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.contract.ledger_harness import LedgerHarness, open_harness


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[LedgerHarness]:
    """An open ledger."""
    harness = await open_harness(tmp_path / "data")
    yield harness
    await harness.ledger.close()
