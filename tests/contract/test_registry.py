"""The registry's contract: see ``ports/registry.py``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from recalld.adapters.sqlite.database.readers import Readers
from recalld.adapters.sqlite.ledger.ledger import FILE_NAME
from recalld.adapters.sqlite.registry import registry as registry_module
from recalld.adapters.sqlite.registry.registry import SqliteRegistry
from recalld.domain.caller import Caller, Role
from recalld.domain.commit import Commit, DropMember, MarkLeaving, NewTask, UpdateTask
from recalld.domain.errors import Busy, Conflict, Denied, NotFound
from recalld.domain.job import TaskStatus
from recalld.rules.keys import compose
from tests.contract.ledger_harness import LedgerHarness

KEY = compose("acme", "ana", "a" * 64)
BOB = compose("acme", "bob", "b" * 64)
EVE = compose("acme", "eve", "e" * 64)
ROOT = Caller(role=Role.ROOT)


@pytest.fixture
async def registry(harness: LedgerHarness) -> AsyncIterator[SqliteRegistry]:
    registry = SqliteRegistry(harness.ledger.access.readers, harness.ledger.access.clock)
    await registry.found("acme", "ana", key=KEY, settings={})
    await registry.enrol("acme", "bob", role=Role.USER, key=BOB, settings={"x": 1})
    yield registry
    await registry.close()


async def test_a_key_opens_for_its_member_alone(registry: SqliteRegistry) -> None:
    ana, bob = await registry.identify(KEY), await registry.identify(BOB)
    assert (ana.account, ana.user, ana.role) == ("acme", "ana", Role.ADMIN)
    assert (bob.user, bob.role, bob.settings) == ("bob", Role.USER, {"x": 1})


@pytest.mark.parametrize(
    "key",
    [
        "",
        "x",
        KEY[:-1],
        KEY + "A",
        compose("acme", "ana", "b" * 64),
        compose("acme", "bob", "a" * 64),
        compose("o", "ana", "a" * 64),
    ],
)
async def test_any_other_key_is_refused_in_the_same_words(registry: SqliteRegistry, key: str) -> None:
    with pytest.raises(Denied) as refused:
        await registry.identify(key)
    assert (refused.value.code, refused.value.message) == ("UNAUTHENTICATED", "Invalid API Key")
    with pytest.raises(Denied):
        await registry.identify(key)


async def test_the_store_does_not_hold_a_key(harness: LedgerHarness, registry: SqliteRegistry, tmp_path: Path) -> None:
    await harness.ledger.access.store.compact()
    held = b"".join(p.read_bytes() for p in (tmp_path / "data").iterdir() if p.name.startswith(FILE_NAME))
    assert KEY.encode() not in held
    assert b"a" * 64 not in held
    assert b"sha256:" in held


async def test_a_new_key_is_the_only_one_at_once(registry: SqliteRegistry) -> None:
    await registry.identify(KEY)
    new = compose("acme", "ana", "c" * 64)
    with pytest.raises(Denied):
        await registry.identify(new)
    await registry.set_key("acme", "ana", new)
    assert (await registry.identify(new)).user == "ana"
    with pytest.raises(Denied):
        await registry.identify(KEY)


async def test_a_new_role_holds_at_once(registry: SqliteRegistry) -> None:
    assert (await registry.identify(BOB)).role is Role.USER
    await registry.member("acme", "bob")
    await registry.set_role("acme", "bob", Role.ADMIN)
    assert (await registry.identify(BOB)).role is Role.ADMIN
    found = await registry.member("acme", "bob")
    assert found is not None
    assert found.role is Role.ADMIN


async def test_a_leaving_member_is_listed_as_leaving_then_removed(
    harness: LedgerHarness, registry: SqliteRegistry
) -> None:
    await registry.identify(BOB)
    tenant = harness.ledger.tenant(ROOT)
    await tenant.commit(Commit((MarkLeaving("acme", "bob", "t1"), NewTask("t1", "user_deletion"))))
    registry.forget("acme", "bob")
    assert (await registry.identify(BOB)).deleting == "t1"
    with pytest.raises(Conflict):
        await registry.set_key("acme", "bob", KEY)
    with pytest.raises(Conflict) as again:
        await tenant.commit(Commit((MarkLeaving("acme", "bob", "t2"),)))
    assert again.value.details["task_id"] == "t1"
    await tenant.commit(Commit((DropMember("acme", "bob"), UpdateTask("t1", TaskStatus.COMPLETED))))
    # Nobody told the registry: what is leaving was never remembered.
    with pytest.raises(Denied):
        await registry.identify(BOB)
    assert [m.user for m in await registry.members("acme", limit=10)] == ["ana"]


async def test_only_account_admins_can_suspend_members(harness: LedgerHarness, registry: SqliteRegistry) -> None:
    for caller in (Caller("acme", "bob"), Caller("other", "eve", Role.ADMIN)):
        for op in (MarkLeaving("acme", "ana", "t"), DropMember("acme", "ana"), DropMember("acme", "")):
            with pytest.raises(Denied):
                await harness.ledger.tenant(caller).commit(Commit((op,)))
    assert (await registry.identify(KEY)).deleting == ""


async def test_only_suspended_members_can_be_forgotten(harness: LedgerHarness, registry: SqliteRegistry) -> None:
    await harness.ledger.tenant(ROOT).commit(Commit((DropMember("acme", "ana"), DropMember("acme", ""))))
    assert (await registry.identify(KEY)).user == "ana"
    assert [a.id for a in await registry.accounts()] == ["acme"]


async def test_names_are_taken_once(registry: SqliteRegistry) -> None:
    for call in (
        registry.found("acme", "eve", key=KEY, settings={}),
        registry.enrol("acme", "ana", role=Role.USER, key=KEY, settings={}),
    ):
        with pytest.raises(Conflict) as refused:
            await call
        assert refused.value.code == "ALREADY_EXISTS"
    with pytest.raises(NotFound):
        await registry.enrol("nowhere", "ana", role=Role.USER, key=KEY, settings={})
    with pytest.raises(NotFound):
        await registry.set_role("acme", "nobody", Role.ADMIN)


async def test_settings_of_a_user_without_a_key_create_no_member(registry: SqliteRegistry) -> None:
    await registry.change_settings("acme", "eve", {"a": 1})
    assert [m.user for m in await registry.members("acme", limit=10)] == ["ana", "bob"]
    key = compose("acme", "eve", "e" * 64)
    await registry.enrol("acme", "eve", role=Role.USER, key=key, settings={"b": 2})
    assert (await registry.identify(key)).settings == {"a": 1, "b": 2}


async def test_an_unknown_user_is_known_after_enrolment(registry: SqliteRegistry) -> None:
    assert await registry.member("acme", "eve") is None
    assert await registry.member("acme", "eve") is None
    await registry.enrol("acme", "eve", role=Role.USER, key=compose("acme", "eve", "e" * 64), settings={})
    assert await registry.member("acme", "eve") is not None


async def test_an_account_is_counted_and_has_settings(registry: SqliteRegistry) -> None:
    await registry.change_settings("acme", "", {"agent_evolution": {"enabled": True}})
    (account,) = await registry.accounts()
    assert (account.id, account.users, account.settings) == ("acme", 2, {"agent_evolution": {"enabled": True}})
    assert await registry.account("nowhere") is None


async def test_a_flood_of_wrong_keys_is_rejected_and_other_keys_do_not_wait(registry: SqliteRegistry) -> None:
    await registry.enrol("acme", "eve", role=Role.USER, key=EVE, seeded=True, settings={})
    most = registry_module.HASHING_RUNNING_MAX + registry_module.HASHING_WAITING_MAX
    wrong = [compose("acme", "eve", f"{n:064x}") for n in range(most * 2)]

    async def tried(key: str) -> type[BaseException]:
        with pytest.raises((Denied, Busy)) as refused:
            await registry.identify(key)
        return refused.type

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(tried(key)) for key in wrong]
        await asyncio.sleep(0)
        assert (await registry.identify(KEY)).user == "ana"
        assert not all(task.done() for task in tasks)
    kinds = [task.result() for task in tasks]
    assert kinds.count(Busy) >= most - 1


async def test_a_reader_of_the_store_remembers_nothing(
    harness: LedgerHarness, registry: SqliteRegistry, tmp_path: Path
) -> None:
    readers = Readers(tmp_path / "data" / FILE_NAME, count=1)
    worker = SqliteRegistry(readers, harness.ledger.access.clock)
    await registry.change_settings("acme", "bob", {"n": 1})
    first = await worker.member("acme", "bob")
    await registry.change_settings("acme", "bob", {"n": 2})
    second = await worker.member("acme", "bob")
    assert first is not None
    assert second is not None
    assert (first.settings, second.settings) == ({"x": 1, "n": 1}, {"x": 1, "n": 2})
    with pytest.raises(Conflict):
        await worker.set_role("acme", "bob", Role.ADMIN)
    await worker.close()
    readers.close()
