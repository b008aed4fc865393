"""An embedder whose extra is not installed: reported once at start, and search is lexical until it is installed."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from recalld.adapters.embedder import e5
from recalld.app.housekeeping import Housekeeping
from recalld.app.worker_loop import run_job
from recalld.infra.watchdog import Watchdog
from tests.harness import harness_at

NOTE = "viking://resources/heron.md"


async def test_a_missing_extra_is_logged_in_one_line_and_fails_no_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(e5, "find_spec", lambda _: None)
    async with harness_at(tmp_path, embedder={"provider": "e5"}) as harness:
        keeper = Housekeeping(harness.ports, harness.engine.config, Watchdog())
        for _ in range(3):
            await keeper.round()
        messages = [record.getMessage() for record in caplog.records if "extra" in record.getMessage()]
        assert len(messages) == 1
        assert "pip install 'recalld[e5]'" in messages[0]
        await harness.write(NOTE, "the heron stood still by the water")
        for job in await harness.lease(20):
            if job.kind == "embed":
                await run_job(job, harness.ports)
        assert (await harness.queue("embed")).dead == 0
        answer = await harness.engine.find("heron water")
        assert ([str(hit.uri) for hit in answer.hits], answer.degraded) == ([NOTE], ("embedder",))
        assert not [record for record in caplog.records if record.exc_info or "Traceback" in record.getMessage()]
