"""Concurrent changes of settings, tags, logs and versions all apply."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from recalld.app.admin import AdminOperations
from recalld.app.privacy import PrivacyOperations
from recalld.app.sessions import SessionOperations
from recalld.app.stats import IndexOperations
from recalld.domain.caller import Caller, Role
from recalld.domain.commit import Commit, ConfigureSession, NoteRecall
from recalld.domain.errors import Conflict, Invalid, NotFound
from recalld.domain.policy import TAGS_MAX
from recalld.ports.bundle import Ports
from recalld.rules.retention import BY_COUNT
from recalld.usecases.session.commit import commit
from tests.harness import Harness
from tests.interleaving import interleaved

NOTE = "viking://resources/notes/tea.md"
ROOT = Caller("acme", "ana", Role.ROOT)
ADMIN = Caller("acme", "ana", Role.ADMIN)


async def test_settings_of_an_account_that_two_change_are_both_there(harness: Harness) -> None:
    await AdminOperations(harness.ports, ROOT).create_account("acme", "ana", seed=None, settings={"z": 0})
    mine = AdminOperations(harness.ports, ADMIN)
    met, at = True, 0
    while met:
        await mine.set_account_settings("acme", {"z": 0, "a": None, "b": None})
        result, met = await interleaved(
            lambda ports: AdminOperations(ports, ADMIN).set_account_settings("acme", {"a": 1}),
            lambda: mine.set_account_settings("acme", {"b": 2}),
            harness.ports,
            at,
        )
        assert result.settings["a"] == 1
        assert (await mine.account("acme")).settings == {"z": 0, "a": 1, **({"b": 2} if met else {})}
        at += 1
    assert at > 2


async def test_settings_of_a_member_that_two_change_are_both_there(harness: Harness) -> None:
    await AdminOperations(harness.ports, ROOT).create_account("acme", "ana", seed=None, settings={})
    mine = AdminOperations(harness.ports, ADMIN)
    await asyncio.gather(*(mine.set_user_settings("acme", "ana", {f"k{i}": i}) for i in range(8)))
    assert (await mine.user("acme", "ana")).settings == {f"k{i}": i for i in range(8)}
    with pytest.raises(NotFound):
        await mine.set_user_settings("acme", "nobody", {"a": 1})


async def test_places_chosen_one_by_one_are_all_chosen(harness: Harness) -> None:
    verbs = harness.engine.locations
    await asyncio.gather(
        verbs.set({"resource_uri": "viking://resources/inbox"}), verbs.set({"skill_uri": "viking://agent/skills"})
    )
    assert (await verbs.get()).override == {
        "resource_uri": "viking://resources/inbox",
        "skill_uri": "viking://agent/skills",
    }
    assert (await verbs.reset()).override == {}


async def test_tags_added_by_two_are_all_there(harness: Harness) -> None:
    for at in range(4):
        await harness.write(NOTE, "tea")
        await harness.engine.index.set_tags(NOTE, [])
        _, met = await interleaved(
            lambda ports: IndexOperations(ports, Caller()).set_tags(NOTE, ["a=1"], mode="append"),
            lambda: harness.engine.index.set_tags(NOTE, ["b=2"], mode="append"),
            harness.ports,
            at,
        )
        if met:
            assert sorted((await harness.engine.stat(NOTE)).tags) == ["a=1", "b=2"]
    assert not met


async def test_a_file_removed_while_its_folder_is_tagged_does_not_stop_the_others(harness: Harness) -> None:
    await harness.write(NOTE, "tea")
    await harness.write("viking://resources/notes/b.md", "coffee")
    result, _ = await interleaved(
        lambda ports: IndexOperations(ports, Caller()).set_tags("viking://resources/notes", ["a=1"], recursive=True),
        lambda: harness.engine.rm(NOTE),
        harness.ports,
        2,
    )
    assert (await harness.engine.stat("viking://resources/notes/b.md")).tags == ("a=1",)
    assert [str(uri) for uri in result.updated] == ["viking://resources/notes", "viking://resources/notes/b.md"]


async def test_a_file_moved_within_the_folder_meanwhile_is_tagged_where_it_is(harness: Harness) -> None:
    await harness.write(NOTE, "tea")
    await interleaved(
        lambda ports: IndexOperations(ports, Caller()).set_tags("viking://resources/notes", ["a=1"], recursive=True),
        lambda: harness.engine.mv(NOTE, "viking://resources/notes/sub/tea.md"),
        harness.ports,
        2,
    )
    assert (await harness.engine.stat("viking://resources/notes/sub/tea.md")).tags == ("a=1",)


async def test_tags_of_two_together_do_not_exceed_the_limit(harness: Harness) -> None:
    await harness.write(NOTE, "tea")
    verbs = harness.engine.index
    await verbs.set_tags(NOTE, [f"k{i}=v" for i in range(TAGS_MAX - 1)])
    await verbs.set_tags(NOTE, ["last=v"], mode="append")
    with pytest.raises(Invalid):
        await verbs.set_tags(NOTE, ["over=v"], mode="append")
    assert len((await harness.engine.stat(NOTE)).tags) == TAGS_MAX


async def test_concurrent_recalls_are_both_in_the_recall_log(harness: Harness) -> None:
    await harness.engine.sessions.create("s")
    tenant = harness.ports.ledger.tenant(Caller())
    for uri in ("viking://resources/a", "viking://resources/b"):
        await tenant.commit(Commit((NoteRecall("s", 0, ((uri, "abstract"),)),)))
    log = (await harness.engine.sessions.get("s")).config["recall_log"]
    assert list(log["entries"]) == ["viking://resources/a", "viking://resources/b"]


async def test_a_setting_that_is_no_longer_as_expected_is_not_replaced(harness: Harness) -> None:
    await harness.engine.sessions.create("s", config={"n": 1})
    tenant = harness.ports.ledger.tenant(Caller())
    await tenant.commit(Commit((ConfigureSession("s", {"n": 2}, expect={"n": 1, "none": None}),)))
    with pytest.raises(Conflict) as refused:
        await tenant.commit(Commit((ConfigureSession("s", {"n": 3}, expect={"n": 1}),)))
    assert (refused.value.code, (await harness.engine.sessions.get("s")).config["n"]) == ("ABORTED", 2)


async def test_a_session_that_is_learnt_from_twice_at_once_counts_its_memories_once(harness: Harness) -> None:
    say = "My favourite tea is oolong and I was born in Oslo on 3 May 1990."
    await harness.append("once", say)
    learnt = await harness.engine.sessions.extract("once")
    assert learnt
    counts = (await harness.engine.sessions.get("once")).memories_extracted
    for at in range(12):
        name = f"twice{at}"
        await harness.append(name, say)
        _, met = await interleaved(
            lambda ports, name=name: SessionOperations(ports, Caller()).extract(name),  # type: ignore[misc]
            lambda name=name: harness.engine.sessions.extract(name),  # type: ignore[misc]
            harness.ports,
            at,
        )
        assert (await harness.engine.sessions.get(name)).memories_extracted == counts
    assert not met


ONCE = "My favourite tea is oolong and I was born in Oslo on 3 May 1990."


async def _counted_once(harness: Harness) -> dict[str, int]:
    await harness.append("alone", ONCE)
    await harness.engine.sessions.extract("alone")
    counts = (await harness.engine.sessions.get("alone")).memories_extracted
    assert counts
    return counts


async def test_an_archive_is_learnt_from_when_newer_talk_was_before_its_job_ran(harness: Harness) -> None:
    counts = await _counted_once(harness)
    await harness.append("s", ONCE)
    await harness.engine.sessions.commit("s")
    await harness.append("s", "My sister Clara adopted a grey cat named Miso on Friday 3 May 2024.")
    newer = await harness.engine.sessions.extract("s")
    assert newer
    await harness.settle()
    assert sum((await harness.engine.sessions.get("s")).memories_extracted.values()) == len(newer) + sum(
        counts.values()
    )
    assert await harness.found("oolong", target_uri="viking://~/memories")


async def test_a_session_that_is_learnt_from_while_it_is_archived_counts_its_memories_once(harness: Harness) -> None:
    counts = await _counted_once(harness)
    for at in range(20):
        name = f"archived{at}"
        await harness.append(name, ONCE)
        _, met = await interleaved(
            lambda ports, name=name: commit(name, 0, BY_COUNT, None, Caller(), ports),  # type: ignore[misc]
            lambda name=name: harness.engine.sessions.extract(name),  # type: ignore[misc]
            harness.ports,
            at,
        )
        await harness.settle()
        assert (await harness.engine.sessions.get(name)).memories_extracted == counts, at
        if not met:
            break
    assert not met


async def test_live_talk_is_counted_once_when_it_is_archived_and_learnt_from_meanwhile(harness: Harness) -> None:
    counts = await _counted_once(harness)
    for at in range(20):
        name = f"live{at}"
        await harness.append(name, ONCE)

        async def archived(name: str = name) -> None:
            await harness.engine.sessions.commit(name)
            await harness.settle()

        _, met = await interleaved(
            lambda ports, name=name: SessionOperations(ports, Caller()).extract(name),  # type: ignore[misc]
            archived,
            harness.ports,
            at,
        )
        if not met:
            break
        assert (await harness.engine.sessions.get(name)).memories_extracted == counts, at
    assert not met


async def test_twelve_snapshots_at_once_follow_each_other(harness: Harness) -> None:
    verbs = harness.engine.snapshots
    await harness.write(NOTE, "tea")

    async def one(i: int) -> None:
        await harness.write(f"viking://resources/notes/{i}.md", "tea")
        await verbs.commit(f"snapshot {i}")

    await asyncio.gather(*(one(i) for i in range(12)))
    line = await verbs.log(limit=50)
    assert [snapshot.parent for snapshot in line[:-1]] == [snapshot.oid for snapshot in line[1:]]


async def test_twenty_versions_of_a_private_value_at_once_are_all_kept(harness: Harness) -> None:
    verbs = harness.engine.privacy
    await asyncio.gather(*(verbs.upsert("skill", "fern", {"n": i}) for i in range(20)))
    assert await verbs.versions("skill", "fern") == list(range(1, 21))


async def test_a_private_value_removed_concurrently_starts_at_version_one(harness: Harness) -> None:
    for at in range(3):
        await harness.engine.privacy.upsert("skill", "fern", {"n": 1})

        async def verb(ports: Ports) -> object:
            return await PrivacyOperations(replace(ports), Caller()).upsert("skill", "fern", {"n": 2})

        await interleaved(
            verb, lambda: harness.engine.rm("viking://~/privacy/skill/fern", recursive=True), harness.ports, at
        )
        assert (await harness.engine.privacy.config("skill", "fern")).current.values == {"n": 2}
        await harness.engine.rm("viking://~/privacy/skill/fern", recursive=True)
