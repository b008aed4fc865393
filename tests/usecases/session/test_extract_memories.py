"""Memory extraction: by policy, by peer, immediate or after a commit, never twice."""

from __future__ import annotations

import json
from typing import Any

import pytest

from recalld.domain.errors import NotFound
from recalld.rules.retention import Retention
from tests.harness import Harness

FACT = "I moved to Lisbon in March 2024 and I work at Acme as a nurse."
OTHER = "My sister Clara adopted a grey cat named Miso on Friday 3 May 2024."
MINE, PEERS = "viking://user/default/memories", "viking://user/default/peers"


def peer(text: str = OTHER, name: str = "mara") -> dict[str, str]:
    return {"role": "user", "content": text, "peer_id": name}


async def memories(harness: Harness) -> dict[str, int]:
    """Memory files of the user and of peers."""
    await harness.settle()
    found = [str(e.node.uri) for e in await harness.engine.tree("viking://user/default", depth=20) if not e.node.is_dir]
    return {
        "own": sum(u.startswith(MINE) for u in found),
        "peers": sum(u.startswith(f"{PEERS}/mara/memories") for u in found),
    }


async def committed(harness: Harness, policy: dict[str, Any] | None, **options: Any) -> dict[str, Any]:
    await harness.engine.sessions.create("s", config={"memory_policy": policy} if policy is not None else {})
    await harness.append("s", FACT, peer())
    did = await harness.commit("s", **options)
    await harness.settle()
    return (await harness.engine.tasks.get(did.task_id)).result or {}


async def test_a_peers_words_become_memories_of_that_peer(harness: Harness) -> None:
    await committed(harness, None)
    assert await memories(harness) == {"own": 1, "peers": 1}


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ({"self": {"enabled": False}}, {"own": 0, "peers": 1}),
        ({"peer": {"enabled": False}}, {"own": 1, "peers": 0}),
        ({"memory_types": ["preferences"]}, {"own": 0, "peers": 0}),
        ({"memory_types": []}, {"own": 0, "peers": 0}),
        ({"memory_types": ["events"]}, {"own": 1, "peers": 1}),
    ],
)
async def test_a_policy_is_kept(harness: Harness, policy: dict[str, Any], expected: dict[str, int]) -> None:
    result = await committed(harness, policy)
    assert await memories(harness) == expected
    assert sum(result["memories_extracted"].values()) == sum(expected.values())


async def test_without_a_policy_of_its_own_a_session_keeps_its_users(harness: Harness) -> None:
    registry = harness.ports.registry
    await registry.change_settings("default", "default", {"memory_policy": {"self": {"enabled": False}}})
    await committed(harness, None)
    assert await memories(harness) == {"own": 0, "peers": 1}
    await harness.engine.sessions.create("own", config={"memory_policy": {"self": {"enabled": True}}})
    await harness.append("own", FACT)
    await harness.commit("own")
    assert (await memories(harness))["own"] == 1


async def test_without_working_memory_an_archive_has_no_overview(harness: Harness) -> None:
    await committed(harness, {"working_memory": {"enabled": False}})
    (archive,) = await harness.engine.sessions.archives("s")
    assert (archive.state, archive.overview, archive.abstract) == ("done", "", "")
    assert (await memories(harness))["own"] == 1


async def test_events_carry_the_sessions_tags_or_those_of_their_commit(harness: Harness) -> None:
    await harness.engine.sessions.create(
        "s", config={"memory_extraction_config": {"events": {"tags": ["team=core", "bad"]}}}
    )
    cases: list[tuple[list[str] | None, tuple[str, ...], str]] = [
        (None, ("team=core",), "Lisbon"),
        (["x=1"], ("x=1",), "Oslo"),
        ([], (), "Kyoto"),
    ]
    for tags, expected, town in cases:
        await harness.append("s", FACT.replace("Lisbon", town))
        did = await harness.commit("s", event_tags=tags)
        await harness.settle()
        (uri,) = ((await harness.engine.tasks.get(did.task_id)).result or {})["memory_uris"]
        assert (await harness.engine.stat(uri)).tags == expected


