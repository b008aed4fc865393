"""Messages that are not what was written: refused when read, and found by the daily pass and by a check."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from recalld.app.engine import Engine
from recalld.domain.errors import Corrupt
from tests.scenarios.test_damage_story import until

pytestmark = pytest.mark.loop_may_block  # the tests damage files themselves
SECOND = "viking://user/default/sessions/s/messages/m1.md"


@asynccontextmanager
async def opened(data: Path) -> AsyncIterator[Engine]:
    async with Engine.open(data, worker="none", embedder={"kind": "hash"}) as engine:
        yield engine


@pytest.fixture
async def data(tmp_path: Path) -> Path:
    """A closed store with a session of three messages."""
    async with opened(tmp_path / "data") as engine:
        for n, animal in enumerate(("heron", "otter", "lynx")):
            await engine.sessions.append("s", [{"role": "user", "content": f"a {animal} at the gate", "id": f"m{n}"}])
    return tmp_path / "data"


def change(data: Path, sql: str) -> None:
    c = sqlite3.connect(data / "recalld.db")
    assert c.execute(sql).rowcount > 0
    c.execute("DELETE FROM meta WHERE key IN ('verify_began', 'verified_to')")  # a day has passed
    c.commit()
    c.close()


DAMAGE = {
    "other words": "text = replace(text, 'otter', 'adder')",
    "other parts": "parts = replace(parts, 'otter', 'adder')",
    "another time": "at = at + 1",
    "another speaker": "role = 'assistant'",
    "not UTF-8": "text = CAST(x'61ff62' AS TEXT)",
}


def damage(data: Path, how: str) -> None:
    change(data, f"UPDATE message SET {DAMAGE[how]} WHERE id = 'm1'")


@pytest.mark.parametrize("how", DAMAGE)
async def test_a_damaged_message_is_refused_wherever_it_is_read(data: Path, how: str) -> None:
    damage(data, how)
    named = "UTF-8" if how == "not UTF-8" else SECOND
    async with opened(data) as engine:
        for read in (
            lambda: engine.read(SECOND),
            lambda: engine.sessions.context("s"),
            lambda: engine.read("viking://user/default/sessions/s/messages.jsonl"),
            lambda: engine.grep("viking://user/default/sessions/s/messages", "gate"),
        ):
            with pytest.raises(Corrupt, match=named):
                await read()
        assert "heron" in await engine.read(SECOND.replace("m1", "m0"))
        await engine.sessions.append("s", [{"role": "user", "content": "added later", "id": "m9"}])
        assert (await engine.find("lynx")).hits


@pytest.mark.parametrize("how", DAMAGE)
async def test_a_check_names_a_damaged_message_and_removing_it_heals_the_session(data: Path, how: str) -> None:
    damage(data, how)
    async with opened(data) as engine:
        assert await engine.check() == [f"the message {SECOND} is damaged"]
        assert await engine.check(contents=False) == []
        await engine.rm(SECOND)
        assert len((await engine.sessions.context("s")).messages) == 2
        assert await engine.check() == []


async def test_the_daily_pass_finds_a_damaged_message_and_forgets_one_that_was_removed(data: Path) -> None:
    damage(data, "other words")
    async with opened(data) as engine:
        await until(engine, lambda checks: checks["content"].startswith("1 contents are damaged"))
        await engine.rm(SECOND)
        await engine._housekeeping._maintenance.verify()
        assert (await engine.readiness()).checks["content"] == "ok"


async def test_messages_of_an_older_store_get_their_hash_in_slices(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recalld.adapters.sqlite.ledger.message_rows.HASHED_MAX", 2)
    change(data, "UPDATE message SET hash = NULL")
    async with opened(data) as engine:
        assert "otter" in await engine.read(SECOND)
        assert await engine.check() == []
    c = sqlite3.connect(data / "recalld.db")
    assert c.execute("SELECT count(*) FROM message WHERE length(hash) = 16").fetchone() == (3,)
    c.close()
    damage(data, "other words")
    async with opened(data) as engine:
        with pytest.raises(Corrupt, match=SECOND):
            await engine.read(SECOND)


async def test_a_damaged_message_is_not_embedded(data: Path) -> None:
    damage(data, "not UTF-8")
    async with Engine.open(data, worker="inside", embedder={"kind": "hash"}) as engine:
        await engine.sessions.append("s", [{"role": "user", "content": "added later", "id": "m9"}])
        await engine.wait(timeout_s=60)
        assert (await engine.find("lynx")).degraded == ()
