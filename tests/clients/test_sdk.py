"""The published Python SDK against a running server: the results of ``drive/sdk.py``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.clients.running import StepResults, drive
from tests.live import Server

pytestmark = pytest.mark.clients


@pytest.fixture(scope="module")
def sdk(server: Server, tmp_path_factory: pytest.TempPathFactory) -> StepResults:
    return drive("sdk", "sdk.py", tmp_path_factory.mktemp("sdk"), f"http://127.0.0.1:{server.port}")


def uris(found: dict[str, Any]) -> list[str]:
    return [hit["uri"] for kind in ("memories", "resources", "skills") for hit in found[kind]]


def test_it_starts_and_sees_a_healthy_server(sdk: StepResults) -> None:
    assert sdk["initialize"] is None
    assert sdk["health"] == [True, True]
    system, *others = sdk["status"]
    assert system["is_healthy"] is True
    assert [one["is_healthy"] for one in others] == [True, True, True]


def test_a_file_and_a_directory_are_added_and_waited_for(sdk: StepResults) -> None:
    file, folder = sdk["add_file"], sdk["add_directory"]
    assert file["status"] == folder["status"] == "success"
    assert file["root_uri"] == "viking://resources/handbook"
    assert folder["root_uri"] == "viking://resources/manual"
    assert {"Semantic", "Embedding"} <= set(folder["queue_status"])


def test_work_in_the_background_can_be_followed(sdk: StepResults) -> None:
    added = sdk["add_in_the_background"]
    assert added["status"] == "success"
    assert isinstance(sdk["wait_processed"], dict)
    task, listed = sdk["task"]
    assert (task["task_type"], task["status"]) == ("add_resource", "completed")
    assert added["task_id"] in listed
    assert sdk["missing_task"] is None


def test_added_resources_are_found(sdk: StepResults) -> None:
    assert any("pump" in uri for uri in uris(sdk["find"]))
    assert sdk["find"]["total"] == len(uris(sdk["find"]))
    within = sdk["find_within"]["resources"]
    assert 0 < len(within) <= 3
    assert all(hit["uri"].startswith("viking://resources/") and hit["level"] == 2 for hit in within)


def test_the_tree_can_be_listed_and_paged(sdk: StepResults) -> None:
    names = {entry["name"] for entry in sdk["ls"]}
    assert {"manual", "handbook"} <= names
    assert "viking://resources/manual" in [uri.rstrip("/") for uri in sdk["ls_simple"]]
    assert {entry["rel_path"] for entry in sdk["tree"]} >= {"pump.md", "src", "src/oil.py"}
    assert sdk["ls_page"]
    assert sdk["tree_page"]


def test_tiers_and_texts_are_read(sdk: StepResults) -> None:
    abstract, overview = sdk["tiers"]
    assert 0 < len(abstract) <= 256
    assert "pump" in overview.lower()
    uri, text, line, raw, data = sdk["read"]
    assert uri.endswith("pump.md")
    assert text == raw == data == "# Pump\n\nThe pump must be oiled each morning.\n"
    assert line.strip() == "The pump must be oiled each morning."


def test_patterns_are_matched(sdk: StepResults) -> None:
    assert sdk["grep"]["match_count"] >= 1
    assert any(match["uri"].endswith("pump.md") for match in sdk["grep"]["matches"])
    assert [uri.rsplit("/", 1)[1] for uri in sdk["glob"]["matches"]] == ["oil.py"]


def test_texts_are_written_moved_and_removed(sdk: StepResults) -> None:
    written, text, stat = sdk["write"]
    assert (written["mode"], written["content_updated"]) == ("create", True)
    assert text == "# Tea\n\nAna drinks oolong at dawn.\nAnd sencha at noon.\n"
    assert stat["isDir"] is False
    assert len(sdk["batch_write"]["created"]) == 2
    assert sdk["folders"] == text


def test_tags_narrow_a_find(sdk: StepResults) -> None:
    tagged, attrs, found = sdk["tags"]
    assert tagged["success_count"] == 1
    assert attrs["attrs"]["tags"] == ["kind=drink"]
    assert uris(found) == ["viking://resources/notes/tea.md"]


def test_a_session_records_and_is_put_away(sdk: StepResults) -> None:
    session_id, added, state, there, not_there = sdk["session"]
    assert (session_id["session_id"], session_id["user"]["user_id"]) == ("sdk-1", "ana")
    assert (added["added"], state["message_count"], there, not_there) == (1, 3, True, False)
    assert [m["role"] for m in sdk["session_context"]["messages"]] == ["user", "assistant", "user"]
    did, task, archive, context = sdk["commit"]
    assert (did["status"], did["archived"], task["status"]) == ("accepted", True, "completed")
    assert isinstance(task["result"]["memories_extracted"], dict)
    assert len(archive["messages"]) == 3
    assert "Lisbon" in context["latest_archive_overview"]


def test_messages_are_recalled(sdk: StepResults) -> None:
    found, within = sdk["recall"]
    assert uris(found)
    assert uris(within)
    block = sdk["search_context"]
    assert isinstance(block["rendered"], str)
    assert block["stats"]["used_tokens"] <= 800


def test_sessions_are_objects_too(sdk: StepResults) -> None:
    committed, listed = sdk["session_object"]
    assert committed["status"] == "accepted"
    assert {"sdk-1", "sdk-2"} <= set(listed)
    assert sdk["session_config"]["auto_commit_policy"]["message_count_threshold"] == 50


def test_a_skill_lives_from_add_to_delete(sdk: StepResults) -> None:
    added, listed, found, shown, checked, updated, deleted = sdk["skill"]
    assert (added["status"], added["name"]) == ("success", "brew-tea")
    assert [one["name"] for one in listed["skills"]] == ["brew-tea"]
    assert found["skills"][0]["name"] == "brew-tea"
    assert "Warm the pot" in shown["content"]
    assert checked
    assert updated["action"] == "update"
    assert deleted["name"] == "brew-tea"


def test_an_index_is_made_again_and_is_whole(sdk: StepResults) -> None:
    remade, whole = sdk["reindex"]
    assert (remade["status"], remade["failed_records"]) == ("completed", 0)
    assert (whole["ok"], whole["missing_record_count"]) == (True, 0)


def test_a_pack_goes_out_and_comes_in(sdk: StepResults) -> None:
    where, files = sdk["pack"]
    assert str(where).startswith("viking://resources/again")
    assert any(uri.endswith("pump.md") for uri in files["matches"])


def test_a_snapshot_is_in_the_log(sdk: StepResults) -> None:
    created, log = sdk["snapshot"]
    assert created["result"] == "created"
    assert log[0]["oid"] == created["commit_oid"]


def test_without_watches_the_list_is_empty(sdk: StepResults) -> None:
    assert (sdk["watches"]["total"], sdk["watches"]["tasks"]) == (0, [])


@pytest.mark.parametrize(
    ("step", "kind", "code"),
    [
        ("read_nothing", "NotFoundError", "NOT_FOUND"),
        ("get_no_session", "NotFoundError", "NOT_FOUND"),
        ("session_created_twice", "AlreadyExistsError", "ALREADY_EXISTS"),
        ("created_twice", "AlreadyExistsError", "ALREADY_EXISTS"),
        ("bad_uri", "InvalidURIError", "INVALID_URI"),
        ("bad_argument", "InvalidArgumentError", "INVALID_ARGUMENT"),
        ("not_empty", "FailedPreconditionError", "FAILED_PRECONDITION"),
        ("not_allowed", "PermissionDeniedError", "PERMISSION_DENIED"),
    ],
)
def test_a_refusal_is_the_sdks_own_error(sdk: StepResults, step: str, kind: str, code: str) -> None:
    raised = sdk.raised(step)
    assert (raised["type"], raised["code"]) == (kind, code)


def test_a_missing_thing_is_named(sdk: StepResults) -> None:
    details = sdk.raised("read_nothing")["details"]
    assert details["resource"] == "viking://resources/none.md"
    assert details["type"]


def test_the_asynchronous_client_does_the_same(server: Server, tmp_path: Path) -> None:
    steps = drive("sdk", "sdk_async.py", tmp_path, f"http://127.0.0.1:{server.port}")
    healthy, found, session = steps["asynchronous"]
    assert healthy is True
    assert any("async-1" in uri for uri in uris(found))
    assert session["message_count"] == 1