async def test_an_immediate_extraction_is_found_and_messages_stay_live(harness: Harness) -> None:
    await harness.append("s", FACT)
    (one,) = await harness.engine.sessions.extract("s")
    assert (one.type, "Lisbon" in one.abstract) == ("events", True)
    assert str(one.uri) in await harness.found("Lisbon nurse")
    session = await harness.engine.sessions.get("s")
    assert (session.message_count, session.commit_count, session.memories_extracted) == (1, 0, {"events": 1})


async def test_immediately_extracted_messages_are_not_extracted_again(harness: Harness) -> None:
    await harness.append("s", FACT)
    await harness.engine.sessions.extract("s")
    assert await harness.engine.sessions.extract("s") == []
    await harness.append("s", OTHER)
    await harness.commit("s")
    assert await memories(harness) == {"own": 2, "peers": 0}
    assert (await harness.engine.sessions.archives("s"))[0].overview


async def test_a_session_that_is_not_there_teaches_nothing(harness: Harness) -> None:
    with pytest.raises(NotFound):
        await harness.engine.sessions.extract("never")


async def test_tokens_within_the_keep_window_are_not_pending(harness: Harness) -> None:
    await harness.append("s", "one two three four", "five six seven eight", "nine ten")
    whole = (await harness.engine.sessions.get("s")).pending_tokens
    assert whole > 0
    await harness.commit("s", keep_recent_count=1)
    assert (await harness.engine.sessions.get("s")).pending_tokens == 0
    did = await harness.append("s", "eleven twelve thirteen")
    live = await harness.ports.ledger.tenant(harness.engine.caller).messages("s", archive=0)
    assert did.pending_tokens == live[0].tokens


async def test_a_session_remembers_how_its_last_commit_kept_turns(harness: Harness) -> None:
    for i in range(5):
        await harness.append("s", f"question {i}", {"role": "assistant", "content": f"answer {i}"})
    did = await harness.commit("s", retention=Retention("turn_budget", turns=2))
    assert not did.budget_exceeded
    session = await harness.engine.sessions.get("s")
    assert (session.message_count, session.config["keep_recent_turn_count"]) == (4, 2)
    did = await harness.commit("s", retention=Retention("turn_budget", token_budget=1))
    assert (did.budget_exceeded, (await harness.engine.sessions.get("s")).message_count) == (True, 1)
    await harness.append("s", "more")
    await harness.commit("s")
    assert "retention_mode" not in (await harness.engine.sessions.get("s")).config


async def test_an_archive_tells_which_memories_came_of_it(harness: Harness) -> None:
    result = await committed(harness, None)
    archive = result["archive_uri"]
    diff = json.loads(await harness.engine.read(result["memory_diff_uri"]))
    assert result["memory_diff_uri"] == f"{archive}/memory_diff.json"
    assert sorted(a["uri"] for a in diff["operations"]["adds"]) == sorted(result["memory_uris"])
    assert diff["operations"]["adds"][0]["after"] == await harness.engine.read(
        diff["operations"]["adds"][0]["uri"], raw=True
    )
    assert diff["summary"] == {"total_adds": 2, "total_updates": 0, "total_deletes": 0}
    assert [n.uri.name for n in await harness.engine.ls(archive)] == ["memory_diff.json", "messages.jsonl"]
    assert len((await harness.engine.grep(f"{MINE}", "Lisbon")).matches) > 0


async def test_an_archive_under_work_has_no_diff_yet(harness: Harness) -> None:
    await harness.append("s", FACT)
    did = await harness.commit("s")
    assert [n.uri.name for n in await harness.engine.ls(did.archive_uri)] == ["messages.jsonl"]
    with pytest.raises(NotFound):
        await harness.engine.read(f"{did.archive_uri}/memory_diff.json")
