"""How keys are stored: sha256 for random ones, argon2id for those derived from a seed, and hashes of earlier versions."""

from __future__ import annotations

import asyncio
import hmac
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any

import apsw
import pytest
from argon2 import PasswordHasher

from recalld.adapters.sqlite.registry import hashing, rows
from recalld.adapters.sqlite.registry.registry import SqliteRegistry
from recalld.domain.errors import Busy, Denied
from recalld.rules.keys import compose
from tests.contract.ledger_harness import LedgerHarness

KEY, WRONG = compose("acme", "ana", "a" * 64), compose("acme", "ana", "b" * 64)
EARLIER = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1).hash(KEY)


@pytest.fixture
async def registry(harness: LedgerHarness) -> AsyncIterator[SqliteRegistry]:
    registry = SqliteRegistry(harness.ledger.access.readers, harness.ledger.access.clock)
    await registry.found("acme", "ana", key=KEY, settings={})
    yield registry
    await registry.close()


async def stored(harness: LedgerHarness) -> str:
    ((found,),) = await harness.rows("SELECT key_hash FROM member WHERE user = 'ana'")
    return str(found)


async def store_as_earlier(harness: LedgerHarness, registry: SqliteRegistry) -> None:
    await harness.force("UPDATE member SET key_hash = ? WHERE user = 'ana'", EARLIER)
    registry.forget("acme")


async def test_a_random_key_is_stored_as_sha256_and_a_seeded_one_as_argon2id(
    harness: LedgerHarness, registry: SqliteRegistry
) -> None:
    assert await stored(harness) == hashing.hash_random_key(KEY)
    await registry.set_key("acme", "ana", KEY, seeded=True)
    assert (await stored(harness)).startswith("seeded:$argon2id$")
    assert (await registry.identify(KEY)).user == "ana"
    with pytest.raises(Denied):
        await registry.identify(WRONG)
    assert (await stored(harness)).startswith("seeded:$argon2id$")


async def test_a_hash_of_an_earlier_version_is_replaced_at_the_first_use(
    harness: LedgerHarness, registry: SqliteRegistry
) -> None:
    await store_as_earlier(harness, registry)
    with pytest.raises(Denied):
        await registry.identify(WRONG)
    assert await stored(harness) == EARLIER
    before = await registry.member("acme", "ana")
    member = await registry.identify(KEY)
    assert await stored(harness) == hashing.hash_random_key(KEY)
    after = await registry.member("acme", "ana")
    assert before is not None
    assert after is not None
    assert before.key_mark != member.key_mark == after.key_mark
    registry.forget("acme")
    assert (await registry.identify(KEY)).user == "ana"


async def test_two_first_uses_at_once_replace_the_hash_once(
    harness: LedgerHarness, registry: SqliteRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store_as_earlier(harness, registry)
    changes = list[int]()
    replace = rows.replace_hash

    def counted(c: apsw.Connection, *args: Any) -> None:
        replace(c, *args)
        changes.append(c.changes())

    monkeypatch.setattr(rows, "replace_hash", counted)
    members = await asyncio.gather(registry.identify(KEY), registry.identify(KEY))
    assert [member.user for member in members] == ["ana", "ana"]
    assert sum(changes) == 1
    assert await stored(harness) == hashing.hash_random_key(KEY)


async def test_a_new_key_is_not_overwritten_by_a_late_replacement(
    harness: LedgerHarness, registry: SqliteRegistry
) -> None:
    await store_as_earlier(harness, registry)
    first = asyncio.ensure_future(registry.identify(KEY))
    await registry.set_key("acme", "ana", WRONG)
    with pytest.raises(Denied):
        await first
        await registry.identify(KEY)
    assert (await registry.identify(WRONG)).user == "ana"


async def test_a_key_opens_when_its_hash_cannot_be_replaced(
    harness: LedgerHarness, registry: SqliteRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store_as_earlier(harness, registry)

    async def busy(*_: object) -> None:
        raise Busy("the writer is saturated")

    monkeypatch.setattr(registry._readers, "write", busy)
    assert (await registry.identify(KEY)).user == "ana"
    assert await stored(harness) == EARLIER


def test_hashes_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    lengths = []

    def compared(a: bytes, b: bytes) -> bool:
        lengths.append((len(a), len(b)))
        return a == b

    monkeypatch.setattr(hmac, "compare_digest", compared)
    assert hashing.verify_key(hashing.hash_random_key(KEY), KEY)
    assert not hashing.verify_key(hashing.hash_random_key(KEY), WRONG)
    assert not hashing.verify_key("", KEY)
    assert lengths == [(32, 32)] * 3


def test_argon2_is_imported_for_seeded_keys_only() -> None:
    code = (
        "import sys; from recalld.surfaces.http import serve; from recalld.adapters.sqlite.registry import hashing as h; "
        "assert h.verify_key(h.hash_random_key('k'), 'k'); assert 'argon2' not in sys.modules; "
        "assert h.verify_key(h.hash_seeded_key('k'), 'k'); assert 'argon2' in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
