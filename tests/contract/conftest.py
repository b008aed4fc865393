from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.contract.ledger_harness import LedgerHarness, open_harness


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """The ledger's contract holds in the primary process and in a worker."""
    module = metafunc.module.__name__.rpartition(".")[2]
    if "harness" in metafunc.fixturenames and not module.startswith("test_search"):
        of_ledger = module.startswith("test_ledger")
        metafunc.parametrize("harness", ("primary", "worker") if of_ledger else ("primary",), indirect=True)


@pytest.fixture
async def harness(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[LedgerHarness]:
    """An open ledger."""
    harness = await open_harness(tmp_path / "data", worker=request.param == "worker")
    yield harness
    await harness.ledger.close()
